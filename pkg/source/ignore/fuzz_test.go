package ignore

import (
	"bufio"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// Rules mean what the library says that they mean, and the defaults count only
// where there are no others.
func FuzzExcludes(f *testing.F) {
	f.Add("/out\n!/out/keep\n", "out/keep", true)
	f.Add("# comment\n\n*.md\n", "docs/a.md", false)
	f.Add("**/a/**\n!b\n", "x/a/b", false)
	f.Add("a[\n\\!x\n/\n", "a[", false)
	f.Add("dir/\r\n", "dir", true)
	f.Fuzz(func(t *testing.T, rules, path string, dir bool) {
		m, err := New(nil, &rules)
		if err != nil {
			if len(rules) <= MaxFileSize && longest(rules) <= MaxPatternLength && strings.Count(rules, "\n") < MaxPatterns-100 {
				t.Errorf("%q are refused: %v", rules, err)
			}
			return
		}
		var patterns []gitignore.Pattern
		for _, rule := range versionControl() {
			patterns = append(patterns, gitignore.ParsePattern(rule, nil))
		}
		always := len(patterns)
		for _, rule := range linesOf(rules) {
			if strings.TrimSpace(rule) != "" && rule[0] != '#' {
				patterns = append(patterns, gitignore.ParsePattern(rule, nil))
			}
		}
		if len(patterns) == always {
			for _, rule := range defaults() {
				patterns = append(patterns, gitignore.ParsePattern(rule, nil))
			}
		}
		elements := strings.Split(path, "/")
		if got, want := m.Excludes(elements, dir), gitignore.NewMatcher(patterns).Match(elements, dir); got != want {
			t.Errorf("rules %q exclude %q: %t, the library says %t", rules, path, got, want)
		}
	})
}

func linesOf(text string) []string {
	var lines []string
	scanner := bufio.NewScanner(strings.NewReader(text))
	scanner.Buffer(nil, len(text)+1)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	return lines
}

func longest(text string) int {
	n := 0
	for _, line := range linesOf(text) {
		n = max(n, len(line))
	}
	return n
}
