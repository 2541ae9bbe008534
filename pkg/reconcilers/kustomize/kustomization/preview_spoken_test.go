package kustomization

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/pkg/preview"
)

// requests notes what is sent to a cluster.
type requests struct {
	next http.RoundTripper
	mu   sync.Mutex
	sent []string
}

func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	line := req.Method + " " + req.URL.Path
	if strings.Contains(req.Header.Get("Accept"), "PartialObjectMetadata") {
		line += " metadata"
	}
	if req.URL.Query().Get("dryRun") != "" {
		line += " dry-run"
	}
	if user := req.Header.Get("Impersonate-User"); user != "" {
		line += " as " + user
	}
	r.mu.Lock()
	r.sent = append(r.sent, line)
	r.mu.Unlock()
	return r.next.RoundTrip(req)
}

// take returns the requests since the last call that hold a text.
func (r *requests) take(part string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, line := range r.sent {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	r.sent = nil
	return found
}

// build and diff make previews and return them with all that they say, as JSON.
func (s *stage) build(r preview.Request) (*preview.Manifests, string, error) {
	s.t.Helper()
	out, err := s.previewer.Build(s.t.Context(), r)
	return out, spoken(s.t, out, err), err
}

func (s *stage) diff(r preview.Request) (*preview.Diff, string, error) {
	s.t.Helper()
	out, err := s.previewer.Diff(s.t.Context(), r)
	return out, spoken(s.t, out, err), err
}

// spoken is all that a preview says, errors included.
func spoken(t testing.TB, out any, err error) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		fmt.Fprintf(&b, "%v\n%+v\n", err, err)
		if st, ok := err.(apierrors.APIStatus); ok {
			if err := e.Encode(st.Status()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.String()
}

// named finds an object of a diff.
func named(d *preview.Diff, kind, name string) *preview.ObjectDiff {
	if d == nil {
		return nil
	}
	for i := range d.Objects {
		if o := &d.Objects[i]; o.Kind == kind && o.Name == name {
			return o
		}
	}
	return nil
}

// manifest finds an object of a build.
func manifest(m *preview.Manifests, kind, name string) *unstructured.Unstructured {
	for _, o := range m.Objects {
		if o.Object.GetKind() == kind && o.Object.GetName() == name {
			return o.Object
		}
	}
	return nil
}

func at(u *unstructured.Unstructured, path ...string) any {
	if u == nil {
		return nil
	}
	v, _, _ := unstructured.NestedFieldNoCopy(u.Object, path...)
	return v
}
