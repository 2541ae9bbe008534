package runtime

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// maxConditionMessage is the limit that the API puts on a condition's message.
const maxConditionMessage = 32768

// Conditions builds the conditions that a run leaves behind from those that it
// found. Types that it does not touch stay as they were; the transition time of
// a condition moves only if its status is another one than before the run,
// however often the run changed its mind.
type Conditions struct {
	before     []metav1.Condition
	list       []metav1.Condition
	generation int64
	now        metav1.Time
}

// NewConditions starts from the stored conditions of an object.
func NewConditions(stored []metav1.Condition, generation int64, now time.Time) *Conditions {
	return &Conditions{
		before: stored, list: slices.Clone(stored), generation: generation,
		now: metav1.NewTime(now.Truncate(time.Second)),
	}
}

// ResumeConditions goes on from the conditions that the run has come to, where
// those in stored are what transition times count from.
func ResumeConditions(stored, current []metav1.Condition, generation int64, now time.Time) *Conditions {
	c := NewConditions(stored, generation, now)
	c.list = slices.Clone(current)
	return c
}

// Set sets one condition. A message over the limit is cut.
func (c *Conditions) Set(kind string, status metav1.ConditionStatus, reason, message string) {
	next := metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: clip(message, maxConditionMessage),
		ObservedGeneration: c.generation, LastTransitionTime: c.now,
	}
	if was := find(c.before, kind); was != nil && was.Status == status {
		next.LastTransitionTime = was.LastTransitionTime
	}
	if now := find(c.list, kind); now != nil {
		*now = next
		return
	}
	c.list = append(c.list, next)
}

// Remove removes conditions.
func (c *Conditions) Remove(kinds ...string) {
	c.list = slices.DeleteFunc(c.list, func(x metav1.Condition) bool { return slices.Contains(kinds, x.Type) })
}

// List returns the conditions in the order that Flux has them in.
func (c *Conditions) List() []metav1.Condition {
	list := slices.Clone(c.list)
	slices.SortStableFunc(list, func(a, b metav1.Condition) int { return rank(a.Type) - rank(b.Type) })
	return list
}

func rank(kind string) int {
	order := []string{meta.ReconcilingCondition, meta.StalledCondition, meta.ReadyCondition}
	if i := slices.Index(order, kind); i >= 0 {
		return i
	}
	return len(order)
}

// The four states that a run can leave an object in, as kstatus reads them:
//
//	            Ready    Reconciling            Stalled   who acts next
//	Progressing Unknown  True  Progressing      –         this run
//	Succeeded   True     –                      –         the next trigger
//	Failed      False    True  …WithRetry       –         a retry
//	Stalled     False    –                      True      a person

// Progressing says that the run goes on.
func (c *Conditions) Progressing(message string) {
	c.Set(meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingReason, message)
	c.Set(meta.ReadyCondition, metav1.ConditionUnknown, meta.ProgressingReason, message)
	c.Remove(meta.StalledCondition)
}

// Succeeded says that the object is as its spec wants it.
func (c *Conditions) Succeeded(reason, message string) {
	c.Remove(meta.ReconcilingCondition, meta.StalledCondition)
	c.Set(meta.ReadyCondition, metav1.ConditionTrue, reason, message)
}

// Failed says that the run failed and will be tried again.
func (c *Conditions) Failed(reason, message string) {
	c.Set(meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingWithRetryReason, message)
	c.Set(meta.ReadyCondition, metav1.ConditionFalse, reason, message)
	c.Remove(meta.StalledCondition)
}

// Stalled says that there is no use in trying again before the spec changes.
func (c *Conditions) Stalled(reason, message string) {
	c.Remove(meta.ReconcilingCondition)
	c.Set(meta.StalledCondition, metav1.ConditionTrue, reason, message)
	c.Set(meta.ReadyCondition, metav1.ConditionFalse, reason, message)
}

// IsTrue reports whether a condition is there and True.
func IsTrue(conditions []metav1.Condition, kind string) bool {
	c := find(conditions, kind)
	return c != nil && c.Status == metav1.ConditionTrue
}

// IsFalse reports whether a condition is there and False.
func IsFalse(conditions []metav1.Condition, kind string) bool {
	c := find(conditions, kind)
	return c != nil && c.Status == metav1.ConditionFalse
}

// IsTrueAt reports whether a condition is there and True for a generation.
func IsTrueAt(conditions []metav1.Condition, kind string, generation int64) bool {
	c := find(conditions, kind)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == generation
}

// Message returns the message of a condition, or nothing.
func Message(conditions []metav1.Condition, kind string) string {
	if c := find(conditions, kind); c != nil {
		return c.Message
	}
	return ""
}

func find(list []metav1.Condition, kind string) *metav1.Condition {
	for i := range list {
		if list[i].Type == kind {
			return &list[i]
		}
	}
	return nil
}

// clip cuts s to limit bytes at the edge of a character and says that it did.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	note := fmt.Sprintf(" … (cut at %d bytes)", limit)
	end := limit - len(note)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + note
}
