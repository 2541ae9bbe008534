package schema

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

// rulesExtension is where a definition holds its rules, as custom resources do.
const rulesExtension = "x-kubernetes-validations"

// maxRuleCost bounds what one evaluation may cost. The rules are this project's
// own, the lists that they go over are not.
const maxRuleCost = 1_000_000

// rule is one CEL rule of a definition; self is the value that it is about.
type rule struct {
	text, message string
	program       cel.Program
}

// ruleCompiler compiles rules. The language is what the rules of Flux use:
// plain CEL and its string functions, on values whose type is not known.
type ruleCompiler struct {
	env *cel.Env
}

func newRuleCompiler() (*ruleCompiler, error) {
	env, err := cel.NewEnv(cel.Variable("self", cel.DynType), ext.Strings())
	if err != nil {
		return nil, fmt.Errorf("making the environment of rules: %w", err)
	}
	return &ruleCompiler{env: env}, nil
}

func (c *ruleCompiler) compile(extension any) ([]rule, error) {
	entries, _ := extension.([]any)
	rules := make([]rule, 0, len(entries))
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		text, _ := fields["rule"].(string)
		message, _ := fields["message"].(string)
		if text == "" || message == "" {
			return nil, fmt.Errorf("rule %v has no text or no message", entry)
		}
		ast, issues := c.env.Compile(text)
		if err := issues.Err(); err != nil {
			return nil, fmt.Errorf("rule %q: %w", text, err)
		}
		if ast.OutputType() != cel.BoolType && ast.OutputType() != cel.DynType {
			return nil, fmt.Errorf("rule %q gives %s, not a bool", text, ast.OutputType())
		}
		program, err := c.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxRuleCost))
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", text, err)
		}
		rules = append(rules, rule{text: text, message: message, program: program})
	}
	return rules, nil
}

// holds tells whether the rule is true of a value.
func (r *rule) holds(self any) (bool, error) {
	out, _, err := r.program.Eval(map[string]any{"self": self})
	if err != nil {
		return false, fmt.Errorf("evaluating %q: %w", r.text, err)
	}
	holds, ok := out.Value().(bool)
	return ok && holds, nil
}
