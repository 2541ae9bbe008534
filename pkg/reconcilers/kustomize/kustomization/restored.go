package kustomization

import (
	"context"
	"fmt"
	"strings"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/reconcilers/runtime"
)

// restoredReason is that of the events which name what is left in the cluster
// because the store comes from a backup.
const restoredReason = "RestoredFromBackup"

// awaitFetch keeps the first run after a restore of the store from using an
// artifact of the backup's time. It would take the cluster back to what Git held
// then: objects that have moved to another owner since would be taken from it, and
// deleted a moment later, when the latest revision is there.
func (a *attempt) awaitFetch(ctx context.Context, source runtime.Key, found *meta.Artifact) error {
	if a.Fetched == nil || a.memo.confirmed {
		return nil
	}
	confirmed, err := a.Engine.Confirmed(ctx, string(a.obj.UID))
	if err != nil {
		return a.failed(ctx, meta.ReconciliationFailedReason, err)
	}
	// Once confirmed is confirmed for as long as this process lives.
	if a.memo.confirmed = confirmed; confirmed || a.Fetched(source, a.run.Key, found.Digest) {
		return nil
	}
	return a.waiting(meta.ArtifactFailedReason, fmt.Sprintf(
		"the store was restored from a backup: source '%s/%s' has to be fetched before anything is applied%s",
		a.obj.Spec.SourceRef.Kind, source, a.whyNotFetched(source)))
}

func (a *attempt) whyNotFetched(source runtime.Key) string {
	repo, err := a.GitRepositories.GitRepositories(source.Namespace).Get(source.Name)
	switch {
	case err != nil:
		return ""
	case repo.IsSuspended():
		return ", and it is suspended"
	case runtime.IsFalse(repo.Status.Conditions, meta.ReadyCondition):
		return ": " + runtime.Message(repo.Status.Conditions, meta.ReadyCondition)
	}
	return ""
}

// tellSpared names the objects that a restored inventory lists and the set does
// not: nobody looks after them from now on.
func (a *attempt) tellSpared(result *apply.Result) {
	if len(result.Spared) == 0 {
		return
	}
	message := fmt.Sprintf("The store was restored from a backup. Revision %s does not hold %s", a.revision, left(result.Spared))
	a.run.Log.Warn(message)
	a.Events.Warning(a.obj, restoredReason, message, a.metadata())
}

// tellLeft names the objects that an owner leaves when it is deleted before it has
// been applied again.
func (r *Reconciler) tellLeft(run *runtime.Run, obj *kustomizev1.Kustomization, result *apply.Result) {
	if result == nil || len(result.Spared) == 0 {
		return
	}
	message := "The store was restored from a backup, and this object is deleted before it was applied again: " +
		"it may have been deleted before, and others may need what it applied. There are " + left(result.Spared)
	run.Log.Warn(message)
	r.Events.Warning(obj, restoredReason, message, nil)
}

// left lists objects that were not deleted.
func left(spared []apply.Change) string {
	lines := make([]string, len(spared))
	for i, c := range spared {
		lines[i] = c.Key.String()
	}
	return fmt.Sprintf("%d object(s) of the inventory, which are left in the cluster and not followed any more; delete them if they are to go:\n%s",
		len(spared), strings.Join(lines, "\n"))
}
