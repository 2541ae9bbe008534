package target

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
)

// authorizer answers reviews, and keeps the questions.
type authorizer struct {
	mu    sync.Mutex
	asked []string
	users []authorizationv1.SubjectAccessReviewSpec
	// answer gets "verb resource namespace/name".
	answer func(question string) string
}

func (a *authorizer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sar authorizationv1.SubjectAccessReview
	if err := json.NewDecoder(r.Body).Decode(&sar); err != nil || r.URL.Path != "/apis/authorization.k8s.io/v1/subjectaccessreviews" {
		http.Error(w, fmt.Sprint(r.URL, err), http.StatusBadRequest)
		return
	}
	at := sar.Spec.ResourceAttributes
	question := fmt.Sprintf("%s %s %s/%s", at.Verb, at.Resource, at.Namespace, at.Name)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, question)
	sar.Spec.ResourceAttributes = nil
	a.users = append(a.users, sar.Spec)
	if r.Header.Get("Impersonate-User") != "" {
		question = "impersonated"
	}
	switch answer := a.answer(question); answer {
	case "yes", "no", "denied":
		fmt.Fprintf(w, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":%t,"denied":%t}}`, answer != "no", answer == "denied")
	case "nonsense":
		fmt.Fprint(w, `<html>`)
	default:
		failure(w, http.StatusInternalServerError, answer)
	}
}

func TestReviewer(t *testing.T) {
	answers := map[string]string{
		"get configmaps demo/":      "no",
		"get configmaps demo/named": "yes",
		"get configmaps open/":      "yes",
		"get secrets demo/":         "no",
		"get secrets demo/both":     "denied",
	}
	a := &authorizer{answer: func(q string) string {
		if r, ok := answers[q]; ok {
			return r
		}
		return "no"
	}}
	tgt := testTarget(t, a)
	u := User{Name: "jane", UID: "42", Groups: []string{"devs"}, Extra: map[string][]string{"scope": {"a"}}}
	r := tgt.Reviewer(u)
	ctx := t.Context()
	for _, tt := range []struct {
		namespace, name string
		want            bool
	}{
		{"demo", "named", true}, {"demo", "other", false}, {"demo", "named", true}, {"open", "a", true}, {"open", "b", true}, {"open", "c", true},
	} {
		got, err := r.MayGet(ctx, Ref{Resource: configMaps, Namespace: tt.namespace, Name: tt.name})
		if got != tt.want || err != nil {
			t.Errorf("%s/%s: %t, %v", tt.namespace, tt.name, got, err)
		}
	}
	if got, err := r.MayGetSecret(ctx, "demo", "both"); got || err != nil {
		t.Errorf("allowed and denied at once: %t, %v", got, err)
	}
	want := []string{"get configmaps demo/", "get configmaps demo/named", "get configmaps demo/other", "get configmaps open/", "get secrets demo/", "get secrets demo/both"}
	if diff := cmp.Diff(want, a.asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	spec := authorizationv1.SubjectAccessReviewSpec{User: "jane", UID: "42", Groups: []string{"devs"}, Extra: map[string]authorizationv1.ExtraValue{"scope": {"a"}}}
	if diff := cmp.Diff(spec, a.users[0]); diff != "" {
		t.Errorf("who is asked for (-want +got):\n%s", diff)
	}
	if _, _ = tgt.Reviewer(User{}).MayGet(ctx, ref("x")); a.users[len(a.users)-1].User != "system:anonymous" {
		t.Errorf("nobody is %q", a.users[len(a.users)-1].User)
	}
}

// Who cannot be asked for may nothing.
func TestReviewerFailsClosed(t *testing.T) {
	how := "InternalError"
	a := &authorizer{answer: func(string) string { return how }}
	r := testTarget(t, a).Reviewer(User{Name: "jane"})
	ctx := t.Context()
	for _, how = range []string{"InternalError", "nonsense"} {
		if got, err := r.MayGet(ctx, ref("x")); got || err == nil || !strings.Contains(err.Error(), "rights of the caller") {
			t.Errorf("%s: %t, %v", how, got, err)
		}
	}
	how = "yes" // an error is no answer to remember
	if got, err := r.MayGet(ctx, ref("x")); !got || err != nil {
		t.Errorf("%t, %v", got, err)
	}
	how = "no"
	for i := range maxReviews + 1 {
		got, err := r.MayGetSecret(ctx, "other", fmt.Sprint(i))
		if got {
			t.Fatal("allowed")
		}
		if err != nil {
			if !strings.Contains(err.Error(), fmt.Sprint(maxReviews)) || i < maxReviews-10 {
				t.Errorf("after %d: %v", i, err)
			}
			return
		}
	}
	t.Error("there is no end of questions")
}

func TestReviewerAsksOnce(t *testing.T) {
	a := &authorizer{answer: func(string) string { return "yes" }}
	r := testTarget(t, a).Reviewer(User{Name: "jane"})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if got, err := r.MayGet(t.Context(), ref(fmt.Sprint(i))); !got || err != nil {
				t.Errorf("%t, %v", got, err)
			}
		})
	}
	wg.Wait()
	if len(a.asked) != 1 {
		t.Errorf("asked %d times", len(a.asked))
	}
}
