package nesting

import "fmt"

// MaxDepth is how deep the objects and lists of a JSON body may be nested. The
// deepest that Kubernetes itself has, the schema of a definition, stays far
// below it; recursion over 10000 levels, which is the limit of the decoder,
// costs a stack of megabytes for a body of kilobytes.
const MaxDepth = 512

// Counter counts the open objects and lists of a JSON text that comes in pieces.
// It is no parser: of what is no JSON it says nothing, or something too large,
// and the parser refuses that anyway.
type Counter struct {
	// Opaque is set for what is not JSON. It is set by Scan, too.
	Opaque bool

	depth   int
	read    int64
	text    bool // within a string
	escaped bool // behind a backslash in it
}

// Read is how many bytes were looked at.
func (n *Counter) Read() int64 { return n.read }

// Scan looks at the next piece, and fails where it is nested too deep.
func (n *Counter) Scan(piece []byte) error {
	defer func() { n.read += int64(len(piece)) }()
	for i, c := range piece {
		if n.Opaque {
			return nil
		}
		switch {
		case n.escaped:
			n.escaped = false
		case n.text:
			n.text, n.escaped = c != '"', c == '\\'
		case c == '"':
			n.text = true
		case c == '{' || c == '[':
			if n.depth++; n.depth > MaxDepth {
				return fmt.Errorf("the body is nested deeper than %d at byte %d", MaxDepth, n.read+int64(i))
			}
		case n.depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n':
			// A number, a word, or something else than JSON: none of it nests.
			n.Opaque = true
		case c == '}' || c == ']':
			n.depth--
		}
	}
	return nil
}
