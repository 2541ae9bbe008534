package runtime

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// calls records what events add.
type calls struct{ got []string }

func (c *calls) Add(k Key, t Trigger) {
	if t != 0 {
		c.got = append(c.got, k.String()+" "+t.String())
	}
}
func (c *calls) Remove(k Key) { c.got = append(c.got, "forget "+k.String()) }

func object(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "x", UID: "u", Generation: 1, ResourceVersion: "1"}}
	for _, f := range change {
		f(p)
	}
	return p
}

func TestOwnEvents(t *testing.T) {
	later := func(p *corev1.Pod) { p.ResourceVersion = "2" }
	asked := func(v string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Annotations = map[string]string{"ask": v} }
	}
	for _, tc := range []struct {
		name string
		do   func(h cache.ResourceEventHandler)
		want []string
	}{
		{"listed at start", func(h cache.ResourceEventHandler) { h.OnAdd(object(), true) }, []string{"a/x Start"}},
		{"created", func(h cache.ResourceEventHandler) { h.OnAdd(object(), false) }, []string{"a/x Spec"}},
		{"status", func(h cache.ResourceEventHandler) {
			h.OnUpdate(object(), object(later, func(p *corev1.Pod) { p.Status.Phase = "x"; p.Finalizers = []string{"f"} }))
		}, nil},
		{"spec", func(h cache.ResourceEventHandler) {
			h.OnUpdate(object(), object(later, func(p *corev1.Pod) { p.Generation = 2 }))
		}, []string{"a/x Spec"}},
		{"deletion", func(h cache.ResourceEventHandler) {
			h.OnUpdate(object(), object(later, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, func(p *corev1.Pod) { now := metav1.Now(); p.DeletionTimestamp = &now }))
		}, []string{"a/x Spec"}},
		{"replaced unseen", func(h cache.ResourceEventHandler) {
			h.OnUpdate(object(), object(later, func(p *corev1.Pod) { p.UID = types.UID("v") }))
		}, []string{"a/x Spec"}},
		{"request", func(h cache.ResourceEventHandler) { h.OnUpdate(object(asked("1")), object(later, asked("2"))) }, []string{"a/x Request"}},
		{"request taken back", func(h cache.ResourceEventHandler) { h.OnUpdate(object(asked("1")), object(later)) }, nil},
		{"gone", func(h cache.ResourceEventHandler) { h.OnDelete(object()) }, []string{"forget a/x", "a/x Spec"}},
		{"gone unseen", func(h cache.ResourceEventHandler) {
			h.OnDelete(cache.DeletedFinalStateUnknown{Key: "a/x", Obj: object()})
		}, []string{"forget a/x", "a/x Spec"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c calls
			tc.do(OwnEvents(&c, "ask"))
			if diff := cmp.Diff(tc.want, c.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEdge(t *testing.T) {
	users := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{"uses": func(obj any) ([]string, error) {
		return []string{Reference("Pod", "a", obj.(*corev1.Pod).Labels["uses"])}, nil
	}})
	for name, uses := range map[string]string{"u1": "x", "u2": "y"} {
		if err := users.Add(object(func(p *corev1.Pod) { p.Name = name; p.Labels = map[string]string{"uses": uses} })); err != nil {
			t.Fatal(err)
		}
	}
	later := func(p *corev1.Pod) { p.ResourceVersion = "2" }
	ready := func(p *corev1.Pod) { p.Status.Phase = "Ready" }
	for _, tc := range []struct {
		name string
		do   func(h cache.ResourceEventHandler)
		want []string
	}{
		{"listed at start", func(h cache.ResourceEventHandler) { h.OnAdd(object(), true) }, nil},
		{"appears", func(h cache.ResourceEventHandler) { h.OnAdd(object(), false) }, []string{"a/u1 Source"}},
		{"irrelevant", func(h cache.ResourceEventHandler) { h.OnUpdate(object(), object(later)) }, nil},
		{"relevant", func(h cache.ResourceEventHandler) { h.OnUpdate(object(), object(later, ready)) }, []string{"a/u1 Source"}},
		{"resync", func(h cache.ResourceEventHandler) { h.OnUpdate(object(), object(ready)) }, nil},
		{"nobody uses it", func(h cache.ResourceEventHandler) {
			h.OnAdd(object(func(p *corev1.Pod) { p.Name = "z" }), false)
		}, nil},
		{"vanishes", func(h cache.ResourceEventHandler) { h.OnDelete(object()) }, []string{"a/u1 Source"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c calls
			tc.do(Edge{
				Users:    UsersByIndex(users, "uses", func(o metav1.Object) string { return Reference("Pod", o.GetNamespace(), o.GetName()) }),
				Relevant: func(a, b metav1.Object) bool { return a.(*corev1.Pod).Status.Phase != b.(*corev1.Pod).Status.Phase },
				To:       &c, Trigger: Source,
			}.Events())
			if diff := cmp.Diff(tc.want, c.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
