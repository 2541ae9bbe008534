package v1alpha1

import (
	"bytes"
	"errors"
)

// JSONValue is any JSON value, kept as it is written.
//
// +k8s:openapi-gen=true
type JSONValue struct {
	// Raw is the text of the value, never empty.
	Raw []byte `json:"-"`
}

// MarshalJSON implements json.Marshaler.
func (v JSONValue) MarshalJSON() ([]byte, error) {
	if len(v.Raw) == 0 {
		return []byte("null"), nil
	}
	return v.Raw, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *JSONValue) UnmarshalJSON(text []byte) error {
	if v == nil {
		return errors.New("reading a JSON value into nil")
	}
	v.Raw = bytes.Clone(text)
	return nil
}

// OpenAPISchemaType implements the interface that the generator of OpenAPI
// looks for. A value may be of any type.
func (JSONValue) OpenAPISchemaType() []string { return nil }

// OpenAPISchemaFormat implements the interface that the generator of OpenAPI
// looks for.
func (JSONValue) OpenAPISchemaFormat() string { return "" }
