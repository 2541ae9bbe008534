package subresource

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	kustomizev1 "github.com/leat-dev/leat/pkg/apis/kustomize/v1"
	leatv1alpha1 "github.com/leat-dev/leat/pkg/apis/leat/v1alpha1"
	"github.com/leat-dev/leat/pkg/apis/meta"
	sourcev1 "github.com/leat-dev/leat/pkg/apis/source/v1"
)

const (
	id    = "2026-11-20T12:00:00.5Z"
	later = "2026-11-20T12:00:00.6Z"
	past  = "2026-11-20T11:00:00Z"
)

func condition(conditionType, status, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: metav1.ConditionStatus(status), Reason: reason, Message: message}
}

func repository(handled, revision string, conditions ...metav1.Condition) *sourcev1.GitRepository {
	o := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "source", Generation: 1}}
	o.Status = sourcev1.GitRepositoryStatus{ObservedGeneration: 1, LastHandledReconcileAt: handled, Conditions: conditions}
	if revision != "" {
		o.Status.Artifact = &meta.Artifact{Revision: revision}
	}
	return o
}

func kustomization(handled, attempted, applied string, conditions ...metav1.Condition) *kustomizev1.Kustomization {
	o := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", Generation: 1}}
	o.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "source"}
	o.Status = kustomizev1.KustomizationStatus{ObservedGeneration: 1, LastHandledReconcileAt: handled, LastAttemptedRevision: attempted, LastAppliedRevision: applied, Conditions: conditions}
	return o
}

var (
	isReady     = condition("Ready", "True", "Succeeded", "good")
	isFailed    = condition("Ready", "False", "Failed", "bad")
	isUnknown   = condition("Ready", "Unknown", "Progressing", "busy")
	isWorking   = condition("Reconciling", "True", "Progressing", "busy")
	isRetrying  = condition("Reconciling", "True", "ProgressingWithRetry", "later")
	isNotWorkin = condition("Reconciling", "False", "Succeeded", "")
)

func TestAssess(t *testing.T) {
	suspended := repository(past, "r1", isReady)
	suspended.Spec.Suspend = new(true)
	changed := repository(id, "r1", isReady)
	changed.Generation = 2
	tests := map[string]struct {
		source *sourcev1.GitRepository // nil: the object is asked alone
		object *kustomizev1.Kustomization
		only   *sourcev1.GitRepository // asked alone
		want   leatv1alpha1.RequestPhase
		text   string
	}{
		"new object":                         {only: repository("", ""), want: "Queued"},
		"not seen yet":                       {only: repository(past, "r1", isReady), want: "Queued", text: "good"},
		"at work":                            {only: repository(past, "r1", isReady, isWorking), want: "Running", text: "good"},
		"ended well":                         {only: repository(id, "r1", isReady), want: "Succeeded", text: "good"},
		"ended well, says it is not working": {only: repository(id, "r1", isReady, isNotWorkin), want: "Succeeded", text: "good"},
		"a later request was answered":       {only: repository(later, "r1", isReady), want: "Succeeded", text: "good"},
		"answered, and at work again":        {only: repository(id, "r1", isUnknown, isWorking), want: "Running", text: "busy"},
		"ended badly":                        {only: repository(id, "r1", isFailed), want: "Failed", text: "bad"},
		"ended badly, will be tried again":   {only: repository(id, "r1", isFailed, isRetrying), want: "Failed", text: "bad"},
		"handled, without a condition":       {only: repository(id, "r1"), want: "Running"},
		"well, but of an old generation":     {only: changed, want: "Running", text: "good"},
		"suspended meanwhile":                {only: suspended, want: "Suspended", text: "the object was suspended"},

		"source not seen":                {source: repository(past, "r1", isReady), object: kustomization(id, "r1", "r1", isReady), want: "Queued", text: "GitRepository team/source: good"},
		"source at work":                 {source: repository(past, "r1", isWorking), object: kustomization(past, "r1", "r1", isReady), want: "Running", text: "GitRepository team/source"},
		"source failed":                  {source: repository(id, "r1", isFailed), object: kustomization(id, "r1", "r1", isReady), want: "Failed", text: "GitRepository team/source: bad"},
		"source done, object not seen":   {source: repository(id, "r2", isReady), object: kustomization(past, "r1", "r1", isReady), want: "Queued", text: "good"},
		"object done with the old one":   {source: repository(id, "r2", isReady), object: kustomization(id, "r1", "r1", isReady), want: "Running", text: "good"},
		"object failed with the old one": {source: repository(id, "r2", isReady), object: kustomization(id, "r1", "r1", isFailed), want: "Running", text: "bad"},
		"object failed with the new one": {source: repository(id, "r2", isReady), object: kustomization(id, "r2", "r1", isFailed), want: "Failed", text: "bad"},
		"both done":                      {source: repository(id, "r2", isReady), object: kustomization(id, "r2", "r2", isReady), want: "Succeeded", text: "good"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := &waiter{clock: clocktesting.NewFakeClock(time.Unix(1000, 0)), requestID: id}
			if test.source != nil {
				parent := newRepositories()
				w.stamps = append(w.stamps, stamped{ref: reference(parent, test.source), parent: parent, obj: test.source})
			}
			if test.only != nil {
				parent := newRepositories()
				w.stamps = append(w.stamps, stamped{ref: reference(parent, test.only), parent: parent, obj: test.only})
			} else {
				parent := newKustomizations()
				w.stamps = append(w.stamps, stamped{ref: reference(parent, test.object), parent: parent, obj: test.object})
			}
			var got leatv1alpha1.ReconcileRequestStatus
			w.assess(&got)
			if got.Phase != test.want || got.Message != test.text {
				t.Errorf("got %s %q, want %s %q", got.Phase, got.Message, test.want, test.text)
			}
			began, ended := got.Phase != "Queued", final(got.Phase)
			if (got.StartedAt != nil) != began || (got.FinishedAt != nil) != ended {
				t.Errorf("%s: started at %v, finished at %v", got.Phase, got.StartedAt, got.FinishedAt)
			}
		})
	}
}

func TestHandled(t *testing.T) {
	for _, test := range []struct {
		at   string
		want bool
	}{
		{"", false}, {id, true}, {past, false}, {later, true}, {"now", false}, {"2026-11-20T13:00:00.5+01:00", false}, {"2026-11-20T13:00:00.6+01:00", true},
	} {
		if got := handled(test.at, id); got != test.want {
			t.Errorf("handled at %q: %t", test.at, got)
		}
	}
	if !handled("by hand", "by hand") {
		t.Error("equal values that are no times are not taken for handled")
	}
}

func TestTimesAreKept(t *testing.T) {
	parent := newRepositories()
	clock := clocktesting.NewFakeClock(time.Unix(1000, 0))
	w := &waiter{clock: clock, requestID: id, stamps: []stamped{{parent: parent, obj: repository(past, "r1", isWorking)}}}
	var got leatv1alpha1.ReconcileRequestStatus
	w.assess(&got)
	clock.Step(time.Minute)
	w.stamps[0].obj = repository(id, "r1", isReady)
	w.assess(&got)
	want := [2]int64{1000, 1060}
	if diff := cmp.Diff(want, [2]int64{got.StartedAt.Unix(), got.FinishedAt.Unix()}); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}
