package worker

import (
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"
)

// checkIdentity refuses an object whose identity depends on a tainted variable.
//
// What identifies an object is no place for a secret: everyone sees it who may
// list objects or read the audit log, and it is in conditions, events and
// inventories. So each field is evaluated on its own. It must not look at a
// tainted variable, whatever becomes of the value, and must come out as it did
// in the object: a value elsewhere in the object has no say in it either.
//
// Errors name variables and fields, never values.
func (s *substituter) checkIdentity(before, after map[string]any) error {
	for _, field := range []struct{ parent, name string }{
		{"", "apiVersion"}, {"", "kind"}, {"metadata", "namespace"}, {"metadata", "name"},
	} {
		path, from, to := field.name, before, after
		if field.parent != "" {
			path = field.parent + "." + field.name
			from, _ = before[field.parent].(map[string]any)
			to, _ = after[field.parent].(map[string]any)
		}
		want, tainted, err := s.alone(from, field.name)
		switch {
		case tainted != "":
			return fmt.Errorf("%s refers to the variable %q, whose value is secret, and the identity of an object is not: "+
				"take the variable from a ConfigMap or from spec.postBuild.substitute", path, tainted)
		case err != nil || to[field.name] != want:
			return fmt.Errorf("%s is changed by the values of variables elsewhere in the object, some of which are secret", path)
		}
	}
	return nil
}

var errNotText = errors.New("the field is not text")

// alone evaluates one field as if nothing else were in the object. It returns
// the name of a tainted variable that the field refers to, if there is one.
func (s *substituter) alone(fields map[string]any, name string) (value any, tainted string, err error) {
	text, ok := fields[name]
	if !ok || text == nil {
		return text, "", nil
	}
	if _, ok := text.(string); !ok {
		return nil, "", errNotText
	}
	manifest, err := yaml.Marshal(map[string]any{name: text})
	if err != nil {
		return nil, "", err
	}
	evaluated, err := evaluate(string(manifest), func(variable string) (string, bool) {
		v, ok := s.variables[variable]
		if v.Tainted {
			tainted = variable
		}
		return v.Value, ok
	})
	if err != nil {
		return nil, tainted, err
	}
	result, err := decode(evaluated)
	return result[name], tainted, err
}
