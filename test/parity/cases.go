package parity

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Namespace and Name are those of all generated objects.
const (
	Namespace = "parity"
	Name      = "sample"
)

// Case is one object, and whether it must be refused.
type Case struct {
	// Path and Rule say what is tried.
	Path, Rule string

	// Object is a whole object.
	Object *unstructured.Unstructured

	// Status tells that the field is in the status: the object has to be
	// created without it, and the status written to its subresource.
	Status bool

	// Refused tells that the object must be refused, and Names what the refusal
	// must mention.
	Refused bool
	Names   string
}

// Name is what a test calls the case.
func (c Case) Name() string {
	if c.Refused {
		return c.Path + "/" + c.Rule + "/refused"
	}
	return c.Path + "/" + c.Rule + "/accepted"
}

// generator makes the cases of one kind.
type generator struct {
	kind    *Kind
	tree    *tree
	samples *samples
	cases   []Case
}

// Cases makes, for each rule of each line, an object that must be accepted and
// one that must be refused.
func Cases(kind *Kind) ([]Case, error) {
	t, err := newTree(kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind.Kind, err)
	}
	s, err := newSamples(kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind.Kind, err)
	}
	g := &generator{kind: kind, tree: t, samples: s}
	for _, field := range kind.Fields {
		g.served(field)
		g.required(field)
		g.enum(field)
		g.pattern(field)
		g.lengths(field)
		g.minimum(field)
		g.rules(field)
	}
	return g.cases, nil
}

// object makes a valid object that has this field.
func (g *generator) object(path string, value any) *unstructured.Unstructured {
	content := map[string]any{
		"apiVersion": g.kind.GroupVersionKind().GroupVersion().String(),
		"kind":       g.kind.Kind,
		"metadata":   map[string]any{"name": Name, "namespace": Namespace},
	}
	content["spec"] = g.tree.properties["spec"].sample(g.samples)
	g.tree.set(content, path, value, g.samples)
	return &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
}

func (g *generator) accept(path, rule string, value any) {
	g.cases = append(g.cases, Case{Path: path, Rule: rule, Object: g.object(path, value), Status: inStatus(path)})
}

func (g *generator) refuse(path, rule string, value any, names string) {
	g.cases = append(g.cases, Case{Path: path, Rule: rule, Object: g.object(path, value), Status: inStatus(path), Refused: true, Names: names})
}

func inStatus(path string) bool { return path == "status" || strings.HasPrefix(path, "status.") }

// acceptWithNeeds adds to the object what else must be set for the field.
func (g *generator) acceptWithNeeds(path, rule string, value any) {
	g.accept(path, rule, value)
	object := g.cases[len(g.cases)-1].Object
	for other, value := range g.samples.needs[g.kind.Kind+" "+path] {
		g.tree.set(object.Object, other, value, g.samples)
	}
	object.Object = runtime.DeepCopyJSON(object.Object)
}

// served tries the field itself, what is easily lost on the way (false, an empty
// text, an empty list), and a value of another type.
func (g *generator) served(field Field) {
	t := g.tree.at(field.Path)
	g.acceptWithNeeds(field.Path, "served", t.sample(g.samples))
	if field.Type == "string" {
		g.refuse(field.Path, "type", int64(7), "")
	} else {
		g.refuse(field.Path, "type", "text", "")
	}
	if inStatus(field.Path) {
		return
	}
	switch {
	case field.Type == "boolean":
		g.acceptWithNeeds(field.Path, "false", false)
	case field.Type == "array":
		g.acceptWithNeeds(field.Path, "empty", []any{})
	case field.Type == "object" && t.values != nil:
		g.acceptWithNeeds(field.Path, "empty", map[string]any{})
	case field.Type == "string" && !field.Required && field.Pattern == "" && field.Enum == nil && field.MinLength == nil:
		g.acceptWithNeeds(field.Path, "empty", "")
	}
}

func (g *generator) required(field Field) {
	if !field.Required {
		return
	}
	g.accept(field.Path, "required", g.tree.at(field.Path).sample(g.samples))
	if _, ok := g.samples.lenient[field.Path]; ok {
		return
	}
	object := g.object(field.Path, g.tree.at(field.Path).sample(g.samples))
	remove(object.Object, field.Path)
	g.cases = append(g.cases, Case{
		Path: field.Path, Rule: "required", Object: object,
		Status: inStatus(field.Path), Refused: true, Names: concrete(field.Path),
	})
}

func (g *generator) enum(field Field) {
	if len(field.Enum) == 0 {
		return
	}
	for _, value := range field.Enum {
		g.accept(field.Path, "enum "+value, value)
	}
	g.refuse(field.Path, "enum", "nonesuch", concrete(field.Path))
	g.refuse(field.Path, "enum empty", "", concrete(field.Path))
}

func (g *generator) pattern(field Field) {
	if field.Pattern == "" {
		return
	}
	sample := g.samples.byPattern[field.Pattern]
	g.accept(field.Path, "pattern", sample.good)
	g.refuse(field.Path, "pattern", sample.bad, concrete(field.Path))
	g.refuse(field.Path, "pattern empty", "", concrete(field.Path))
}

func (g *generator) lengths(field Field) {
	if field.MinLength != nil {
		g.accept(field.Path, "minLength", strings.Repeat("a", int(*field.MinLength)))
		g.refuse(field.Path, "minLength", strings.Repeat("a", int(*field.MinLength-1)), concrete(field.Path))
	}
	if field.MaxLength != nil {
		g.accept(field.Path, "maxLength", strings.Repeat("a", int(*field.MaxLength)))
		g.refuse(field.Path, "maxLength", strings.Repeat("a", int(*field.MaxLength+1)), concrete(field.Path))
	}
}

func (g *generator) minimum(field Field) {
	if field.Minimum != nil {
		g.accept(field.Path, "minimum", int64(*field.Minimum))
		g.refuse(field.Path, "minimum", int64(*field.Minimum)-1, concrete(field.Path))
	}
}

// rules merges the values of the sample into a valid value of the field, and
// takes it as it is where the valid value may only be one of several forms.
func (g *generator) rules(field Field) {
	for _, rule := range field.Rules {
		sample := g.samples.byRule[rule]
		g.accept(field.Path, rule, g.with(field.Path, sample.keeps))
		c := Case{Path: field.Path, Rule: rule, Object: g.object(field.Path, nil), Refused: true, Names: concrete(field.Path)}
		g.tree.set(c.Object.Object, field.Path, g.with(field.Path, sample.breaks), g.samples)
		c.Object.Object = runtime.DeepCopyJSON(c.Object.Object)
		g.cases = append(g.cases, c)
	}
}

func (g *generator) with(path string, values map[string]any) map[string]any {
	object, _ := g.tree.at(path).sample(g.samples).(map[string]any)
	for name, value := range values {
		object[name] = value
	}
	return object
}
