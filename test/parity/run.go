package parity

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Try gives an object to whatever is tested, and returns the object as it was
// accepted, or why it was refused.
type Try func(c Case) (*unstructured.Unstructured, error)

// Check tries a case, and says what is wrong with the answer.
func Check(kind *Kind, c Case, try Try) error {
	got, err := try(c)
	if c.Refused {
		switch {
		case err == nil:
			return fmt.Errorf("accepted, must be refused: %s", show(c.Object))
		case !strings.Contains(err.Error(), c.Names):
			return fmt.Errorf("the refusal does not name %s: %w", c.Names, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("refused, must be accepted: %w: %s", err, show(c.Object))
	}
	return checkReturned(kind, c, got)
}

// checkReturned compares what was written with what came back: the spec to the
// byte, with the known defaults added and nothing else. A status is compared
// where the case is about the field as such: its writer is Leat, which does not
// tell an absent zero from a present one.
func checkReturned(kind *Kind, c Case, got *unstructured.Unstructured) error {
	section := "spec"
	if c.Status {
		section = "status"
	}
	if c.Status && c.Rule != "served" {
		return nil
	}
	t, err := newTree(kind)
	if err != nil {
		return err
	}
	want := runtime.DeepCopyJSON(c.Object.Object)
	expected := t.properties[section].withDefaults(want[section])
	if c.Status && len(want[section].(map[string]any)) == 0 {
		expected = t.properties[section].Default
	}
	if diff := cmp.Diff(text(expected), text(got.Object[section])); diff != "" {
		return fmt.Errorf("%s does not come back as written (- written, + returned):\n%s", section, diff)
	}
	return nil
}

func show(u *unstructured.Unstructured) string { return text(u.Object) }

// text spells a value as JSON, with keys in order and nothing escaped that need
// not be.
func text(value any) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(out.String(), "\n")
}
