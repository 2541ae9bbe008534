package generic

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// MaxObjectBytes is the size of an object, as JSON, that is still stored. etcd
// takes requests of 1.5 MiB; what is left is for the key, the transaction around
// the value, and encryption at rest.
const MaxObjectBytes = 1536<<10 - 32<<10

// validateSize refuses what etcd would refuse with an error that no user can
// make sense of, and names the part of the object that is to blame.
func validateSize(o Object) field.ErrorList {
	data, err := json.Marshal(o)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, fmt.Errorf("encoding the object: %w", err))}
	}
	if len(data) <= MaxObjectBytes {
		return nil
	}
	path, size := largestPart(data)
	return field.ErrorList{&field.Error{
		Type:     field.ErrorTypeTooLong,
		Field:    path.String(),
		BadValue: fmt.Sprintf("%d bytes", size),
		Detail:   fmt.Sprintf("the object has %d bytes and may not have more than %d", len(data), MaxObjectBytes),
	}}
}

// largestPart descends into the largest field for as long as it holds more than
// half of what is above it.
func largestPart(data []byte) (*field.Path, int) {
	var path *field.Path
	for {
		var parts map[string]json.RawMessage
		if json.Unmarshal(data, &parts) != nil {
			return path, len(data)
		}
		name := ""
		for candidate, value := range parts {
			if name == "" || len(value) > len(parts[name]) || len(value) == len(parts[name]) && candidate < name {
				name = candidate
			}
		}
		if len(parts[name]) <= len(data)/2 {
			return path, len(data)
		}
		data = parts[name]
		path = child(path, name)
	}
}

func child(path *field.Path, name string) *field.Path {
	if path == nil {
		return field.NewPath(name)
	}
	return path.Child(name)
}
