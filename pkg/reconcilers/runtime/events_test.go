package runtime

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestEvents(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewClientset()
	w := NewEventWriter(ctx, client.CoreV1(), schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Pod"}, "test-controller", "here")
	obj := object(func(p *corev1.Pod) {
		p.Annotations = map[string]string{"event.toolkit.fluxcd.io/commit": "c1", "private": "x"}
	})
	w.Normal(obj, "NewArtifact", "100% stored", map[string]string{MetaRevision: "main@sha1:1", MetaToken: ""})

	list := func() []corev1.Event {
		l, err := client.CoreV1().Events("a").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return l.Items
	}
	waitFor(t, func() bool { return len(list()) == 1 })
	e := list()[0]
	want := corev1.Event{
		Type: "Normal", Reason: "NewArtifact", Message: "100% stored", Count: 1,
		InvolvedObject:      corev1.ObjectReference{APIVersion: "example.com/v1", Kind: "Pod", Namespace: "a", Name: "x", UID: "u", ResourceVersion: "1"},
		Source:              corev1.EventSource{Component: "test-controller", Host: "here"},
		ReportingController: "test-controller", ReportingInstance: "here",
	}
	want.Annotations = map[string]string{"example.com/revision": "main@sha1:1", "event.toolkit.fluxcd.io/commit": "c1"}
	got := e
	got.TypeMeta = metav1.TypeMeta{}
	got.ObjectMeta = metav1.ObjectMeta{Annotations: e.Annotations}
	got.FirstTimestamp, got.LastTimestamp = metav1.Time{}, metav1.Time{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// The same again is a count, not another event.
	w.Normal(obj, "NewArtifact", "100% stored", map[string]string{MetaRevision: "main@sha1:1"})
	waitFor(t, func() bool { l := list(); return len(l) == 1 && l[0].Count == 2 })
}

func TestNamespaceWarning(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewClientset()
	w := NewEventWriter(ctx, client.CoreV1(), corev1.SchemeGroupVersion.WithKind("Pod"), "test", "here")
	w.NamespaceWarning("going", "ObjectsLeft", strings.Repeat("x", 2000))
	var got corev1.Event
	waitFor(t, func() bool {
		l, err := client.CoreV1().Events(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range l.Items {
			got = e
		}
		return len(l.Items) == 1
	})
	want := corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "going"}
	if got.InvolvedObject != want || got.Type != corev1.EventTypeWarning || got.Reason != "ObjectsLeft" || len(got.Message) > maxEventMessage {
		t.Errorf("event %+v", got)
	}
}

func TestLongEventsAreCut(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewClientset()
	w := NewEventWriter(ctx, client.CoreV1(), corev1.SchemeGroupVersion.WithKind("Pod"), "test", "here")
	for _, tc := range []struct{ name, message, want string }{
		{"Fits", strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
		{"Cut", strings.Repeat("x", 1025), strings.Repeat("x", 1021) + "…"},
		{"Between", strings.Repeat("x", 1019) + strings.Repeat("€", 10), strings.Repeat("x", 1019) + "…"},
	} {
		w.Normal(object(), tc.name, tc.message, nil)
		var got string
		waitFor(t, func() bool {
			l, err := client.CoreV1().Events("a").List(ctx, metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range l.Items {
				if e.Reason == tc.name {
					got = e.Message
				}
			}
			return got != ""
		})
		if got != tc.want || len(got) > 1024 {
			t.Errorf("%s: %d bytes that end with %q", tc.name, len(got), got[len(got)-9:])
		}
	}
}

// TestEventsNeverBlock floods a cluster that does not answer.
func TestEventsNeverBlock(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewClientset()
	hang := make(chan struct{})
	defer close(hang)
	client.PrependReactor("*", "events", hangUntil(hang))
	w := NewEventWriter(ctx, client.CoreV1(), corev1.SchemeGroupVersion.WithKind("Pod"), "test", "here")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 5000 {
			w.Warning(object(), "X", "flood", nil)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a run waits for the cluster to take its events")
	}
}

func hangUntil(c <-chan struct{}) clienttesting.ReactionFunc {
	return func(clienttesting.Action) (bool, runtime.Object, error) {
		<-c
		return false, nil, nil
	}
}
