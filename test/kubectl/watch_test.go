package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// next is the next event of a watch.
func next(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case event, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("the watch has ended")
		}
		return event
	case <-ctx.Done():
		t.Fatal("the watch brings nothing")
	}
	return watch.Event{}
}

// changes patches an object so that each change can be told from the others.
func changes(u user, k kind, name string, values ...string) {
	u.t.Helper()
	for _, value := range values {
		u.run("patch", k.object(name), "--type=merge", "-p", `{"metadata":{"labels":{"change":"`+value+`"}}}`)
	}
}

// A watch goes on where another one ended: it brings what came after, each change
// once and in order.
func TestWatchResumes(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u, client := admin(t, namespace), k.dynamicClient(t, namespace)
		u.apply(k.manifest("demo", "1m"))
		u.run("wait", "--for=jsonpath={.metadata.finalizers}", k.object("demo"), "--timeout="+patience.String())
		list, err := client.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		first, err := client.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		if err != nil {
			t.Fatal(err)
		}
		changes(u, k, "demo", "1")
		seen := typed(t, next(t, first).Object)
		first.Stop()
		changes(u, k, "demo", "2", "3")
		second, err := client.Watch(t.Context(), metav1.ListOptions{ResourceVersion: seen.GetResourceVersion(), LabelSelector: "change!=3"})
		if err != nil {
			t.Fatal(err)
		}
		defer second.Stop()
		var got []string
		for range 2 {
			event := next(t, second)
			got = append(got, string(event.Type)+" "+typed(t, event.Object).GetLabels()["change"])
		}
		// What no longer matches the selector is gone, as far as this watch goes: it
		// gets the object as it was when it matched.
		if diff := cmp.Diff([]string{"MODIFIED 2", "DELETED 2"}, got); diff != "" {
			t.Errorf("after resuming (-want +got):\n%s", diff)
		}
	})
}

// A watch that streams the list first marks where it ends, and bookmarks tell how
// far a quiet watch has come.
func TestWatchList(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u, client := admin(t, namespace), k.dynamicClient(t, namespace)
		demos(u, k)
		w, err := client.Watch(t.Context(), metav1.ListOptions{
			SendInitialEvents: ptr.To(true), AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		names := map[string]bool{}
		for {
			event := next(t, w)
			object := typed(t, event.Object)
			if event.Type == watch.Bookmark {
				if object.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
					continue
				}
				if object.GetResourceVersion() == "" || object.GetKind() != k.kind {
					t.Errorf("the bookmark is a %s at %q", object.GetKind(), object.GetResourceVersion())
				}
				break
			}
			names[object.GetName()] = true
		}
		if diff := cmp.Diff(map[string]bool{"a": true, "b": true, "c": true}, names); diff != "" {
			t.Errorf("before the bookmark (-want +got):\n%s", diff)
		}
		changes(u, k, "a", "1")
		for typed(t, next(t, w).Object).GetLabels()["change"] != "1" {
		}
		// The combination is refused where it makes no sense.
		u.refused("", []string{"get", "--raw", k.path(namespace) + "?watch=true&sendInitialEvents=true"}, "resourceVersionMatch")
	})
}

// A watch that has nothing to tell says how far it has come, at the latest before it
// ends: so that the next one begins there.
func TestBookmarks(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u, client := admin(t, namespace), k.dynamicClient(t, namespace)
		list, err := client.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// What happens elsewhere moves the version on, and is not told.
		other := admin(t, cluster.Namespace(t))
		w, err := client.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion(), AllowWatchBookmarks: true, TimeoutSeconds: ptr.To(int64(5))})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		other.apply(k.manifest("elsewhere", "1m"))
		event := next(t, w)
		bookmark := typed(t, event.Object)
		if event.Type != watch.Bookmark || bookmark.GetKind() != k.kind || bookmark.GetName() != "" {
			t.Fatalf("a quiet watch brings %s of %v", event.Type, bookmark)
		}
		if bookmark.GetResourceVersion() == list.GetResourceVersion() {
			t.Errorf("the bookmark is where the watch began, at %s", bookmark.GetResourceVersion())
		}
		u.apply(k.manifest("here", "1m"))
		again, err := client.Watch(t.Context(), metav1.ListOptions{ResourceVersion: bookmark.GetResourceVersion()})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Stop()
		equal(t, "what a watch from the bookmark brings", typed(t, next(t, again).Object).GetName(), "here")
	})
}

func TestListVersions(t *testing.T) {
	t.Parallel()
	forKinds(t, func(t *testing.T, k kind, namespace string) {
		u, client := admin(t, namespace), k.dynamicClient(t, namespace)
		demos(u, k)
		list, err := client.List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		u.apply(k.manifest("d", "1m"))
		for name, test := range map[string]struct {
			options metav1.ListOptions
			want    int
		}{
			"the latest":       {metav1.ListOptions{}, 4},
			"not older":        {metav1.ListOptions{ResourceVersion: list.GetResourceVersion(), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}, 4},
			"exactly":          {metav1.ListOptions{ResourceVersion: list.GetResourceVersion(), ResourceVersionMatch: metav1.ResourceVersionMatchExact}, 3},
			"exactly, in part": {metav1.ListOptions{ResourceVersion: list.GetResourceVersion(), ResourceVersionMatch: metav1.ResourceVersionMatchExact, Limit: 2}, 2},
		} {
			got, err := client.List(t.Context(), test.options)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if len(got.Items) < test.want || len(got.Items) > 4 || (name != "not older" && len(got.Items) != test.want) {
				t.Errorf("%s: %d objects, want %d", name, len(got.Items), test.want)
			}
		}
		// A version that is still to come is waited for, and not forever.
		code, answer := u.do(http.MethodGet, k.path(namespace)+"?resourceVersion=1000000000000", "", nil)
		if code != http.StatusGatewayTimeout || !strings.Contains(answer, string(metav1.CauseTypeResourceVersionTooLarge)) {
			t.Errorf("a list of the future: %d: %s", code, answer)
		}
	})
}

