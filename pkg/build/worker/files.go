package worker

import (
	"errors"

	"github.com/leat-dev/leat/pkg/build/protocol"
)

// ask sends questions about the tree to the pool.
type ask func([]protocol.Question) ([]protocol.Found, error)

// files is the tree as far as this build has asked for it, with the overlay of
// the root's kustomization file on top. Each question is asked once.
type files struct {
	ask   ask
	known map[string]known
	// err is the first error of asking. The build cannot succeed after it,
	// even if kustomize gets around it.
	err error
}

type known struct {
	state   protocol.State
	content []byte
	// read says that the content is known, and not only that there is a file.
	read bool
}

func newFiles(a ask) *files {
	return &files{ask: a, known: make(map[string]known)}
}

var errRefused = errors.New("the build reads too much")

// put asks and returns the answers.
func (f *files) put(questions []protocol.Question) ([]protocol.Found, error) {
	if f.err != nil || len(questions) == 0 {
		return nil, f.err
	}
	found, err := f.ask(questions)
	if err != nil {
		f.err = err
		return nil, err
	}
	for i := range found {
		if found[i].State == protocol.Refused {
			// The pool knows better why.
			f.err = &fault{reason: reasonLimit, file: questions[i].Path, err: errRefused}
			return nil, f.err
		}
	}
	return found, nil
}

// fetch makes the contents of paths known, in one round trip.
func (f *files) fetch(paths ...string) error { return f.learn(protocol.Content, paths) }

// stat makes known what is at paths, in one round trip.
func (f *files) stat(paths ...string) error { return f.learn(protocol.Stat, paths) }

func (f *files) learn(op protocol.Op, paths []string) error {
	var questions []protocol.Question
	asked := make(map[string]bool, len(paths))
	for _, p := range paths {
		k, ok := f.known[p]
		enough := ok && (op == protocol.Stat || k.read || k.state != protocol.File)
		if enough || asked[p] {
			continue
		}
		asked[p] = true
		questions = append(questions, protocol.Question{Op: op, Path: p})
	}
	found, err := f.put(questions)
	if err != nil {
		return err
	}
	for i, q := range questions {
		f.known[q.Path] = known{state: found[i].State, content: found[i].Content, read: op == protocol.Content}
	}
	return nil
}

// lists returns the manifests and subdirectories of directories, in one round
// trip.
func (f *files) lists(dirs []string) ([][]protocol.Name, error) {
	questions := make([]protocol.Question, len(dirs))
	for i, dir := range dirs {
		questions[i] = protocol.Question{Op: protocol.Manifests, Path: dir}
	}
	found, err := f.put(questions)
	if err != nil {
		return nil, err
	}
	lists := make([][]protocol.Name, len(found))
	for i := range found {
		lists[i] = found[i].Names
	}
	return lists, nil
}

// state returns what is at a path that has been learnt.
func (f *files) state(path string) protocol.State {
	if k, ok := f.known[path]; ok {
		return k.state
	}
	return protocol.Absent
}

// overlay puts a file over the tree.
func (f *files) overlay(path string, content []byte) {
	f.known[path] = known{state: protocol.File, content: content, read: true}
}
