package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MinTimeout is the least time that a run gets, whatever the spec says.
const MinTimeout = 30 * time.Second

// GetConditions gives the conditions of the status.
func (in *Kustomization) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *Kustomization) SetConditions(conditions []metav1.Condition) {
	in.Status.Conditions = conditions
}

// GetInterval gives how often everything is compared with the cluster; zero
// means never by itself.
func (in *Kustomization) GetInterval() time.Duration { return in.Spec.Interval.Or(0) }

// GetRetryInterval gives how soon a failed run is tried again.
func (in *Kustomization) GetRetryInterval() time.Duration {
	return in.Spec.RetryInterval.Or(in.GetInterval())
}

// GetTimeout gives how long a run may take.
func (in *Kustomization) GetTimeout() time.Duration {
	return max(in.Spec.Timeout.Or(in.GetInterval()-MinTimeout), MinTimeout)
}

// GetDeletionPolicy gives what becomes of the applied objects when this one is
// deleted.
func (in *Kustomization) GetDeletionPolicy() DeletionPolicy {
	if in.Spec.DeletionPolicy == nil {
		return DeletionPolicyMirrorPrune
	}
	return *in.Spec.DeletionPolicy
}

// IsSuspended tells whether the object is to be left alone.
func (in *Kustomization) IsSuspended() bool { return in.Spec.Suspend != nil && *in.Spec.Suspend }
