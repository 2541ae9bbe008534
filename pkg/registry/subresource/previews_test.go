package subresource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/leat-dev/leat/pkg/artifact"
	"github.com/leat-dev/leat/pkg/preview"
)

// waitUntil waits for what another goroutine does.
func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Microsecond, 30*time.Second, true, func(context.Context) (bool, error) { return done(), nil })
	if err != nil {
		t.Fatalf("waiting until %s: %v", what, err)
	}
}

// begin sends a request that waits for a slow preview.
func (s *previewSetup) begin(t *testing.T, in previewHTTP) <-chan *httptest.ResponseRecorder {
	t.Helper()
	waiters := s.clock.Waiters()
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- s.do(t, s.diff, in) }()
	waitUntil(t, "the request waits", func() bool { return s.clock.Waiters() > waiters })
	return answer
}

// accepted begins a slow preview and waits until it was answered with an ID.
func (s *previewSetup) accepted(t *testing.T, in previewHTTP) string {
	t.Helper()
	answer := s.begin(t, in)
	s.clock.Step(25 * time.Second)
	w := <-answer
	got := status(t, w)
	if w.Code != http.StatusAccepted || got.Code != http.StatusAccepted || got.Status != metav1.StatusSuccess || got.Details == nil || got.Details.UID == "" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return string(got.Details.UID)
}

// settledIs waits until the results of n previews are kept.
func (s *previewSetup) settledIs(t *testing.T, n int) {
	t.Helper()
	waitUntil(t, "the results are kept", func() bool {
		s.previews.mu.Lock()
		defer s.previews.mu.Unlock()
		return len(s.previews.settled) == n
	})
}

func TestSlowPreview(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	s.maker.slow = make(chan struct{})
	answer := s.begin(t, previewHTTP{method: "POST", body: `{}`, query: "output=text"})
	s.clock.Step(25 * time.Second)
	w := <-answer
	got := status(t, w)
	id := string(got.Details.UID)
	if w.Code != http.StatusAccepted || got.Details.Name != "app" || got.Details.Group != "kustomize.toolkit.fluxcd.io" || got.Details.Kind != "kustomizations" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	location := "diff?id=" + id + "&output=text"
	if w.Header().Get("Location") != location || !strings.Contains(got.Message, "GET /apis/x/app/"+location) || w.Header().Get("Retry-After") == "" {
		t.Errorf("it does not say where the result will be: %v, %s", w.Header(), got.Message)
	}

	again := s.begin(t, previewHTTP{query: "id=" + id})
	s.clock.Step(25 * time.Second)
	if w := <-again; w.Code != http.StatusAccepted || string(status(t, w).Details.UID) != id {
		t.Errorf("while it runs: got %d %s", w.Code, w.Body)
	}
	again = s.begin(t, previewHTTP{query: "id=" + id + "&output=markdown"})
	close(s.maker.slow)
	if w := <-again; w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<details>") {
		t.Errorf("as soon as it has ended: got %d %s", w.Code, w.Body)
	}
	s.settledIs(t, 1)
	for name, in := range map[string]previewHTTP{
		"another user":      {query: "id=" + id, user: "eve"},
		"without the group": {query: "id=" + id, groups: []string{"system:authenticated"}},
		"another object":    {query: "id=" + id, name: "other"},
		"another namespace": {query: "id=" + id, name: "other", namespace: "else"},
		"a guess":           {query: "id=" + strings.Repeat("0", len(id))},
	} {
		if w := s.do(t, s.diff, in); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "10 minutes") {
			t.Errorf("%s: got %d %s, want 404", name, w.Code, w.Body)
		}
	}
	if w := s.do(t, s.build, previewHTTP{query: "id=" + id}); w.Code != http.StatusNotFound {
		t.Errorf("the other subresource: got %d, want 404", w.Code)
	}
	for range 2 {
		if w := s.do(t, s.diff, previewHTTP{query: "output=text&id=" + id}); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "+++ b/ConfigMap/team/one") {
			t.Errorf("within ten minutes: got %d %s", w.Code, w.Body)
		}
	}
	waitUntil(t, "the result waits for its end", func() bool { return s.clock.Waiters() == 1 })
	s.clock.Step(10 * time.Minute)
	s.settledIs(t, 0)
	if w := s.do(t, s.diff, previewHTTP{query: "id=" + id}); w.Code != http.StatusNotFound {
		t.Errorf("after ten minutes: got %d %s", w.Code, w.Body)
	}
}

