package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func messages() []Message {
	return []Message{
		&Hello{Version: Version, MemoryLimit: 1 << 30},
		&Ready{Version: Version, Unconfined: "because"},
		&Build{
			Options:   Options{Path: "a", Patches: []Patch{{Patch: "p", Target: &Selector{Kind: "K"}}}, Labels: map[string]string{"a": "<b>"}, Substitute: Always},
			Variables: []Variable{{Name: "a", Value: "b\x00\n", Tainted: true}, {Name: "c"}},
			Limits:    Limits{Depth: 1, Objects: 2, ResultBytes: 3},
		},
		&Read{Questions: []Question{{Op: Content, Path: "a/b"}, {Op: Stat, Path: "."}}},
		&Answer{Found: []Found{{State: File, Content: []byte("x\xff")}, {State: Dir, Content: []byte{}, Names: []Name{{"a", true}, {"b.yaml", false}}}, {State: Absent, Content: []byte{}}}},
		&Done{Retire: true, Objects: []Object{{File: "f", Tainted: true, JSON: []byte(`{"a":1}`)}, {JSON: []byte("{}")}}},
		&Failed{Retire: true, Reason: ReasonRemote, File: "f", Object: "o", Message: "m"},
	}
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	c := NewConn(&b, &b, 1<<20)
	for _, m := range messages() {
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range messages() {
		got, err := c.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T (-sent +received):\n%s", want, diff)
		}
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v, want EOF", err)
	}
}

func frame(kind Kind, size uint32, payload string) string {
	b := binary.LittleEndian.AppendUint32(nil, size)
	return string(append(b, byte(kind))) + payload
}

func TestReceiveRefuses(t *testing.T) {
	tests := []struct{ name, input, message string }{
		{"a header cut off", "\x01\x00", "unexpected EOF"},
		{"a payload cut off", frame(KindReady, 10, "abc"), "unexpected EOF"},
		{"a frame over the limit", frame(KindReady, 1001, ""), "larger than the limit of 1000"},
		{"an unknown kind", frame(99, 0, ""), "unknown kind of message 99"},
		{"a field over the end", frame(KindReady, 2, "\x01\x7f"), "longer than the rest"},
		{"a number without end", frame(KindReady, 3, "\xff\xff\xff"), "longer than the rest"},
		{"more elements than bytes", frame(KindRead, 3, "\xff\xff\x03"), "longer than the rest"},
		{"bytes after the end", frame(KindReady, 3, "\x01\x00x"), "1 bytes after the last field"},
		{"a boolean of two", frame(KindDone, 2, "\x02\x00"), "boolean is 2"},
		{"options that are no JSON", frame(KindBuild, 6, "\x01{\x00\x00\x00\x00"), "options"},
		{"a state that is none", frame(KindAnswer, 4, "\x01\x09\x00\x00"), "unknown state 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := NewConn(strings.NewReader(tt.input), io.Discard, 1000).Receive()
			if err == nil {
				t.Fatalf("received %#v", m)
			}
			if !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %v, want …%s…", err, tt.message)
			}
		})
	}
}

func TestSendRefuses(t *testing.T) {
	var b bytes.Buffer
	c := NewConn(&b, &b, 100)
	if err := c.Send(&Failed{Message: strings.Repeat("x", 101)}); err == nil || b.Len() > 0 {
		t.Errorf("sent %d bytes over the limit, error %v", b.Len(), err)
	}
	if err := c.Send(&Failed{Message: "short"}); err != nil {
		t.Error(err)
	}
}

// FuzzReceive decodes any bytes: there must be no panic, no allocation beyond
// the input's own size, and what is decoded must survive a round trip.
func FuzzReceive(f *testing.F) {
	for _, m := range messages() {
		var b bytes.Buffer
		if err := NewConn(nil, &b, 1<<20).Send(m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		c := NewConn(bytes.NewReader(input), io.Discard, 1<<16)
		for {
			m, err := c.Receive()
			if err != nil {
				return
			}
			var b bytes.Buffer
			again := NewConn(&b, &b, 1<<20)
			if err := again.Send(m); err != nil {
				t.Fatal(err)
			}
			got, err := again.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, got); diff != "" {
				t.Errorf("a round trip changes %T:\n%s", m, diff)
			}
		}
	})
}

// The encoding of what is sent most: an answer with the files of a small
// application.
func BenchmarkAnswer(b *testing.B) {
	content := bytes.Repeat([]byte("apiVersion: v1\n"), 30)
	m := &Answer{}
	for range 5 {
		m.Found = append(m.Found, Found{State: File, Content: content})
	}
	b.ReportAllocs()
	for b.Loop() {
		payload, err := m.append(nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Decode(KindAnswer, payload); err != nil {
			b.Fatal(err)
		}
	}
}
