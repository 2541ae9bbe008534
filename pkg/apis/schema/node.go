package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// node is one definition or property, compiled: references resolved, patterns
// and rules ready to run.
type node struct {
	kind string // JSON type, empty for any

	properties map[string]*node
	required   []string
	additional *node // values of a map
	items      *node
	all        []*node

	pattern              *regexp.Regexp
	isURL                bool // may hold credentials that no message may repeat
	enum                 []string
	dateTime             bool
	minLength, maxLength *int64
	minItems, maxItems   *int64
	minimum, maximum     *float64
	rules                []rule
}

// compiler turns definitions into nodes, each definition once.
type compiler struct {
	definitions map[string]common.OpenAPIDefinition
	nodes       map[string]*node
	rules       *ruleCompiler
}

// refPrefix marks references while compiling; how published documents spell
// them is the publisher's affair.
const refPrefix = "#/definitions/"

func (c *compiler) model(name string) (*node, error) {
	if n, ok := c.nodes[name]; ok {
		return n, nil
	}
	def, ok := c.definitions[name]
	if !ok {
		return nil, fmt.Errorf("definition %s does not exist", name)
	}
	n := &node{}
	c.nodes[name] = n // before its properties: a definition may refer to itself
	if err := c.fill(n, &def.Schema, own(name)); err != nil {
		return nil, fmt.Errorf("definition %s: %w", name, err)
	}
	return n, nil
}

func (c *compiler) compile(s *spec.Schema, strict bool) (*node, error) {
	if name, ok := strings.CutPrefix(s.Ref.String(), refPrefix); ok {
		return c.model(name)
	}
	n := &node{}
	return n, c.fill(n, s, strict)
}

// fill compiles s into n. If strict, a keyword that would not be enforced is an
// error: what is published is what holds.
func (c *compiler) fill(n *node, s *spec.Schema, strict bool) error {
	if strict {
		if keyword := unsupported(s); keyword != "" {
			return fmt.Errorf("keyword %s is not supported", keyword)
		}
	}
	if err := c.fillValue(n, s); err != nil {
		return err
	}
	return c.fillChildren(n, s, strict)
}

func (c *compiler) fillValue(n *node, s *spec.Schema) (err error) {
	if len(s.Type) == 1 {
		n.kind = s.Type[0]
	}
	if s.Pattern != "" {
		if n.pattern, err = regexp.Compile(s.Pattern); err != nil {
			return fmt.Errorf("pattern %q: %w", s.Pattern, err)
		}
		n.isURL = strings.Contains(s.Pattern, "://")
	}
	for _, value := range s.Enum {
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf("enum value %v is not a string", value)
		}
		n.enum = append(n.enum, text)
	}
	slices.Sort(n.enum)
	n.dateTime = s.Format == "date-time"
	n.minLength, n.maxLength = s.MinLength, s.MaxLength
	n.minItems, n.maxItems = s.MinItems, s.MaxItems
	n.minimum, n.maximum = s.Minimum, s.Maximum
	n.rules, err = c.rules.compile(s.Extensions[rulesExtension])
	return err
}

func (c *compiler) fillChildren(n *node, s *spec.Schema, strict bool) (err error) {
	n.required = s.Required
	n.properties = make(map[string]*node, len(s.Properties))
	for name, property := range s.Properties {
		if name == "metadata" {
			continue // checked by the generic server, by rules that no schema holds
		}
		if n.properties[name], err = c.compile(&property, strict); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if s.Items != nil && s.Items.Schema != nil {
		if n.items, err = c.compile(s.Items.Schema, strict); err != nil {
			return fmt.Errorf("items: %w", err)
		}
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		if n.additional, err = c.compile(s.AdditionalProperties.Schema, strict); err != nil {
			return fmt.Errorf("values: %w", err)
		}
	}
	for i := range s.AllOf {
		part, err := c.compile(&s.AllOf[i], strict)
		if err != nil {
			return fmt.Errorf("allOf: %w", err)
		}
		n.all = append(n.all, part)
	}
	return nil
}

// unsupported names a keyword of s that a node does not enforce.
func unsupported(s *spec.Schema) string {
	switch {
	case len(s.OneOf) > 0:
		return "oneOf"
	case len(s.AnyOf) > 0:
		return "anyOf"
	case s.Not != nil:
		return "not"
	case s.MultipleOf != nil:
		return "multipleOf"
	case s.UniqueItems:
		return "uniqueItems"
	case s.ExclusiveMaximum, s.ExclusiveMinimum:
		return "exclusiveMaximum or exclusiveMinimum"
	case s.MinProperties != nil, s.MaxProperties != nil:
		return "minProperties or maxProperties"
	case len(s.PatternProperties) > 0:
		return "patternProperties"
	case len(s.Type) > 1:
		return "type with several values"
	}
	return ""
}