func TestFailureOfASlowPreviewIsItsResult(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	s.maker.slow, s.maker.err = make(chan struct{}), apierrors.NewForbidden(s.diff.parent.Resource(), "app", errors.New("no right"))
	id := s.accepted(t, previewHTTP{})
	close(s.maker.slow)
	s.settledIs(t, 1)
	if w := s.do(t, s.diff, previewHTTP{query: "id=" + id}); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "no right") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// brokenUploads panics, as a parser may over what nobody thought of.
type brokenUploads struct{}

func (brokenUploads) Import(context.Context, io.Reader, artifact.ImportLimits) (*artifact.Tree, error) {
	panic("a bug")
}

func TestPlaceIsNotLostToAPanic(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{Total: 1})
	s.previews.uploads = brokenUploads{}
	func() {
		defer func() {
			if recover() == nil { // the generic server does that
				t.Error("it did not panic")
			}
		}()
		s.do(t, s.diff, previewHTTP{method: "POST", body: "\x1f\x8b\x08\x00\x00"})
	}()
	if w := s.do(t, s.diff, previewHTTP{}); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestWhoGoesAwayCancels(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	s.maker.slow = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	answer := s.begin(t, previewHTTP{ctx: ctx})
	cancel()
	<-answer
	waitUntil(t, "the preview has ended", func() bool {
		s.previews.mu.Lock()
		defer s.previews.mu.Unlock()
		return s.previews.total == 0
	})

	// Once it has been answered, it goes on without its request.
	ctx, cancel = context.WithCancel(t.Context())
	id := s.accepted(t, previewHTTP{ctx: ctx})
	cancel()
	close(s.maker.slow)
	s.settledIs(t, 1)
	if w := s.do(t, s.diff, previewHTTP{query: "id=" + id}); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestPreviewQuotas(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{PerNamespace: 2, Total: 3})
	s.maker.slow = make(chan struct{})
	s.accepted(t, previewHTTP{}) // what goes on without a request counts too
	waiting := s.begin(t, previewHTTP{})
	w := s.do(t, s.diff, previewHTTP{method: "POST", body: "not read"})
	if got := status(t, w); w.Code != http.StatusTooManyRequests || got.Details.RetryAfterSeconds == 0 || !strings.Contains(got.Message, `namespace "team"`) || !strings.Contains(got.Message, "2 run at once") {
		t.Errorf("the third in a namespace: got %d %s", w.Code, w.Body)
	}
	if w := s.do(t, s.build, previewHTTP{}); w.Code != http.StatusTooManyRequests {
		t.Errorf("builds do not count: got %d", w.Code)
	}
	s.begin(t, previewHTTP{namespace: "else", name: "other"})
	w = s.do(t, s.diff, previewHTTP{namespace: "else", name: "other"})
	if got := status(t, w); w.Code != http.StatusTooManyRequests || !strings.Contains(got.Message, "of this server") || !strings.Contains(got.Message, "3 run at once") {
		t.Errorf("the fourth of all: got %d %s", w.Code, w.Body)
	}
	close(s.maker.slow)
	<-waiting
	waitUntil(t, "all have ended", func() bool {
		s.previews.mu.Lock()
		defer s.previews.mu.Unlock()
		return s.previews.total == 0 && len(s.previews.running) == 0
	})
	if w := s.do(t, s.diff, previewHTTP{}); w.Code != http.StatusOK {
		t.Errorf("afterwards: got %d %s", w.Code, w.Body)
	}
}

