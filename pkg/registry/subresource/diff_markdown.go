package subresource

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/preview"
)

const (
	// maxComment is what GitHub takes as a comment, in characters. Counted in
	// bytes it holds for those who count otherwise, too.
	maxComment = 65_536
	// leftOutRoom is kept free for the note on what did not fit.
	leftOutRoom = 400
)

// encodeMarkdown writes a comment for a pull request: a summary, and what can be
// unfolded for each object. What does not fit is left out, and the comment says so.
func (a *diffAnswer) encodeMarkdown() ([]byte, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "### %s %s\n\n", code(a.kind), code(a.namespace+"/"+a.name))
	fmt.Fprintf(&out, "%s → %s\n\n", code(a.From), code(a.To))
	out.WriteString("| create | update | recreate | delete | unchanged | not verified |\n|---:|---:|---:|---:|---:|---:|\n")
	s := a.summary
	fmt.Fprintf(&out, "| %d | %d | %d | %d | %d | %d |\n", s.Create, s.Update, s.Recreate, s.Delete, s.Unchanged, s.Unverified)
	folded, omitted := 0, 0
	for _, o := range a.worstFirst() {
		whole, short, err := markdownObject(o)
		if err != nil {
			return nil, err
		}
		room := maxComment - leftOutRoom - out.Len()
		switch {
		case len(whole) <= room:
			out.WriteString(whole)
		case len(short) <= room:
			out.WriteString(short)
			folded++
		default:
			omitted++
		}
	}
	if folded+omitted > 0 {
		fmt.Fprintf(&out, "\n**This comment is cut** at %d characters: %d objects are not in it, and of %d the content is not. `?output=text` gives all of them.\n", maxComment, omitted, folded)
	}
	return []byte(out.String()), nil
}

// worstFirst are the objects to tell of, those first that a reviewer must not
// miss: where there is no room for all, it is not these that are left out.
func (a *diffAnswer) worstFirst() []*preview.ObjectDiff {
	order := []leatv1alpha1.DiffAction{leatv1alpha1.DiffRecreate, leatv1alpha1.DiffDelete}
	rank := func(o *preview.ObjectDiff) int {
		if i := slices.Index(order, o.Action); i >= 0 {
			return i
		}
		return len(order)
	}
	var objects []*preview.ObjectDiff
	for i := range a.Objects {
		if o := &a.Objects[i]; o.Action != leatv1alpha1.DiffUnchanged || o.Unverified {
			objects = append(objects, o)
		}
	}
	slices.SortStableFunc(objects, func(x, y *preview.ObjectDiff) int { return cmp.Compare(rank(x), rank(y)) })
	return objects
}

// markdownObject writes an object with its content, and without.
func markdownObject(o *preview.ObjectDiff) (whole, short string, err error) {
	hunks, err := unifiedDiff(o)
	if err != nil {
		return "", "", err
	}
	var head strings.Builder
	fmt.Fprintf(&head, "\n<details><summary><b>%s</b> %s %s", entities(string(o.Action)), code(qualifiedKind(o)), code(qualifiedName(o)))
	if o.File != "" {
		fmt.Fprintf(&head, " in %s", code(o.File))
	}
	if o.Unverified {
		head.WriteString(" (not verified)")
	}
	head.WriteString("</summary>\n\n")
	for _, note := range notes(o) {
		// In code, so that nobody is mentioned and nothing is linked.
		fmt.Fprintf(&head, "- %s\n", code(note))
	}
	const tail = "\n</details>\n"
	whole = head.String()
	if hunks != "" {
		whole += "\n" + fenced(hunks)
	}
	return whole + tail, head.String() + "- the content does not fit in here\n" + tail, nil
}

// fenced puts text into a code block that nothing in it can end.
func fenced(text string) string {
	text = strings.Map(visible, text)
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "diff\n" + strings.TrimSuffix(text, "\n") + "\n" + fence + "\n"
}

// visible replaces characters that end a line for Markdown but not for YAML, or
// that change the order in which others are shown.
func visible(r rune) rune {
	if r == '\n' || r == '\t' {
		return r
	}
	if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
		return unicode.ReplacementChar
	}
	return r
}

// code shows text as it is, within a line.
func code(text string) string { return "<code>" + entities(oneLine(text)) + "</code>" }

// entities writes whatever could mean something to Markdown or HTML as a character
// reference, which means the character and nothing else.
func entities(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r < unicode.MaxASCII && !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ' ' && r != '-' {
			fmt.Fprintf(&out, "&#%d;", r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}
