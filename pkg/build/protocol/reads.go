package protocol

import (
	"encoding/binary"
	"fmt"
)

// Op is what a worker wants to know about a path. The less it asks, the less
// is recorded as an input of the build: whoever needs only to know that a
// directory exists must not be woken when a file in it changes.
type Op byte

const (
	// Stat asks whether the path is a file, a directory or absent.
	Stat Op = iota + 1
	// Content asks for the contents of a file; for a directory, and for what
	// is absent, the answer is that of Stat.
	Content
	// Manifests asks for the names of the subdirectories of a directory and of
	// those of its files that end in .yaml or .yml.
	Manifests
)

// Question is an operation on a path. Paths are clean, slash-separated and
// relative to the root of the tree, which is ".".
type Question struct {
	Op   Op
	Path string
}

// Read asks for parts of the tree, many at a time: a round trip costs more
// than a small file.
type Read struct {
	Questions []Question
}

func (*Read) kind() Kind { return KindRead }

func (m *Read) append(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(m.Questions)))
	for _, q := range m.Questions {
		b = append(b, byte(q.Op))
		b = appendBytes(b, q.Path)
	}
	return b, nil
}

func (m *Read) decode(d *decoder) {
	m.Questions = make([]Question, d.count(2))
	for i := range m.Questions {
		m.Questions[i] = Question{Op: Op(d.byte()), Path: d.string()}
	}
}

// State is what is at a path.
type State byte

const (
	// Absent says that there is nothing.
	Absent State = iota + 1
	// File says that there is a file.
	File
	// Dir says that there is a directory.
	Dir
	// Refused says that the question is not answered, because of a limit or a
	// fault of the store. The build cannot succeed.
	Refused
)

// Name is an entry of a directory.
type Name struct {
	Name string
	Dir  bool
}

// Found is the answer to a question.
type Found struct {
	State State
	// Content is what Content asked for.
	Content []byte
	// Names is what Manifests asked for, sorted by name.
	Names []Name
}

// Answer answers a Read, in its order.
type Answer struct {
	Found []Found
}

func (*Answer) kind() Kind { return KindAnswer }

func (m *Answer) append(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(m.Found)))
	for _, f := range m.Found {
		b = append(b, byte(f.State))
		b = appendBytes(b, f.Content)
		b = binary.AppendUvarint(b, uint64(len(f.Names)))
		for _, n := range f.Names {
			b = appendBytes(b, n.Name)
			b = appendBool(b, n.Dir)
		}
	}
	return b, nil
}

func (m *Answer) decode(d *decoder) {
	m.Found = make([]Found, d.count(3))
	for i := range m.Found {
		f := Found{State: State(d.byte()), Content: d.bytes()}
		if f.State < Absent || f.State > Refused {
			d.fail(fmt.Errorf("answer %d has the unknown state %d", i, f.State))
			return
		}
		if n := d.count(2); n > 0 {
			f.Names = make([]Name, n)
			for j := range f.Names {
				f.Names[j] = Name{Name: d.string(), Dir: d.bool()}
			}
		}
		m.Found[i] = f
	}
}
