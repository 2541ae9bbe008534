package build

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build/protocol"
)

// recorder answers the questions of one build from its tree, under limits, and
// remembers them. The worker is not trusted: what it asks is checked as if it
// came from a network.
type recorder struct {
	tree   Tree
	limits Limits

	questions int
	bytes     int64
	seen      map[protocol.Question]input
	// encrypted are the paths of files with encrypted values. They are told from
	// others here and not by the worker, which is not trusted, and here is where
	// they would be decrypted.
	encrypted map[string]bool
	// err is why a question was refused. It is the reason of the build's
	// failure, whatever the worker makes of it.
	err *Error
	// abandoned says that nobody waits for the build any more.
	abandoned atomic.Bool
}

func newRecorder(t Tree, l Limits) *recorder {
	return &recorder{tree: t, limits: l, seen: make(map[protocol.Question]input), encrypted: make(map[string]bool)}
}

func (r *recorder) inputs() *Inputs { return newInputs(r.seen) }

func (r *recorder) answer(m *protocol.Read) *protocol.Answer {
	a := &protocol.Answer{Found: make([]protocol.Found, len(m.Questions))}
	for i, q := range m.Questions {
		found, err := r.find(q)
		if err != nil {
			if r.err == nil {
				r.err = err
			}
			found = protocol.Found{State: protocol.Refused}
		}
		a.Found[i] = found
	}
	return a
}

func (r *recorder) find(q protocol.Question) (protocol.Found, *Error) {
	if r.abandoned.Load() {
		return protocol.Found{}, &Error{Reason: ReasonUnavailable, Err: errors.New("the build is no longer wanted")}
	}
	if r.questions++; r.questions > r.limits.Reads {
		return protocol.Found{}, limitError("", "the build reads more than %d paths", r.limits.Reads)
	}
	if err := r.checkPath(q.Path); err != nil {
		return protocol.Found{}, err
	}
	entry, ok := r.tree.Lookup(q.Path)
	i := input{op: q.Op, path: q.Path, state: stateOf(entry, ok)}
	found := protocol.Found{State: i.state}
	var err *Error
	switch {
	case q.Op == protocol.Content && i.state == protocol.File:
		i.digest = entry.Digest
		found.Content, err = r.content(entry)
	case q.Op == protocol.Manifests && i.state == protocol.Dir:
		var names []byte
		found.Names, names, err = r.manifests(q.Path)
		i.names = string(names)
	case q.Op == protocol.Manifests:
		i.op = protocol.Stat
	case q.Op != protocol.Stat && q.Op != protocol.Content:
		err = &Error{Reason: ReasonCrashed, Err: fmt.Errorf("the worker asked for the unknown operation %d", q.Op)}
	}
	if err != nil {
		return protocol.Found{}, err
	}
	r.seen[protocol.Question{Op: i.op, Path: q.Path}] = i
	return found, nil
}

func (r *recorder) checkPath(p string) *Error {
	switch {
	case len(p) > r.limits.PathLength:
		return limitError("", "path %.80q… is longer than %d bytes", p, r.limits.PathLength)
	case strings.Count(p, "/") >= r.limits.PathDepth:
		return limitError(p, "path is deeper than %d directories", r.limits.PathDepth)
	case p != path.Clean(p), path.IsAbs(p), p == "..", strings.HasPrefix(p, "../"), strings.ContainsRune(p, 0):
		return &Error{Reason: ReasonCrashed, Err: fmt.Errorf("the worker asked for the path %q, which is not a clean path in the tree", p)}
	default:
		return nil
	}
}

func (r *recorder) content(entry artifact.Entry) ([]byte, *Error) {
	if entry.Size > r.limits.FileBytes {
		return nil, limitError(entry.Path, "file has %d bytes, more than the limit of %d", entry.Size, r.limits.FileBytes)
	}
	if r.bytes += entry.Size; r.bytes > r.limits.TotalBytes {
		return nil, limitError("", "the build reads more than %d bytes", r.limits.TotalBytes)
	}
	content, err := r.tree.ReadFile(entry.Path)
	if err != nil {
		return nil, &Error{Reason: ReasonStore, File: entry.Path, Err: err}
	}
	if int64(len(content)) != entry.Size {
		return nil, &Error{Reason: ReasonStore, File: entry.Path, Err: errors.New("content is not of the size that the tree says")}
	}
	if bytes.Contains(content, []byte(EncryptedMark)) {
		r.encrypted[entry.Path] = true
	}
	return content, nil
}

func (r *recorder) manifests(dir string) ([]protocol.Name, []byte, *Error) {
	entries, ok := r.tree.ReadDir(dir)
	if !ok {
		return nil, nil, &Error{Reason: ReasonStore, File: dir, Err: errors.New("directory cannot be listed")}
	}
	var names []protocol.Name
	var list []byte
	for _, e := range entries {
		if n, ok := manifest(e); ok {
			names = append(names, n)
			list = appendName(list, n)
		}
	}
	// Each name is a path that the build is about to read, and the list itself
	// is sent and kept.
	if len(names) > r.limits.Reads {
		return nil, nil, limitError(dir, "directory holds more than %d manifests and directories", r.limits.Reads)
	}
	return names, list, nil
}

func limitError(file, format string, args ...any) *Error {
	return &Error{Reason: ReasonLimit, File: file, Err: fmt.Errorf(format, args...)}
}
