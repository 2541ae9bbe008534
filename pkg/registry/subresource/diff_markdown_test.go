package subresource

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

func markdown(t *testing.T, objects ...preview.ObjectDiff) string {
	t.Helper()
	text, err := answerOf(t, objects...).encode(asMarkdown)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMarkdown(t *testing.T) {
	text := markdown(t, everything(t)...)
	for _, want := range []string{
		"### <code>Kustomization</code> <code>team&#47;app</code>\n",
		"<code>live</code> → <code>main&#64;sha1&#58;1</code>\n",
		"| 2 | 6 | 1 | 1 | 2 | 1 |\n",
		"<details><summary><b>Recreate</b> <code>ConfigMap</code> <code>team&#47;again</code></summary>\n\n",
		"<code>deploy&#47;thing&#46;yaml</code> (not verified)</summary>",
		"you may not read the object</code>\n",
		"```diff\n--- a/ConfigMap/team/gone\n+++ /dev/null\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "This comment is cut") {
		t.Error("it is cut although it is short")
	}
	if strings.ContainsAny(text, "\r\u2028\u202e") {
		t.Error("it holds characters that end or turn a line")
	}
}

func TestMarkdownIsCut(t *testing.T) {
	large := strings.Repeat("0123456789abcdef ", 2500) // 42 500 bytes
	var objects []preview.ObjectDiff
	for i := range 4 {
		objects = append(objects, objectDiff(t, leatv1alpha1.DiffCreate, "", configMap(fmt.Sprintf("large-%d", i), "x: "+large)))
	}
	text := markdown(t, objects...)
	if len(text) > 65536 || !strings.Contains(text, "of 3 the content is not") || !strings.Contains(text, "0 objects are not in it") {
		t.Errorf("%d bytes, ends in %q", len(text), text[max(0, len(text)-300):])
	}
	for range 1000 {
		objects = append(objects, objectDiff(t, leatv1alpha1.DiffCreate, "", configMap("small", "x: y")))
	}
	// What is deleted comes last when it is applied, and must be seen all the same.
	objects = append(objects, objectDiff(t, leatv1alpha1.DiffDelete, configMap("deleted", "x: y"), ""))
	text = markdown(t, objects...)
	if !strings.Contains(text, "-  name: deleted\n") {
		t.Error("what would be deleted is left out")
	}
	if len(text) > 65536 || !strings.Contains(text, "This comment is cut") || strings.Contains(text, " 0 objects are not in it") {
		t.Errorf("%d bytes, ends in %q", len(text), text[max(0, len(text)-300):])
	}
	if opened, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); opened != closed {
		t.Errorf("%d details are opened, %d closed", opened, closed)
	}
}

// TestMarkdownHoldsHostileContent looks at the text as Markdown does: what is in a
// fence ends only with it, and outside of fences every line is ours.
func TestMarkdownHoldsHostileContent(t *testing.T) {
	const evil = "x</code></summary></details>\n\n# *evil* <img src=e onerror=e> [e](http://e) @evil `e` | ~~~ ``` \n"
	o := objectDiff(t, leatv1alpha1.DiffCreate, "", configMap("n", `text: "`+"```\\n````\\n~~~\\n</details>\\n\\r\\u2028```\\n# evil"+`"`))
	o.Name, o.Namespace, o.Kind, o.APIVersion, o.File, o.Message = evil, evil, evil, evil+"/v1", evil, evil
	o.Unverified = true
	o.Fields = []leatv1alpha1.DiffField{{Path: "/" + evil, Masked: true, Old: &leatv1alpha1.JSONValue{Raw: []byte("1")}, New: &leatv1alpha1.JSONValue{Raw: []byte("1")}}}
	text := markdown(t, o)
	fence := ""
	fenced := 0
	for _, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch ticks := len(trimmed) - len(strings.TrimLeft(trimmed, "`")); {
		case fence != "":
			fenced++
			if ticks >= len(fence) && strings.Trim(trimmed, "` ") == "" && len(line)-len(trimmed) < 4 {
				fence = ""
			}
			continue
		case ticks >= 3:
			fence = trimmed[:ticks]
			continue
		}
		bare := strings.NewReplacer("<details>", "", "</details>", "", "<summary>", "", "</summary>", "", "<b>", "", "</b>", "", "<code>", "", "</code>", "").Replace(line)
		if strings.ContainsAny(bare, "<>`*[]@~") || strings.Contains(bare, "# *") {
			t.Errorf("content has become markup: %s", line)
		}
	}
	if fence != "" || fenced < 8 {
		t.Errorf("the fence is closed: %t; it holds %d lines:\n%s", fence == "", fenced, text)
	}
	if !utf8.ValidString(text) {
		t.Error("it is not valid UTF-8")
	}
}
