package preview

import (
	"encoding/base64"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Placeholder is what stands for the value of a key of a Secret that is not
// resolved, or not for this caller.
func Placeholder(secret, key string) string { return "<secret:" + secret + "/" + key + ">" }

// Marker is another text for the same value. What differs between renderings
// with the one and with the other depends on the value: no character of a
// marker is at its place in the placeholder, and their lengths differ.
func Marker(secret, key string) string {
	return strings.Repeat("+", len(Placeholder(secret, key))+1)
}

// IsSecret reports whether fields are those of a Secret.
func IsSecret(fields map[string]any) bool {
	return fields["kind"] == "Secret" && fields["apiVersion"] == "v1"
}

// HideSecret returns a Secret with placeholders in the places of its values, and
// a list with such Secrets in it; mayGet says which ones the caller may get as
// they are. Other objects are returned as they are.
func HideSecret(fields map[string]any, mayGet func(namespace, name string) (bool, error)) (map[string]any, error) {
	if items, ok := fields["items"].([]any); ok {
		return hideItems(fields, items, mayGet)
	}
	if !IsSecret(fields) {
		return fields, nil
	}
	u := unstructured.Unstructured{Object: fields}
	allowed, err := mayGet(u.GetNamespace(), u.GetName())
	if allowed || err != nil {
		return fields, err
	}
	out := Strip(&u)
	for _, name := range []string{"data", "stringData"} {
		values, ok := out[name].(map[string]any)
		if !ok {
			if out[name] != nil {
				out[name] = Placeholder(u.GetName(), name)
			}
			continue
		}
		hidden := make(map[string]any, len(values))
		for key := range values {
			hidden[key] = Placeholder(u.GetName(), key)
		}
		out[name] = hidden
	}
	return out, nil
}

func hideItems(fields map[string]any, items []any, mayGet func(namespace, name string) (bool, error)) (map[string]any, error) {
	hidden := make([]any, len(items))
	for i, item := range items {
		hidden[i] = item
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if m["kind"] == nil && fields["kind"] == "SecretList" {
			// The items of a typed list need not say what they are.
			m = maps.Clone(m)
			m["kind"], m["apiVersion"] = "Secret", "v1"
		}
		var err error
		if hidden[i], err = HideSecret(m, mayGet); err != nil {
			return nil, err
		}
	}
	out := maps.Clone(fields)
	out["items"] = hidden
	return out, nil
}

// placeholders are what texts begin with that stand for a value.
var placeholders = [...]string{"<secret:", "<encrypted:"}

// HoldsPlaceholder reports whether a text stands for a value, or has one in it
// that does.
func HoldsPlaceholder(text string) bool {
	for _, p := range placeholders {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// Encode returns a Secret with the placeholders in its data as base64, without
// which a server does not take them.
func Encode(fields map[string]any) map[string]any {
	return mapData(fields, func(text string) string {
		if _, err := base64.StdEncoding.DecodeString(text); err != nil && HoldsPlaceholder(text) {
			return base64.StdEncoding.EncodeToString([]byte(text))
		}
		return text
	})
}

// Decode undoes Encode, so that people can read the placeholders.
func Decode(fields map[string]any) map[string]any {
	return mapData(fields, func(text string) string {
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil && HoldsPlaceholder(string(plain)) {
			return string(plain)
		}
		return text
	})
}

// Stored returns a rendered Secret with its stringData where a server keeps it:
// in data, as base64. Texts with placeholders are left as they are, as Decode
// leaves them.
func Stored(fields map[string]any) map[string]any {
	plain, ok := fields["stringData"].(map[string]any)
	if !ok || !IsSecret(fields) {
		return fields
	}
	out := maps.Clone(fields)
	delete(out, "stringData")
	data := map[string]any{}
	if given, ok := fields["data"].(map[string]any); ok {
		maps.Copy(data, given)
	}
	for key, value := range plain {
		if text, ok := value.(string); ok && !HoldsPlaceholder(text) {
			value = base64.StdEncoding.EncodeToString([]byte(text))
		}
		data[key] = value
	}
	out["data"] = data
	return out
}

// mapData returns a Secret with f applied to the values of its data, and what is
// no Secret as it is.
func mapData(fields map[string]any, f func(string) string) map[string]any {
	data, ok := fields["data"].(map[string]any)
	if !ok || !IsSecret(fields) {
		return fields
	}
	out := make(map[string]any, len(data))
	for key, value := range data {
		if text, ok := value.(string); ok {
			value = f(text)
		}
		out[key] = value
	}
	fields = maps.Clone(fields)
	fields["data"] = out
	return fields
}
