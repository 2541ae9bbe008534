package target

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// script answers the watches of a test: each request gets the next step, and
// the last one is repeated.
type script struct {
	mu    sync.Mutex
	steps []func(w http.ResponseWriter, r *http.Request)
	seen  []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen = append(s.seen, r.URL.RequestURI())
	step := s.steps[0]
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	s.mu.Unlock()
	step(w, r)
}

func event(kind, object string) string { return `{"type":"` + kind + `","object":` + object + "}\n" }

func bookmark(rv string) string {
	return event("BOOKMARK", `{"metadata":{"resourceVersion":"`+rv+`","annotations":{"k8s.io/initial-events-end":"true"}}}`)
}

// stream sends events and then keeps the watch open, or ends it.
func stream(stay bool, events ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Join(events, ""))
		w.(http.Flusher).Flush()
		if stay {
			<-r.Context().Done()
		}
	}
}

// state waits until the object is found, or not found, in the cache.
func (s *script) await(t *testing.T, tgt *Target, name string, found bool) Live {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		k := tgt.cache.kind(configMaps.GroupVersionKind())
		if err := k.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		live, have, cached := k.get(types.NamespacedName{Namespace: "demo", Name: name})
		if cached && have == found {
			return live
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: found is %t, cached %t", name, have, cached)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFollowResumesAndRelists(t *testing.T) {
	s := &script{steps: []func(http.ResponseWriter, *http.Request){
		// The first watch lists and ends; the second goes on where it was.
		stream(false, event("ADDED", configMap("a", "5", "u-a")), event("ADDED", configMap("b", "6", "u-b")), bookmark("7")),
		stream(false, event("MODIFIED", configMap("a", "8", "u-a")), event("ADDED", configMap("c", "9", "u-c"))),
		// What it missed is too old; meanwhile b was deleted.
		stream(false, event("ERROR", `{"kind":"Status","status":"Failure","reason":"Expired","code":410}`)),
		stream(true, event("ADDED", configMap("a", "8", "u-a")), event("ADDED", configMap("c", "12", "u-c")), bookmark("13"), event("DELETED", configMap("c", "14", "u-c"))),
	}}
	tgt := testTarget(t, s)
	var events []Event
	var mu sync.Mutex
	tgt.Listen(func(e Event) { mu.Lock(); events = append(events, e); mu.Unlock() })
	tgt.Retain("owner", []Resource{configMaps})
	s.await(t, tgt, "a", true)
	s.await(t, tgt, "b", false)
	s.await(t, tgt, "c", false)
	if l := s.await(t, tgt, "a", true); l.ResourceVersion != "8" {
		t.Errorf("a is at %s", l.ResourceVersion)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.Contains(s.seen[0], "sendInitialEvents=true") || !strings.Contains(s.seen[0], "labelSelector=kustomize.toolkit.fluxcd.io%2Fname") {
		t.Errorf("first request %s", s.seen[0])
	}
	if !strings.Contains(s.seen[1], "resourceVersion=7") || !strings.Contains(s.seen[2], "resourceVersion=9") || strings.Contains(s.seen[3], "resourceVersion=") {
		t.Errorf("requests %v", s.seen)
	}
	mu.Lock()
	defer mu.Unlock()
	gone := map[string]bool{}
	for _, e := range events {
		if e.Gone {
			gone[e.Name] = true
		}
	}
	if !gone["b"] || !gone["c"] || gone["a"] || events[0].Name == "b" && !events[0].Gone {
		t.Errorf("events %+v", events)
	}
}

func TestFollowFallsBackToLists(t *testing.T) {
	s := &script{steps: []func(http.ResponseWriter, *http.Request){
		func(w http.ResponseWriter, _ *http.Request) { failure(w, http.StatusUnprocessableEntity, "Invalid") },
		func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"metadata":{"resourceVersion":"7","continue":"more"},"items":[%s]}`, configMap("a", "5", "u"))
		},
		func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"metadata":{"resourceVersion":"7"},"items":[%s]}`, configMap("b", "6", "u"))
		},
		stream(true, event("ADDED", configMap("c", "8", "u"))),
	}}
	tgt := testTarget(t, s)
	tgt.Retain("owner", []Resource{configMaps})
	for _, name := range []string{"a", "b", "c"} {
		s.await(t, tgt, name, true)
	}
}

