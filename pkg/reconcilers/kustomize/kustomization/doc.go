// Package kustomization brings what a Kustomization names to the cluster:
// source, build, plan, apply, prune, health, and the status that tells of it.
//
// A run is cheap when nothing is to be done. What the last build read of its
// tree is kept in memory: a new revision in which none of that changed costs a
// comparison of digests and one write of status, and no request to the cluster.
//
// A preview is a run that stops after the build or after the plan, for a caller
// who may not be allowed to see all that a run works with; see Previewer.
//
// The work is done by pkg/build and pkg/apply. The package must not import
// pkg/registry or k8s.io/apiserver.
package kustomization
