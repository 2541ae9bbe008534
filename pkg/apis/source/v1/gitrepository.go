package v1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/pkg/apis/meta"
)

// DefaultGitTimeout is how long one listing or fetch may take where the spec
// does not say; it is the published default of spec.timeout.
const DefaultGitTimeout = 60 * time.Second

// GetConditions gives the conditions of the status.
func (in *GitRepository) GetConditions() []metav1.Condition { return in.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (in *GitRepository) SetConditions(conditions []metav1.Condition) {
	in.Status.Conditions = conditions
}

// GetArtifact gives the artifact of the last revision, nil before the first.
func (in *GitRepository) GetArtifact() *meta.Artifact { return in.Status.Artifact }

// GetInterval gives how often the repository is asked for a new revision; zero
// means never by itself.
func (in *GitRepository) GetInterval() time.Duration { return in.Spec.Interval.Or(0) }

// GetTimeout gives how long one listing or fetch may take.
func (in *GitRepository) GetTimeout() time.Duration {
	return in.Spec.Timeout.Or(DefaultGitTimeout)
}

// IsSuspended tells whether the object is to be left alone.
func (in *GitRepository) IsSuspended() bool { return in.Spec.Suspend != nil && *in.Spec.Suspend }

// GetToPath gives the directory that the other artifact is copied to.
func (in *GitRepositoryInclude) GetToPath() string {
	if in.ToPath == nil || *in.ToPath == "" {
		return in.GitRepositoryRef.Name
	}
	return *in.ToPath
}
