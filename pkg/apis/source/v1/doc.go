// Package v1 holds the kinds of the group source.toolkit.fluxcd.io: where
// manifests come from. It is the wire format, its defaults and the constants
// that belong to it, and imports nothing of Leat but package meta.
//
// +k8s:deepcopy-gen=package
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.fluxcd.toolkit.source.v1
// +groupName=source.toolkit.fluxcd.io
package v1
