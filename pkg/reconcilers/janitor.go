package reconcilers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
	"github.com/leat-dev/leat/pkg/artifact"
	sourcelisters "github.com/leat-dev/leat/pkg/generated/listers/source/v1"
)

// collectAfter is how long after a change of the store garbage is collected:
// longer than replaced artifacts are retained, so that one collection finds
// what many pushes left.
const collectAfter = 90 * time.Second

// maxRepeats bounds how often garbage is collected again because something was
// still in memory the last time. Trees of previews are let go of at some time
// after them, and nobody tells.
const maxRepeats = 10

// collector is the part of the artifact store that a janitor needs.
type collector interface {
	Owners() []artifact.Owner
	Forget(owner artifact.Owner) error
	Collect(ctx context.Context) (artifact.Collected, error)
}

// janitor removes from the artifact store what nothing refers to any more.
type janitor struct {
	store collector
	clock clock.WithTicker
	work  chan struct{}
}

func newJanitor(store collector, c clock.WithTicker) *janitor {
	return &janitor{store: store, clock: c, work: make(chan struct{}, 1)}
}

// notify says that there may be garbage. It does not block.
func (j *janitor) notify() {
	select {
	case j.work <- struct{}{}:
	default:
	}
}

// run collects at the start and after changes, until ctx ends. It begins with
// those whose deletion was not seen: their finalizers were removed by force, or
// the store is older than the objects.
func (j *janitor) run(ctx context.Context, sources sourcelisters.GitRepositoryLister) {
	j.dropStrangers(ctx, sources)
	now := make(chan struct{})
	close(now)
	for repeats := 0; ; {
		var again <-chan struct{}
		if j.collect(ctx) && repeats < maxRepeats {
			again = now
		}
		select {
		case <-ctx.Done():
			return
		case <-j.work:
			repeats = 0
		case <-again:
			repeats++
		}
		select {
		case <-ctx.Done():
			return
		case <-j.clock.After(collectAfter):
		}
	}
}

// dropStrangers forgets the owners that do not exist.
func (j *janitor) dropStrangers(ctx context.Context, sources sourcelisters.GitRepositoryLister) {
	all, err := sources.List(labels.Everything())
	if err != nil {
		klog.FromContext(ctx).Error(err, "Listing the owners of artifacts failed")
		return
	}
	exist := make(map[artifact.Owner]bool, len(all))
	for _, s := range all {
		exist[artifact.Owner{Kind: sourcev1.GitRepositoryKind, Namespace: s.Namespace, Name: s.Name, UID: string(s.UID)}] = true
	}
	for _, owner := range j.store.Owners() {
		if owner.Kind != sourcev1.GitRepositoryKind || exist[owner] {
			continue
		}
		if err := j.store.Forget(owner); err != nil {
			klog.FromContext(ctx).Error(err, "Forgetting the artifacts of an object that is gone failed", "owner", owner)
		}
	}
}

// collect says whether there may be more to collect later.
func (j *janitor) collect(ctx context.Context) bool {
	done, err := j.store.Collect(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		klog.FromContext(ctx).Error(err, "Collecting garbage in the artifact store failed")
	case err == nil && done != artifact.Collected{Held: done.Held}:
		klog.FromContext(ctx).V(2).Info("Collected garbage in the artifact store",
			"records", done.Records, "archives", done.Archives, "segments", done.Segments, "merged", done.Merged, "bytes", done.Bytes)
	}
	return done.Held > 0
}
