package validation

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// MaxExpressionLength is how many bytes a CEL expression may have; parsing takes
// time and memory in proportion.
const MaxExpressionLength = 64 << 10

// durationForm is the form that the schema asks for; what has another form is
// the schema's to refuse.
var durationForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

// Duration refuses a length of time that no clock can count: the form alone
// allows any number of digits.
func Duration(path *field.Path, d meta.Duration) field.ErrorList {
	if !durationForm.MatchString(string(d)) {
		return nil
	}
	if _, err := d.Parse(); err != nil {
		return field.ErrorList{field.Invalid(path, shown(string(d)), "must be at most 2562047h, which is 292 years")}
	}
	return nil
}

// PositiveDuration refuses, besides what Duration does, a length of time that
// is over before it began.
func PositiveDuration(path *field.Path, d meta.Duration) field.ErrorList {
	if errs := Duration(path, d); len(errs) > 0 || !durationForm.MatchString(string(d)) {
		return errs
	}
	if t, err := d.Parse(); err == nil && t <= 0 {
		return field.ErrorList{field.Invalid(path, string(d), "must be more than 0s")}
	}
	return nil
}

// Regexp refuses a regular expression that does not compile.
func Regexp(path *field.Path, expression *string) field.ErrorList {
	if expression == nil || *expression == "" {
		return nil
	}
	if _, err := regexp.Compile(*expression); err != nil {
		return field.ErrorList{field.Invalid(path, shown(*expression), fmt.Sprintf("must be a regular expression: %v", err))}
	}
	return nil
}

// LabelSelector refuses text that is not a selector over labels.
func LabelSelector(path *field.Path, selector *string) field.ErrorList {
	if selector == nil || *selector == "" {
		return nil
	}
	if _, err := labels.Parse(*selector); err != nil {
		return field.ErrorList{field.Invalid(path, shown(*selector), fmt.Sprintf("must be a selector such as app=web,tier in (a, b): %v", err))}
	}
	return nil
}

// expressions is the syntax that expressions are written in. It is only parsed
// here: the names that an expression may use are known where it is evaluated.
var expressions = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(cel.OptionalTypes(), ext.Strings(), ext.Sets(), ext.Encoders())
})

// Expression refuses text that is not a CEL expression.
func Expression(path *field.Path, expression string) field.ErrorList {
	if expression == "" {
		return nil
	}
	if len(expression) > MaxExpressionLength {
		return field.ErrorList{field.TooLong(path, "", MaxExpressionLength)}
	}
	env, err := expressions()
	if err != nil {
		return field.ErrorList{field.InternalError(path, fmt.Errorf("making the CEL environment: %w", err))}
	}
	if _, issues := env.Parse(expression); issues.Err() != nil {
		return field.ErrorList{field.Invalid(path, shown(expression), fmt.Sprintf("must be a CEL expression: %v", issues.Err()))}
	}
	return nil
}

// maxShown is how many bytes of a refused value a message repeats.
const maxShown = 200

func shown(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return text[:maxShown] + "…"
}
