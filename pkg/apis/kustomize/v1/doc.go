// Package v1 holds the kinds of the group kustomize.toolkit.fluxcd.io: what is
// applied to a cluster. It is the wire format, its defaults and the constants
// that belong to it, and imports nothing of Leat but package meta.
//
// +k8s:deepcopy-gen=package
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.fluxcd.toolkit.kustomize.v1
// +groupName=kustomize.toolkit.fluxcd.io
package v1
