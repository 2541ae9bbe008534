package apply

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/target"
)

// errStillThere says that a deleted object waits for something.
var errStillThere = errors.New("it has been deleted but is still there, waiting for its finalizers")

// remove deletes the item's live object, that one and no namesake, and waits
// until it is gone.
func (r *run) remove(ctx context.Context, it *item) error {
	t, id := r.e.target, r.p.req.Identity
	live, err := t.Read(ctx, id, it.ref)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting it to create it again: %w", err)
	}
	sub, err := t.Subscribe(ctx, id, []target.Ref{it.ref})
	if err != nil {
		return err
	}
	defer sub.Close()
	err = t.Delete(ctx, id, it.ref, target.Preconditions{UID: live.UID})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting it to create it again: %w", err)
	}
	it.removed = true
	if err := r.e.awaitGone(ctx, sub, []types.UID{live.UID}, r.e.opts.RecreateTimeout); err != nil {
		return fmt.Errorf("deleting it to create it again: %w", err)
	}
	it.found = false
	return nil
}