// informer starts an informer and returns what it knows, once it is in step.
func (k kind) informer(ctx context.Context, t *testing.T, namespace string) cache.Store {
	t.Helper()
	client, err := dynamic.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	informer := dynamicinformer.NewFilteredDynamicInformer(client, k.GroupVersionResource, namespace, 0, cache.Indexers{}, nil).Informer()
	go informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the informer does not get in step")
	}
	return informer.GetStore()
}

// past is what somebody knows of a kind before its history is forgotten.
type past struct {
	kind
	version, next string
	store         cache.Store
}

// After a compaction and a restart there is no history: who asks for it is told so
// with 410 and starts anew, as informers do. It is not run beside other tests.
func TestGoneAfterCompaction(t *testing.T) {
	namespace := cluster.Namespace(t)
	u := admin(t, namespace)
	var pasts []past
	for _, k := range kinds() {
		demos(u, k)
		list, err := k.dynamicClient(t, namespace).List(t.Context(), metav1.ListOptions{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		pasts = append(pasts, past{k, list.GetResourceVersion(), list.GetContinue(), k.informer(t.Context(), t, namespace)})
		changes(u, k, "a", "1")
	}
	compact(t)
	if err := leat.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := leat.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range pasts {
		client := p.dynamicClient(t, namespace)
		eventually(t, "kube-apiserver passes requests on again", func(ctx context.Context) (bool, error) {
			_, err := client.List(ctx, metav1.ListOptions{})
			return err == nil, nil
		})
		p.listIsGone(t, client)
		p.watchIsGone(t, client, u)
		// An informer gets over it.
		u.apply(p.manifest("new", "1m"))
		eventually(t, "the informer knows what is new", func(context.Context) (bool, error) {
			_, found, err := p.store.GetByKey(namespace + "/new")
			return found, err
		})
	}
}

// listIsGone asks for a list as it was then, and for the rest of one.
func (p past) listIsGone(t *testing.T, client dynamic.ResourceInterface) {
	t.Helper()
	if _, err := client.List(t.Context(), metav1.ListOptions{ResourceVersion: p.version, ResourceVersionMatch: metav1.ResourceVersionMatchExact}); !apierrors.IsResourceExpired(err) {
		t.Errorf("%s: a list of a compacted version: got %v, want Expired", p.kind.kind, err)
	}
	_, err := client.List(t.Context(), metav1.ListOptions{Continue: p.next})
	var status apierrors.APIStatus
	if !apierrors.IsResourceExpired(err) || !errors.As(err, &status) || status.Status().Code != http.StatusGone {
		t.Errorf("%s: the rest of a list: got %v, want 410", p.kind.kind, err)
		return
	}
	// The rest can still be had, if not as of then.
	rest, err := client.List(t.Context(), metav1.ListOptions{Continue: status.Status().Continue})
	if err != nil || len(rest.Items) != 2 {
		t.Errorf("%s: the rest by the token of the refusal: %v, %v", p.kind.kind, rest, err)
	}
}

// watchIsGone watches from then on, with client-go and with kubectl.
func (p past) watchIsGone(t *testing.T, client dynamic.ResourceInterface, u user) {
	t.Helper()
	w, err := client.Watch(t.Context(), metav1.ListOptions{ResourceVersion: p.version})
	if err == nil {
		// It may be told by the first event.
		err = apierrors.FromObject(next(t, w).Object)
		w.Stop()
	}
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		t.Errorf("%s: a watch from a compacted version: got %v, want Gone", p.kind.kind, err)
	}
	events := u.run("get", "--raw", p.path(u.namespace)+"?watch=true&timeoutSeconds=5&resourceVersion="+p.version)
	var event struct {
		Type   string
		Object metav1.Status
	}
	if err := json.Unmarshal([]byte(strings.SplitN(events, "\n", 2)[0]), &event); err != nil || event.Type != "ERROR" || event.Object.Code != http.StatusGone {
		t.Errorf("%s: the watch of kubectl: %v, %s", p.kind.kind, err, events)
	}
}

// compact forgets the history of Leat's etcd, as the server does by itself every
// five minutes.
func compact(t *testing.T) {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(leatDir, "data", "etcd", "*.sock"))
	if err != nil || len(sockets) != 1 {
		t.Fatalf("the socket of etcd: %v, %v", sockets, err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + sockets[0]}, Context: t.Context()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	now, err := client.Get(t.Context(), "none")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), now.Header.Revision); err != nil {
		t.Fatal(err)
	}
}
