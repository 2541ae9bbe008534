package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// checkSchemas validates the custom resources whose definition is written in
// the same run against the schema that the definition brings. The server can
// only do it later, when the definition has been written, and then does it
// again, with all its rules.
func (r *run) checkSchemas() error {
	var defs map[schema.GroupVersionKind]*definition
	failed := &Error{Op: "validating"}
	for _, it := range r.p.items {
		if it.crd == nil || !it.crd.pending() || !it.unchecked() {
			continue
		}
		if defs == nil {
			defs = definitions(r.p.items)
		}
		d := defs[it.ref.GroupVersionKind()]
		if d == nil || d.schema == nil {
			continue
		}
		if err := checkSchema(d.schema, it); err != nil {
			failed.Objects = append(failed.Objects, ObjectError{Key: it.key, File: it.obj.File, Err: err})
		}
	}
	if len(failed.Objects) == 0 {
		return nil
	}
	return failed
}

// checkSchema validates one object. The schema comes from a repository and the
// validator compiles what it says, so a panic is an error of the object.
func checkSchema(s map[string]any, it *item) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("checking against the schema of its CustomResourceDefinition: %v", p)
		}
	}()
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("reading the schema of its CustomResourceDefinition: %w", err)
	}
	var sch spec.Schema
	if err := json.Unmarshal(raw, &sch); err != nil {
		return fmt.Errorf("reading the schema of its CustomResourceDefinition: %w", err)
	}
	problems := undeclared(s, it.obj.Object, "", 0)
	res := validate.NewSchemaValidator(&sch, nil, "", strfmt.Default).Validate(it.obj.Object)
	for _, e := range res.Errors {
		problems = append(problems, e.Error())
	}
	if len(problems) == 0 {
		return nil
	}
	if it.sensitive() {
		return fmt.Errorf("%d value(s) do not match the schema of its CustomResourceDefinition (they are hidden, they may be secret)", len(problems))
	}
	const shown = 10
	if n := len(problems); n > shown {
		problems = append(problems[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return errors.New("does not match the schema of its CustomResourceDefinition: " + strings.Join(problems, "; "))
}

// schemaDepth bounds how deep undeclared fields are looked for.
const schemaDepth = 64

// undeclared returns the fields of v that the schema s does not know. A
// server-side apply of such a field is refused.
func undeclared(s map[string]any, v any, path string, depth int) []string {
	if keep, _ := s["x-kubernetes-preserve-unknown-fields"].(bool); keep || depth > schemaDepth {
		return nil
	}
	var out []string
	switch v := v.(type) {
	case []any:
		items, ok := s["items"].(map[string]any)
		if !ok {
			return nil
		}
		for i, e := range v {
			out = append(out, undeclared(items, e, fmt.Sprintf("%s[%d]", path, i), depth+1)...)
		}
	case map[string]any:
		props, _ := s["properties"].(map[string]any)
		more, open := s["additionalProperties"]
		embedded, _ := s["x-kubernetes-embedded-resource"].(bool)
		if props == nil && !open && s["type"] != "object" {
			return nil
		}
		for k, e := range v {
			p := path + "." + k
			if (depth == 0 || embedded) && slices.Contains([]string{"apiVersion", "kind", "metadata", "status"}, k) {
				continue
			}
			sub, known := props[k].(map[string]any)
			if !known {
				sub, known = more.(map[string]any)
			}
			switch {
			case known:
				out = append(out, undeclared(sub, e, p, depth+1)...)
			case !open:
				out = append(out, fmt.Sprintf("%s: field not declared in schema", p))
			}
		}
	}
	slices.Sort(out)
	return out
}