func TestKeptResultsAreBounded(t *testing.T) {
	finished := func(t *testing.T, s *previewSetup, want int, in previewHTTP) string {
		s.maker.slow = make(chan struct{})
		id := s.accepted(t, in)
		close(s.maker.slow)
		waitUntil(t, "the result is kept", func() bool {
			s.previews.mu.Lock()
			defer s.previews.mu.Unlock()
			return len(s.previews.settled) == want && s.previews.settled[want-1].id == id
		})
		return id
	}
	code := func(t *testing.T, s *previewSetup, id string, in previewHTTP) int {
		in.query = "id=" + id
		return s.do(t, s.diff, in).Code
	}
	elsewhere := previewHTTP{namespace: "else", name: "other"}
	t.Run("in a namespace", func(t *testing.T) {
		s := newPreviewSetup(t, PreviewLimits{KeptPerNamespace: 2})
		other := finished(t, s, 1, elsewhere)
		first, second, third := finished(t, s, 2, previewHTTP{}), finished(t, s, 3, previewHTTP{}), finished(t, s, 3, previewHTTP{})
		if got := [4]int{code(t, s, first, previewHTTP{}), code(t, s, second, previewHTTP{}), code(t, s, third, previewHTTP{}), code(t, s, other, elsewhere)}; got != [4]int{404, 200, 200, 200} {
			t.Errorf("got %v", got)
		}
	})
	t.Run("in total", func(t *testing.T) {
		s := newPreviewSetup(t, PreviewLimits{Kept: 3})
		other := finished(t, s, 1, elsewhere)
		first, second, third := finished(t, s, 2, previewHTTP{}), finished(t, s, 3, previewHTTP{}), finished(t, s, 3, previewHTTP{})
		if got := [4]int{code(t, s, first, previewHTTP{}), code(t, s, second, previewHTTP{}), code(t, s, third, previewHTTP{}), code(t, s, other, elsewhere)}; got != [4]int{404, 200, 200, 200} {
			t.Errorf("who has the most does not make room: got %v", got)
		}
	})
	t.Run("in bytes", func(t *testing.T) {
		size := (&diffAnswer{Diff: &newPreviewSetup(t, PreviewLimits{}).maker.diff}).size()
		s := newPreviewSetup(t, PreviewLimits{KeptBytesPerNamespace: 2*size + 1})
		first, _, third := finished(t, s, 1, previewHTTP{}), finished(t, s, 2, previewHTTP{}), finished(t, s, 2, previewHTTP{})
		if got := [2]int{code(t, s, first, previewHTTP{}), code(t, s, third, previewHTTP{})}; got != [2]int{404, 200} {
			t.Errorf("got %v", got)
		}
		s = newPreviewSetup(t, PreviewLimits{KeptBytesPerNamespace: size - 1})
		w := s.do(t, s.diff, previewHTTP{query: "id=" + finished(t, s, 1, previewHTTP{})})
		if w.Code != http.StatusInsufficientStorage || !strings.Contains(w.Body.String(), fmt.Sprintf("not more than %d are kept", size-1)) {
			t.Errorf("one that is too large: got %d %s", w.Code, w.Body)
		}
	})
}

// TestResultThatIsForgottenWhileItIsFetched has others need the room between the
// moment when a result is found and the one when it is read.
func TestResultThatIsForgottenWhileItIsFetched(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	s.maker.slow = make(chan struct{})
	id := s.accepted(t, previewHTTP{})
	close(s.maker.slow)
	s.settledIs(t, 1)
	s.previews.mu.Lock()
	job := s.previews.kept[id]
	s.previews.forget(job)
	s.previews.mu.Unlock()
	if answer, err := s.previews.result(job); !apierrors.IsNotFound(err) || answer != nil {
		t.Errorf("got %v, %v, want NotFound", answer, err)
	}
}

func TestPreviewTimeout(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{Timeout: time.Millisecond})
	s.maker.slow = make(chan struct{})
	w := s.do(t, s.diff, previewHTTP{})
	if w.Code != http.StatusGatewayTimeout || !strings.Contains(w.Body.String(), "spec.timeout") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestPreviewWithoutAMaker(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	clear(s.previews.makers)
	if w := s.do(t, s.diff, previewHTTP{}); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "without reconcilers") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// panicking is a maker with a bug.
type panicking struct{ preview.Previewer }

func TestPanicOfAPreview(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	s.previews.Add(s.diff.parent.Served().GroupKind(), panicking{})
	if w := s.do(t, s.diff, previewHTTP{}); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "nil pointer") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	waitUntil(t, "it no longer counts", func() bool {
		s.previews.mu.Lock()
		defer s.previews.mu.Unlock()
		return s.previews.total == 0
	})
}

func TestCloseEndsPreviews(t *testing.T) {
	s := newPreviewSetup(t, PreviewLimits{})
	s.maker.slow = make(chan struct{}) // never closed
	s.accepted(t, previewHTTP{})
	answer := s.begin(t, previewHTTP{})
	if err := s.previews.Close(); err != nil {
		t.Fatal(err)
	}
	<-answer
	if len(s.previews.kept) != 0 {
		t.Error("results are still kept")
	}
}
