package reconcilers

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	testingclock "k8s.io/utils/clock/testing"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
)

// watchedStore tells when it has collected.
type watchedStore struct {
	*artifact.Store
	collected chan artifact.Collected
}

func (s *watchedStore) Collect(ctx context.Context) (artifact.Collected, error) {
	c, err := s.Store.Collect(ctx)
	s.collected <- c
	return c, err
}

func TestJanitor(t *testing.T) {
	clock := testingclock.NewFakeClock(time.Now())
	dir := t.TempDir()
	open := func() *artifact.Store {
		s, err := artifact.Open(dir, artifact.Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ctx, cancel := context.WithCancel(context.Background())
	publish := func(s *artifact.Store, name, uid, content string) artifact.Owner {
		w, err := s.NewWriter(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.File("f", false, bytes.NewReader([]byte(content))); err != nil {
			t.Fatal(err)
		}
		tree, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		owner := artifact.Owner{Kind: "GitRepository", Namespace: "demo", Name: name, UID: uid}
		if _, err := s.Publish(ctx, owner, "main@sha1:"+content, tree, nil); err != nil {
			t.Fatal(err)
		}
		return owner
	}
	store := open()
	kept := publish(store, "kept", "u1", "1")
	gone := publish(store, "gone", "u2", "2")
	again := publish(store, "again", "old", "3")
	// After a restart, as then it matters.
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = open()
	defer store.Close()

	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for name, uid := range map[string]types.UID{"kept": "u1", "again": "new"} {
		obj := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: name}}
		obj.UID = uid
		if err := indexer.Add(obj); err != nil {
			t.Fatal(err)
		}
	}
	watched := &watchedStore{Store: store, collected: make(chan artifact.Collected)}
	j := newJanitor(watched, clock)
	done := make(chan struct{})
	go func() { defer close(done); j.run(ctx, sourcelisters.NewGitRepositoryLister(indexer)) }()
	if c := <-watched.collected; c.Archives != 2 {
		t.Errorf("collected %+v, want two archives", c)
	}
	if n := len(store.Records(kept)); n != 1 {
		t.Errorf("%d records of an object that exists", n)
	}
	if n := len(store.Records(gone)) + len(store.Records(again)); n != 0 {
		t.Errorf("%d records of objects that do not exist", n)
	}

	// Many changes are one collection, when the old artifacts have expired.
	publish(store, "kept", "u1", "4")
	j.notify()
	for !clock.HasWaiters() {
		time.Sleep(100 * time.Microsecond)
	}
	publish(store, "kept", "u1", "5")
	publish(store, "kept", "u1", "6")
	clock.Step(collectAfter)
	if c := <-watched.collected; c.Records == 0 {
		t.Errorf("collected %+v", c)
	}
	if n := len(store.Records(kept)); n != 1 {
		t.Errorf("%d records are kept, want the current one", n)
	}
	cancel()
	<-done
}

// What only a preview had in memory goes without anything else happening.
func TestJanitorComesBackForWhatWasHeld(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	clock := testingclock.NewFakeClock(time.Now())
	store, err := artifact.Open(t.TempDir(), artifact.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	hold := func() (*artifact.Tree, artifact.Digest) {
		w, err := store.NewWriter(ctx)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := w.File("f", false, bytes.NewReader([]byte("of a preview")))
		if err != nil {
			t.Fatal(err)
		}
		tree, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		return tree, digest
	}
	tree, digest := hold()
	watched := &watchedStore{Store: store, collected: make(chan artifact.Collected)}
	j := newJanitor(watched, clock)
	done := make(chan struct{})
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	go func() { defer close(done); j.run(ctx, sourcelisters.NewGitRepositoryLister(indexer)) }()
	next := func() artifact.Collected {
		for {
			select {
			case c := <-watched.collected:
				return c
			default:
				runtime.GC()
				if clock.HasWaiters() {
					clock.Step(collectAfter)
				}
			}
		}
	}
	for range 3 {
		if c := next(); c.Held != 1 || !store.Has(digest) {
			t.Errorf("while it is held: %+v", c)
		}
	}
	runtime.KeepAlive(tree)
	for range maxRepeats - 3 {
		if c := next(); c.Held == 0 {
			if store.Has(digest) {
				t.Error("what nobody holds is still there")
			}
			cancel()
			<-done
			return
		}
	}
	t.Error("a tree that nobody holds is counted")
}
