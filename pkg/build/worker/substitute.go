package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fluxcd/pkg/envsubst"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// disabledKey is the label or annotation by which an object opts out.
const (
	disabledKey   = "kustomize.toolkit.fluxcd.io/substitute"
	disabledValue = "disabled"
)

// variableName is what a variable may be called.
var variableName = regexp.MustCompile(`^[_a-zA-Z][_a-zA-Z0-9]*$`)

// substituter replaces references to variables in the text of objects.
type substituter struct {
	enabled   bool
	variables map[string]protocol.Variable
}

func newSubstituter(strategy protocol.Strategy, variables []protocol.Variable) (*substituter, error) {
	s := &substituter{variables: make(map[string]protocol.Variable, len(variables))}
	switch strategy {
	case "", protocol.WithVariables:
		s.enabled = len(variables) > 0
	case protocol.Always:
		s.enabled = true
	default:
		return nil, &fault{reason: reasonSubstitution, err: fmt.Errorf("unknown strategy of substitution %q: want %s or %s", strategy, protocol.WithVariables, protocol.Always)}
	}
	for _, v := range variables {
		if !variableName.MatchString(v.Name) {
			return nil, &fault{reason: reasonSubstitution, err: fmt.Errorf("variable name %.80q is invalid: it must match %s", v.Name, variableName)}
		}
		// A value of several lines would break the text that it is put in.
		v.Value = strings.ReplaceAll(v.Value, "\n", "")
		s.variables[v.Name] = v
	}
	return s, nil
}

// wants says that an object may hold references.
func (s *substituter) wants(text []byte, fields map[string]any) bool {
	if !s.enabled || bytes.IndexByte(text, '$') < 0 {
		return false
	}
	metadata, _ := fields["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		values, _ := metadata[field].(map[string]any)
		if values[disabledKey] == disabledValue {
			return false
		}
	}
	return true
}

// object substitutes in an object and returns its new fields; text is the
// object with the fields before. References stand in the object's YAML, so a
// value is whatever YAML takes it for where it stands: "3" without quotes
// becomes a number.
func (s *substituter) object(o *protocol.Object, text []byte, before map[string]any) (fields map[string]any, err error) {
	wrap := func(err error) error {
		return &fault{reason: reasonSubstitution, file: o.File, object: nameOf(before), err: err}
	}
	manifest, err := yaml.JSONToYAML(text)
	if err != nil {
		return nil, wrap(err)
	}
	var undefined string
	evaluated, err := evaluate(string(manifest), func(variable string) (string, bool) {
		v, ok := s.variables[variable]
		if !ok {
			undefined = variable
		}
		o.Tainted = o.Tainted || v.Tainted
		return v.Value, ok
	})
	switch {
	case err != nil && undefined != "" && !errors.Is(err, errOperand):
		return nil, wrap(fmt.Errorf("variable %q is not defined, and the reference to it has no default", undefined))
	case err != nil:
		return nil, wrap(fmt.Errorf("substituting variables: %w", err))
	}
	if fields, err = decode(evaluated); err != nil {
		if o.Tainted {
			// The message may quote what is secret.
			err = errors.New("what comes out is not valid YAML")
		}
		return nil, wrap(fmt.Errorf("substituting variables: %w", err))
	}
	if o.Tainted {
		if err := s.checkIdentity(before, fields); err != nil {
			return nil, wrap(err)
		}
	}
	if kind, _ := fields["kind"].(string); kind == "" {
		return nil, wrap(errors.New("substituting variables: the object has no kind any more"))
	}
	return fields, nil
}

// decode reads a manifest without loss: numbers stay as they are written.
func decode(manifest string) (map[string]any, error) {
	text, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&fields)
	return fields, err
}

var errOperand = errors.New("an operand of a reference is out of range")

// evaluate substitutes in text. The evaluation panics on some operands that
// are out of range.
func evaluate(text string, mapping func(string) (string, bool)) (out string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errOperand
		}
	}()
	return envsubst.Eval(text, mapping)
}
