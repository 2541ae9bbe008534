package quickstart

import (
	"regexp"
	"strings"
)

// Step is a command of a document and what the document says it prints.
type Step struct {
	Command, Output string
}

// hereDocument is where a command reads what follows it, until the word.
var hereDocument = regexp.MustCompile(`[^<]<<(\w+)`)

// Steps returns the commands of a Markdown text: the lines that begin with "$ "
// in fenced blocks, with the here-documents that belong to them.
func Steps(text string) []Step {
	var (
		steps   []Step
		fenced  bool
		until   string // the end of a here-document
		printed bool
	)
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(bare, "```"):
			fenced, printed = !fenced, false
		case !fenced:
		case until != "":
			steps[len(steps)-1].Command += line
			if bare == until {
				until = ""
			}
		case strings.HasPrefix(bare, "$ "):
			command := strings.TrimPrefix(line, "$ ")
			steps, printed = append(steps, Step{Command: command}), true
			if end := hereDocument.FindStringSubmatch(bare); end != nil {
				until = end[1]
			}
		case printed:
			steps[len(steps)-1].Output += line
		}
	}
	return steps
}

// changing are the parts of outputs that are never the same twice.
var changing = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{40}`), "COMMIT"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`\b\d+[smh](\d+s)?\b`), "AGE"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// Normalise replaces what changes from run to run.
func Normalise(output string) string {
	for _, c := range changing {
		output = c.pattern.ReplaceAllString(output, c.name)
	}
	return strings.TrimSpace(output)
}
