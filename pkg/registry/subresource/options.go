package subresource

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// AddToScheme registers what a server needs to know of query parameters. It looks
// for them in the version v1 without a group, when it describes the API, and
// converts queries to them.
func AddToScheme(scheme *runtime.Scheme) error {
	return errors.Join(
		addOptions(scheme, readArtifactOptions),
		addOptions(scheme, readBuildOptions),
		addOptions(scheme, readDiffOptions),
		addOptions(scheme, readLogOptions),
		addOptions(scheme, readHistoryOptions),
		addOptions(scheme, readTreeOptions),
	)
}

// options is a pointer to a type of query parameters.
type options[T any] interface {
	*T
	runtime.Object
}

// addOptions registers a type of query parameters, which read fills in. An error
// of read becomes a bad request.
func addOptions[T any, O options[T]](scheme *runtime.Scheme, read func(url.Values, O) error) error {
	empty := O(new(T))
	scheme.AddKnownTypes(schema.GroupVersion{Version: "v1"}, empty)
	return scheme.AddConversionFunc((*url.Values)(nil), empty, func(from, to any, _ conversion.Scope) error {
		query := *from.(*url.Values)
		if err := checkLengths(query); err != nil {
			return err
		}
		return read(query, to.(O))
	})
}

// maxParameter is the length of the value of a parameter, in bytes. Revisions and
// paths are the longest that there are.
const maxParameter = 1024

// checkLengths refuses values that can name nothing, before they are looked up
// and repeated in an answer.
func checkLengths(query url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			if len(value) > maxParameter {
				return fmt.Errorf("query parameter %.40q: it has %d bytes and may not have more than %d", name, len(value), maxParameter)
			}
		}
	}
	return nil
}

// boolean reads a parameter that is true or false. Without a value, as in
// ?follow, it is true.
func boolean(query url.Values, name string) (bool, error) {
	switch text := query.Get(name); {
	case !query.Has(name):
		return false, nil
	case text == "":
		return true, nil
	default:
		value, err := strconv.ParseBool(text)
		if err != nil {
			return false, fmt.Errorf("query parameter %s: %q is neither true nor false", name, text)
		}
		return value, nil
	}
}

// count reads a parameter that is a number of things; nil if it is not there.
func count(query url.Values, name string) (*int64, error) {
	if !query.Has(name) {
		return nil, nil
	}
	text := query.Get(name)
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil || value < 0 {
		return nil, fmt.Errorf("query parameter %s: %q is not a number from 0 on", name, text)
	}
	return &value, nil
}
