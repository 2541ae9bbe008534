package build

import (
	"bytes"
	"strings"
	"sync"
)

// headSize is how much of a worker's standard error is kept. The reason of a
// crash comes first.
const headSize = 8 << 10

// head keeps the beginning of what a worker writes to its standard error. A
// warm worker writes nothing there; what comes is of the Go runtime.
type head struct {
	mu    sync.Mutex
	text  []byte
	total int64
}

// Write never fails: a worker is not stopped by what it has to say.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total += int64(len(p))
	h.text = append(h.text, p[:min(len(p), headSize-len(h.text))]...)
	return len(p), nil
}

func (h *head) size() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

func (h *head) outOfMemory() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Contains(h.text, []byte("out of memory")) || bytes.Contains(h.text, []byte("cannot allocate memory"))
}

// fatalPrefix begins the line in which the runtime says why it gives up. Those
// texts are constants of the runtime.
const fatalPrefix = "fatal error: "

// summary returns why the Go runtime gave up, to be put behind a sentence.
func (h *head) summary() string {
	for line := range h.lines {
		if strings.HasPrefix(line, fatalPrefix) {
			return " (" + line + ")"
		}
	}
	return ""
}

// complaintPrefix begins the line in which leat-build says why it gives up.
const complaintPrefix = "leat-build: "

// complaint returns what a worker said that could not start, to be put behind a
// sentence. It had read nothing by then that may not be shown.
func (h *head) complaint() string {
	for line := range h.lines {
		if why, ok := strings.CutPrefix(line, complaintPrefix); ok {
			return " (" + why + ")"
		}
	}
	return ""
}

// trace returns what may be logged: the runtime's reason and the functions of
// the trace below it. Values of panics are left out, for they can hold
// contents of files.
func (h *head) trace() string {
	var b strings.Builder
	for line := range h.lines {
		isFrame := strings.HasSuffix(line, ")") && !strings.HasPrefix(line, "\t") && !strings.Contains(line, " ")
		if isFrame || strings.HasPrefix(line, fatalPrefix) {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (h *head) lines(yield func(string) bool) {
	h.mu.Lock()
	text := string(h.text)
	h.mu.Unlock()
	for line := range strings.Lines(text) {
		if !yield(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}
