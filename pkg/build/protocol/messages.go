package protocol

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Kind is the kind of a message.
type Kind byte

// The kinds of messages.
const (
	KindHello Kind = iota + 1
	KindReady
	KindBuild
	KindRead
	KindAnswer
	KindDone
	KindFailed
)

// Message is one of the structs below, by pointer.
type Message interface {
	kind() Kind
	append(b []byte) ([]byte, error)
	decode(d *decoder)
}

var (
	_ Message = (*Hello)(nil)
	_ Message = (*Ready)(nil)
	_ Message = (*Build)(nil)
	_ Message = (*Read)(nil)
	_ Message = (*Answer)(nil)
	_ Message = (*Done)(nil)
	_ Message = (*Failed)(nil)
)

// Decode decodes the payload of a frame.
func Decode(kind Kind, payload []byte) (Message, error) {
	var m Message
	switch kind {
	case KindHello:
		m = &Hello{}
	case KindReady:
		m = &Ready{}
	case KindBuild:
		m = &Build{}
	case KindRead:
		m = &Read{}
	case KindAnswer:
		m = &Answer{}
	case KindDone:
		m = &Done{}
	case KindFailed:
		m = &Failed{}
	default:
		return nil, fmt.Errorf("unknown kind of message %d", kind)
	}
	d := &decoder{rest: payload}
	m.decode(d)
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("decoding a message of kind %d: %w", kind, err)
	}
	return m, nil
}

// Hello starts a worker.
type Hello struct {
	Version uint64
	// MemoryLimit is how many bytes a build may take, on top of what a warm
	// worker holds.
	MemoryLimit uint64
}

func (*Hello) kind() Kind { return KindHello }

func (m *Hello) append(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, m.Version)
	return binary.AppendUvarint(b, m.MemoryLimit), nil
}

func (m *Hello) decode(d *decoder) {
	m.Version = d.uvarint()
	m.MemoryLimit = d.uvarint()
}

// Ready says that a worker is warm and waits for builds.
type Ready struct {
	Version uint64
	// Unconfined says why the kernel does not keep the worker from files,
	// sockets and programs. It is empty when the kernel does.
	Unconfined string
}

func (*Ready) kind() Kind { return KindReady }

func (m *Ready) append(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, m.Version)
	return appendBytes(b, m.Unconfined), nil
}

func (m *Ready) decode(d *decoder) {
	m.Version = d.uvarint()
	m.Unconfined = d.string()
}

// Limits bound one build. The pool enforces what concerns the tree and the
// frame of the result; the worker enforces the rest.
type Limits struct {
	// Depth is how many levels of kustomizations may refer to one another.
	Depth uint64
	// Objects is how many objects may come out.
	Objects uint64
	// ResultBytes is how large they may be together, as JSON.
	ResultBytes uint64
}

// Build asks for a build of the tree that the pool answers reads from.
type Build struct {
	Options   Options
	Variables []Variable
	Limits    Limits
}

func (*Build) kind() Kind { return KindBuild }

func (m *Build) append(b []byte) ([]byte, error) {
	options, err := json.Marshal(m.Options)
	if err != nil {
		return nil, err
	}
	b = appendBytes(b, options)
	b = binary.AppendUvarint(b, uint64(len(m.Variables)))
	for _, v := range m.Variables {
		b = appendBytes(b, v.Name)
		b = appendBytes(b, v.Value)
		b = appendBool(b, v.Tainted)
	}
	b = binary.AppendUvarint(b, m.Limits.Depth)
	b = binary.AppendUvarint(b, m.Limits.Objects)
	return binary.AppendUvarint(b, m.Limits.ResultBytes), nil
}

func (m *Build) decode(d *decoder) {
	if options := d.bytes(); d.err == nil {
		if err := json.Unmarshal(options, &m.Options); err != nil {
			d.fail(fmt.Errorf("options: %w", err))
		}
	}
	m.Variables = make([]Variable, d.count(3))
	for i := range m.Variables {
		m.Variables[i] = Variable{Name: d.string(), Value: d.string(), Tainted: d.bool()}
	}
	m.Limits = Limits{Depth: d.uvarint(), Objects: d.uvarint(), ResultBytes: d.uvarint()}
}

// Done carries the result of a build.
type Done struct {
	// Retire says that the build left the worker in a state that no other
	// build may see.
	Retire  bool
	Objects []Object
}

// Object is a rendered object.
type Object struct {
	// File is the path in the tree of the file that declared it.
	File    string
	Tainted bool
	JSON    []byte
}

func (*Done) kind() Kind { return KindDone }

func (m *Done) append(b []byte) ([]byte, error) {
	b = appendBool(b, m.Retire)
	b = binary.AppendUvarint(b, uint64(len(m.Objects)))
	for _, o := range m.Objects {
		b = appendBytes(b, o.File)
		b = appendBool(b, o.Tainted)
		b = appendBytes(b, o.JSON)
	}
	return b, nil
}

func (m *Done) decode(d *decoder) {
	m.Retire = d.bool()
	m.Objects = make([]Object, d.count(3))
	for i := range m.Objects {
		m.Objects[i] = Object{File: d.string(), Tainted: d.bool(), JSON: d.bytes()}
	}
}

// Failed says why there is no result.
type Failed struct {
	Retire bool
	Reason Reason
	// File is the path in the tree of the file at fault, if one is.
	File string
	// Object names the object at fault, if one is.
	Object  string
	Message string
}

// Reason says what kind of fault a build has.
type Reason string

// The reasons that a worker gives. Package build adds those of a worker that
// can give none.
const (
	ReasonInvalid      Reason = "Invalid"
	ReasonPathNotFound Reason = "PathNotFound"
	ReasonRemote       Reason = "Remote"
	ReasonSubstitution Reason = "Substitution"
	ReasonLimit        Reason = "Limit"
)

func (*Failed) kind() Kind { return KindFailed }

func (m *Failed) append(b []byte) ([]byte, error) {
	b = appendBool(b, m.Retire)
	b = appendBytes(b, string(m.Reason))
	b = appendBytes(b, m.File)
	b = appendBytes(b, m.Object)
	return appendBytes(b, m.Message), nil
}

func (m *Failed) decode(d *decoder) {
	m.Retire = d.bool()
	m.Reason = Reason(d.string())
	m.File = d.string()
	m.Object = d.string()
	m.Message = d.string()
}
