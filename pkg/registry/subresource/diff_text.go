package subresource

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/aymanbagabas/go-udiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

// encodeText writes a unified diff with one file for each object. What patch has
// no form for is in lines that begin with #, which it passes over.
func (a *diffAnswer) encodeText() ([]byte, error) {
	var out bytes.Buffer
	comment(&out, fmt.Sprintf("%s %s/%s: from %s to %s", a.kind, a.namespace, a.name, a.From, a.To))
	comment(&out, inSentence(a.summary))
	for i := range a.Objects {
		o := &a.Objects[i]
		if o.Action == leatv1alpha1.DiffUnchanged && !o.Unverified {
			continue
		}
		out.WriteByte('\n')
		comment(&out, title(o))
		for _, note := range notes(o) {
			comment(&out, note)
		}
		hunks, err := unifiedDiff(o)
		if err != nil {
			return nil, err
		}
		out.WriteString(hunks)
	}
	return out.Bytes(), nil
}

// comment writes a line that patch passes over.
func comment(out *bytes.Buffer, text string) {
	out.WriteString("# " + oneLine(text) + "\n")
}

// oneLine replaces what would end a line, or change how the rest of it looks.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// inSentence is a summary for people.
func inSentence(s leatv1alpha1.DiffSummary) string {
	text := fmt.Sprintf("%d to create, %d to update, %d to recreate, %d to delete, %d unchanged", s.Create, s.Update, s.Recreate, s.Delete, s.Unchanged)
	if s.Unverified > 0 {
		text += fmt.Sprintf("; %d of them not verified", s.Unverified)
	}
	return text
}

// title says what would be done with an object.
func title(o *preview.ObjectDiff) string {
	text := fmt.Sprintf("%s %s %s", o.Action, qualifiedKind(o), qualifiedName(o))
	if o.File != "" {
		text += " (" + o.File + ")"
	}
	return text
}

// qualifiedKind is the kind with its group.
func qualifiedKind(o *preview.ObjectDiff) string {
	group := groupOf(o)
	if group == "" {
		return o.Kind
	}
	return o.Kind + "." + group
}

func groupOf(o *preview.ObjectDiff) string {
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil {
		return o.APIVersion
	}
	return gv.Group
}

// qualifiedName is the name with the namespace, where there is one.
func qualifiedName(o *preview.ObjectDiff) string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

// notes are what else there is to say of an object.
func notes(o *preview.ObjectDiff) []string {
	var lines []string
	if o.Message != "" {
		lines = append(lines, o.Message)
	}
	if o.Action == leatv1alpha1.DiffRecreate {
		lines = append(lines, "the object would be deleted and created anew")
	}
	if o.Unverified {
		lines = append(lines, "not verified: no dry-run was possible")
	}
	if o.Redacted {
		lines = append(lines, "the content is not shown: you may not read the object")
	}
	for _, f := range o.Fields {
		// The masks of both sides are the same, so no line of the bodies differs.
		if f.Masked && f.Old != nil && f.New != nil && bytes.Equal(f.Old.Raw, f.New.Raw) {
			lines = append(lines, f.Path+" changes; its value is not shown")
		}
	}
	return lines
}

// unifiedDiff compares the bodies of an object. It is empty where they do not
// differ, or are not shown.
func unifiedDiff(o *preview.ObjectDiff) (string, error) {
	const none, context = "/dev/null", 3
	path := patchPath(o)
	before, after := "a/"+path, "b/"+path
	if o.Old == nil {
		before = none
	}
	if o.New == nil {
		after = none
	}
	oldBody, err := bodyText(o.Old)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", title(o), err)
	}
	newBody, err := bodyText(o.New)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", title(o), err)
	}
	text, err := udiff.ToUnified(before, after, oldBody, udiff.Lines(oldBody, newBody), context)
	if err != nil {
		return "", fmt.Errorf("comparing %s: %w", title(o), err)
	}
	return text, nil
}

func bodyText(u *unstructured.Unstructured) (string, error) {
	if u == nil {
		return "", nil
	}
	text, err := yaml.Marshal(u.Object)
	return string(text), err
}

// patchPath names an object in a diff: kind.group/namespace/name. Content that
// nobody has checked can have any name, and patch writes to where a name says.
func patchPath(o *preview.ObjectDiff) string {
	segments := []string{segment(qualifiedKind(o))}
	if o.Namespace != "" {
		segments = append(segments, segment(o.Namespace))
	}
	return strings.Join(append(segments, segment(o.Name)), "/")
}

// segment makes a name one element of a path, as URLs do.
func segment(name string) string {
	if strings.Trim(name, ".") == "" {
		return strings.Repeat("%2E", len(name))
	}
	var out strings.Builder
	for _, b := range []byte(name) {
		if 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("-._:", b) >= 0 {
			out.WriteByte(b)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", b)
	}
	return out.String()
}
