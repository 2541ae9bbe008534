package v1

import "k8s.io/apimachinery/pkg/api/equality"

// SetDefaults_GitRepository marks a status that nothing was written to yet, so
// that nobody takes the object for observed. The other defaults are generated
// from the +default markers.
func SetDefaults_GitRepository(obj *GitRepository) {
	if equality.Semantic.DeepEqual(obj.Status, GitRepositoryStatus{}) {
		obj.Status.ObservedGeneration = -1
	}
}
