package schema

import (
	"fmt"
	"sort"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// MaxErrors is how many errors of one object are reported.
const MaxErrors = 50

// Validator checks objects against published definitions. It is immutable and
// may be used by any number of goroutines.
type Validator struct {
	models map[string]*node
}

// New compiles the definitions of this project, and fails if one of them says
// something that the validator would not enforce.
func New(definitions common.GetOpenAPIDefinitions) (*Validator, error) {
	rules, err := newRuleCompiler()
	if err != nil {
		return nil, err
	}
	c := &compiler{
		definitions: definitions(func(name string) spec.Ref { return spec.MustCreateRef(refPrefix + name) }),
		nodes:       map[string]*node{},
		rules:       rules,
	}
	for name := range c.definitions {
		if !own(name) {
			continue
		}
		if _, err := c.model(name); err != nil {
			return nil, fmt.Errorf("compiling the published schema: %w", err)
		}
	}
	return &Validator{models: c.nodes}, nil
}

// Validate checks an object against the definition of this name; see the
// method OpenAPIModelName of its type. The object is a pointer to a Go type of
// the API, or a map as JSON decodes it. Metadata is left to the generic server.
// Errors come in the order of their paths, at most MaxErrors of them.
func (v *Validator) Validate(model string, obj any) field.ErrorList {
	n, ok := v.models[model]
	if !ok {
		return field.ErrorList{field.InternalError(nil, fmt.Errorf("no schema is published for %q", model))}
	}
	val, err := valueOf(obj)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, fmt.Errorf("reading an object of %s: %w", model, err))}
	}
	w := walker{allocator: value.NewFreelistAllocator()}
	w.check(n, val, nil)
	w.checkAbsentSpec(n, val)
	sort.SliceStable(w.errs, func(i, j int) bool { return w.errs[i].Field < w.errs[j].Field })
	return w.errs
}

func valueOf(obj any) (value.Value, error) {
	if m, ok := obj.(map[string]any); ok {
		return value.NewValueInterface(m), nil
	}
	return value.NewValueReflect(obj)
}
