package build

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/build/protocol"
)

func TestLimits(t *testing.T) {
	many := mapTree{}
	for i := range 20 {
		many[fmt.Sprintf("app/%02d.yaml", i)] = configMap(fmt.Sprintf("a%d", i), "")
	}
	tests := []struct {
		name    string
		tree    mapTree
		limits  Limits
		message string
	}{
		{"reads", many, Limits{Reads: 15}, "app: directory holds more than 15 manifests"},
		{"reads in all", small(), Limits{Reads: 7}, "reads more than 7 paths"},
		{"file", small(), Limits{FileBytes: 200}, "app/deploy.yaml: file has 394 bytes, more than the limit of 200"},
		{"total", small(), Limits{TotalBytes: 500}, "reads more than 500 bytes"},
		{"path length", small(), Limits{PathLength: 15}, "is longer than 15 bytes"},
		{"path depth", small(), Limits{PathDepth: 1}, "deeper than 1"},
		{"levels", explosion(5), Limits{Depth: 8}, "over more than 8 levels"},
		{"objects", many, Limits{Objects: 19}, "renders 20 objects, more than the limit of 19"},
		{"result", many, Limits{ResultBytes: 500}, "renders more than 500 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPool(t, PoolOptions{Workers: 1, Limits: tt.limits})
			_, err := p.Build(t.Context(), Request{Tree: tt.tree, Options: Options{Path: "app"}})
			if ReasonOf(err) != ReasonLimit || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("got %v, want …%s…", err, tt.message)
			}
			// A limit does not cost a worker.
			if p.settle(); p.warmest() == nil || p.warmest().hasExited() {
				t.Error("the worker is gone")
			}
		})
	}
}

func TestLimitsThatNoFrameHolds(t *testing.T) {
	_, err := NewPool(PoolOptions{Command: workerCommand(), Limits: Limits{TotalBytes: protocol.MaxFrame}})
	if err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("got %v", err)
	}
}

// brokenTree has entries whose content cannot be read.
type brokenTree struct {
	mapTree
	content []byte
	err     error
}

func (t brokenTree) ReadFile(p string) ([]byte, error) {
	if strings.HasSuffix(p, "svc.yaml") {
		return t.content, t.err
	}
	return t.mapTree.ReadFile(p)
}

func TestTreeThatCannotBeRead(t *testing.T) {
	p := newPool(t, PoolOptions{Workers: 1})
	for _, tree := range []brokenTree{
		{mapTree: small(), err: &fs.PathError{Op: "read", Path: "segment", Err: fs.ErrPermission}},
		{mapTree: small(), content: []byte("short")},
	} {
		_, err := p.Build(t.Context(), Request{Tree: tree, Options: Options{Path: "app"}})
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Reason != ReasonStore || e.Input() || e.File != "app/svc.yaml" {
			t.Errorf("got %v", err)
		}
		if tree.err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v hides its cause", err)
		}
	}
}

// The recorder does not trust what a worker asks.
func TestQuestionsThatNoWorkerAsks(t *testing.T) {
	for _, q := range []protocol.Question{
		{Op: protocol.Content, Path: "../x"}, {Op: protocol.Content, Path: ".."}, {Op: protocol.Content, Path: "/etc/passwd"}, {Op: protocol.Content, Path: "app/../x"},
		{Op: protocol.Content, Path: ""}, {Op: protocol.Content, Path: "a\x00"}, {Op: protocol.Content, Path: "a//b"}, {Op: 99, Path: "app"}, {Op: 0, Path: "gone"},
	} {
		r := newRecorder(small(), Limits{}.withDefaults())
		a := r.answer(&protocol.Read{Questions: []protocol.Question{q}})
		if a.Found[0].State != protocol.Refused || r.err == nil || r.err.Reason != ReasonCrashed {
			t.Errorf("%d %q was answered: %+v, %v", q.Op, q.Path, a.Found[0], r.err)
		}
	}
}

func TestTreeOfTheStore(t *testing.T) {
	store, err := artifact.Open(t.TempDir(), artifact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := store.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range small() {
		if _, err := w.File(file, false, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(t, PoolOptions{Workers: 1, DigestKey: []byte("k")})
	got, err := p.Build(t.Context(), Request{Tree: store.View(tree), Options: Options{Path: "./app"}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Build(t.Context(), Request{Tree: small(), Options: Options{Path: "./app"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != want.Digest || got.InputDigest != want.InputDigest {
		t.Error("the same files give another result from the store")
	}
	if !want.Inputs.UnchangedIn(store.View(tree)) {
		t.Error("the same files in the store count as changed")
	}
}
