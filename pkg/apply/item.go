package apply

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/target"
)

// item is one object of the set on its way.
type item struct {
	obj      object.Object
	key      object.Key
	ref      target.Ref
	stage    stage
	body     []byte
	desired  string
	switches target.Switches
	// recorded is the inventory's entry, nil if there is none.
	recorded *Entry

	// live and found are what the target knew when the plan was made.
	live  target.Live
	found bool
	// crd is the definition of the item's kind if it is part of the set, and
	// unserved says that the cluster does not serve the kind yet.
	crd      *item
	unserved bool
	// after is the stage that must be applied before the server can validate
	// the item; noStage if it can be at once.
	after stage

	action Action
	reason string
	// excluded says that the owner's set is not to hold the object.
	excluded bool
	// recreate says that the change is refused as immutable and may be forced,
	// takeover that kubectl's fields become ours before the next apply.
	recreate, takeover bool
	// checked says that the server has validated this very body, applied that
	// this run has written it, removed that it has deleted the live object, and
	// doubtful that a write was sent whose outcome is not known.
	checked, applied, removed, doubtful bool
	// err is what is wrong with the object before anything is asked of the
	// target; a preview also notes there what the apply would fail with.
	err error
	// entry is what the inventory holds after the run.
	entry Entry
}

const noStage stage = -1

// pending says that the item is still to be written.
func (it *item) pending() bool {
	return it.action == ActionCreated || it.action == ActionConfigured
}

// touched says that this run has, or may have, changed the live object.
func (it *item) touched() bool { return it.applied || it.removed || it.doubtful }

// known says that the object is, or may be, there by the owner's doing, or that
// it is there and the run has left it as it is.
func (it *item) known() bool {
	return it.recorded != nil || !it.pending() || it.applied || it.doubtful
}

// outcome is what the run did with the item so far.
//
//	planned or answered    applied  removed  outcome
//	created, configured    yes      –        the same
//	created, configured    no       yes      deleted
//	created, configured    no       no       pending
//	anything else          –        –        the same
func (it *item) outcome() Change {
	c := it.change()
	switch {
	case !it.pending() || it.applied:
	case it.removed:
		c.Action, c.Reason = ActionDeleted, "deleted to create it again, which failed"
	default:
		c.Action = ActionPending
	}
	return c
}

// repair says that this very body was applied before, so that applying it
// again puts back what a foreign hand has changed.
func (it *item) repair() bool {
	return it.recorded != nil && it.recorded.Desired == it.desired
}

// skip takes the item out of the run.
func (it *item) skip(reason string) {
	it.action, it.reason = ActionSkipped, reason
}

// settle records what the cluster holds now.
func (it *item) settle(l target.Live) {
	it.entry.UID, it.entry.Desired, it.entry.Live = l.UID, it.desired, l.Projection.String()
}

// sensitive says that the object's values must not show.
func (it *item) sensitive() bool {
	return it.obj.Tainted || it.key.Group == "" && it.key.Kind == "Secret"
}

// public returns err as it may be shown. The server's refusals quote values;
// of an object that holds secret ones only the fields are named.
func (it *item) public(err error) error {
	var st *apierrors.StatusError
	if !it.sensitive() || !errors.As(err, &st) {
		return err
	}
	s := st.ErrStatus
	if s.Reason == metav1.StatusReasonForbidden && strings.Contains(s.Message, " is forbidden: User ") {
		return err // missing rights: the message is the authorizer's
	}
	var fields []string
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			if f := publicField(c.Field); f != "" && !slices.Contains(fields, f) {
				fields = append(fields, f)
			}
		}
		d := *s.Details
		d.Causes = nil
		s.Details = &d
	}
	msg := fmt.Sprintf("refused as %s", s.Reason)
	if s.Reason == metav1.StatusReasonUnknown {
		// What cannot be read as the object's type is answered so.
		msg = fmt.Sprintf("refused with status %d, perhaps because a value is of the wrong type", s.Code)
	}
	if len(fields) > 0 {
		msg += " because of " + strings.Join(fields, ", ")
	}
	s.Message = msg + " (the server's message is hidden, it may quote secret values)"
	return &apierrors.StatusError{ErrStatus: s}
}

// publicField returns the path of a field up to the first key of a map: that may
// have come from a secret, as its value may.
func publicField(path string) string {
	for i := 0; i < len(path); i++ {
		if path[i] != '[' {
			continue
		}
		end := strings.IndexByte(path[i:], ']')
		if _, err := strconv.Atoi(path[i+1 : max(i+end, i+1)]); err != nil {
			return path[:i]
		}
	}
	return path
}
