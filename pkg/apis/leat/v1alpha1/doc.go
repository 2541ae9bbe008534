// Package v1alpha1 holds the requests and results of Leat's own subresources,
// in the group leat.dev. The group is schema only: it has no collection, its
// types are what the subresources of other groups take and give.
//
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=dev.leat.v1alpha1
// +groupName=leat.dev
package v1alpha1