func TestDeniedKindIsReadPlainly(t *testing.T) {
	tgt := testTarget(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("watch") != "":
			failure(w, http.StatusForbidden, "Forbidden")
		case strings.HasSuffix(r.URL.Path, "/there"):
			fmt.Fprint(w, configMap("there", "1", "u"))
		default:
			failure(w, http.StatusNotFound, "NotFound")
		}
	}))
	tgt.Retain("owner", []Resource{configMaps})
	if l, found, err := tgt.Lookup(t.Context(), Identity{}, ref("there")); err != nil || !found || l.UID != "u" {
		t.Errorf("%+v %t %v", l, found, err)
	}
	if _, found, err := tgt.Lookup(t.Context(), Identity{}, ref("missing")); err != nil || found {
		t.Errorf("%t %v", found, err)
	}
	sub, err := tgt.Subscribe(t.Context(), Identity{}, []Ref{ref("there")})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	<-sub.Changed()
	if st := sub.State(sub.Drain()[0]); !apierrors.IsForbidden(st.Err) {
		t.Errorf("state %+v, want why it cannot be followed", st)
	}
}

func TestRetain(t *testing.T) {
	ended := make(chan struct{})
	tgt := testTarget(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream(true, event("ADDED", configMap("a", "1", "u")), bookmark("2"))(w, r)
		close(ended)
	}))
	gvk := configMaps.GroupVersionKind()
	tgt.Retain("one", []Resource{configMaps})
	tgt.Retain("two", []Resource{configMaps})
	tgt.Retain("one", []Resource{configMaps})
	tgt.Release("one")
	if tgt.cache.kind(gvk) == nil {
		t.Fatal("the watch ended although an owner needs it")
	}
	sub, err := tgt.Subscribe(t.Context(), Identity{}, []Ref{ref("a")})
	if err != nil {
		t.Fatal(err)
	}
	tgt.Release("two")
	if tgt.cache.kind(gvk) == nil {
		t.Fatal("the watch ended although someone waits")
	}
	sub.Close()
	if tgt.cache.kind(gvk) != nil {
		t.Error("the watch of an unused kind goes on")
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the server still has the watch")
	}
}

// What a write of our own led to is in the cache before the watch tells of it,
// is no news when it does, and does not come back after a deletion.
func TestObserve(t *testing.T) {
	k := &kind{
		cache: &cache{kinds: map[schema.GroupVersionKind]*kind{}}, res: configMaps, ready: make(chan struct{}),
		objects: map[types.NamespacedName]*Live{}, writes: map[types.NamespacedName]*write{},
	}
	k.cache.kinds[configMaps.GroupVersionKind()] = k
	var events int
	k.cache.listeners = []func(Event){func(Event) { events++ }}
	at := func(rv string) identified {
		return identified{NamespacedName: types.NamespacedName{Name: "a"}, Live: Live{UID: "u", ResourceVersion: rv, Owner: types.NamespacedName{Name: "app"}}}
	}
	n := at("").NamespacedName
	write := func(rv string) {
		o := at(rv)
		k.cache.begin(Ref{Resource: configMaps, Name: "a"}).wrote(n, &o)
	}
	k.listing()
	k.listed("5")
	write("7")
	if l, found, _ := k.get(n); !found || l.ResourceVersion != "7" {
		t.Fatal("a write is not observed")
	}
	if !k.has(n, "7") {
		t.Error("the echo of a write is not recognised")
	}
	k.seen(at("7"))
	k.seen(at("6"))
	if events != 0 {
		t.Errorf("%d events for our own write and what came before", events)
	}
	k.seen(at("9"))
	k.gone(n, "10")
	if events != 2 {
		t.Errorf("%d events for a change and a deletion", events)
	}
	write("8")
	if _, found, _ := k.get(n); found {
		t.Error("a late answer brings back what was deleted")
	}
	// The watch tells of a write before its answer is here.
	write("30")
	events = 0
	began := k.cache.begin(Ref{Resource: configMaps, Name: "a"})
	k.seen(at("31"))
	o := at("31")
	if began.wrote(n, &o); events != 0 {
		t.Error("our own write is told as somebody's")
	}
	// Somebody else writes right after us, or while our write fails.
	began = k.cache.begin(Ref{Resource: configMaps, Name: "a"})
	k.seen(at("33"))
	o = at("32")
	if began.wrote(n, &o); events != 1 {
		t.Errorf("%d events for a foreign write behind our own", events)
	}
	began = k.cache.begin(Ref{Resource: configMaps, Name: "a"})
	k.seen(at("34"))
	if began.wrote(n, nil); events != 2 {
		t.Errorf("%d events for a foreign write while ours failed", events)
	}
	// Our own deletion is no news, whenever the object goes.
	k.cache.begin(Ref{Resource: configMaps, Name: "a"}).deleted(n)
	k.seen(at("35"))
	k.gone(n, "36")
	if events != 2 || len(k.writes) != 0 {
		t.Errorf("%d events after our own deletion, %d writes open", events, len(k.writes))
	}

	// A listing that is older than a write does not take it away.
	k.listing()
	write("50")
	k.listed("45")
	if _, found, _ := k.get(n); !found {
		t.Error("an old listing removes what was written since")
	}
}
