package runtime

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestConditions(t *testing.T) {
	then, now := time.Unix(1000, 0), time.Unix(2000, 5)
	before := []metav1.Condition{
		{Type: "Ready", Status: "True", Reason: "Succeeded", Message: "old", ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(then)},
		{Type: "ArtifactInStorage", Status: "True", Reason: "Succeeded", Message: "kept", ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(then)},
		{Type: "Stalled", Status: "True", Reason: "X", Message: "was", ObservedGeneration: 1, LastTransitionTime: metav1.NewTime(then)},
	}
	cond := func(kind, status, reason, message string, generation int64, at time.Time) metav1.Condition {
		return metav1.Condition{
			Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, Message: message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(at.Truncate(time.Second)),
		}
	}
	kept := cond("ArtifactInStorage", "True", "Succeeded", "kept", 1, then)
	for _, tc := range []struct {
		name string
		do   func(c *Conditions)
		want []metav1.Condition
	}{
		{"progressing", func(c *Conditions) { c.Progressing("p") }, []metav1.Condition{
			cond("Reconciling", "True", "Progressing", "p", 2, now), cond("Ready", "Unknown", "Progressing", "p", 2, now), kept,
		}},
		{"succeeded keeps the time of Ready", func(c *Conditions) { c.Progressing("p"); c.Succeeded("Succeeded", "s") }, []metav1.Condition{
			cond("Ready", "True", "Succeeded", "s", 2, then), kept,
		}},
		{"failed", func(c *Conditions) { c.Failed("BuildFailed", "f") }, []metav1.Condition{
			cond("Reconciling", "True", "ProgressingWithRetry", "f", 2, now), cond("Ready", "False", "BuildFailed", "f", 2, now), kept,
		}},
		{"stalled keeps the time of Stalled", func(c *Conditions) { c.Progressing("p"); c.Stalled("Y", "s") }, []metav1.Condition{
			cond("Stalled", "True", "Y", "s", 2, then), cond("Ready", "False", "Y", "s", 2, now), kept,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewConditions(before, 2, now)
			tc.do(c)
			if diff := cmp.Diff(tc.want, c.List()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if before[0].Message != "old" {
		t.Error("the stored conditions were changed")
	}
}

func TestConditionMessageIsCut(t *testing.T) {
	c := NewConditions(nil, 1, time.Unix(0, 0))
	c.Failed("X", strings.Repeat("ä", maxConditionMessage))
	message := Message(c.List(), "Ready")
	if len(message) > maxConditionMessage || !utf8.ValidString(message) || !strings.HasSuffix(message, "(cut at 32768 bytes)") {
		t.Errorf("%d bytes, ends with %q", len(message), message[len(message)-40:])
	}
}
