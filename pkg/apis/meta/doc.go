// Package meta holds what the API groups share: references to other objects,
// the artifact of a source, a duration that keeps its spelling, and the names
// of conditions, reasons, annotations and the finalizer.
//
// It is the wire format and nothing else; it imports no other package of Leat.
//
// +k8s:deepcopy-gen=package
// +k8s:openapi-gen=true
// +k8s:openapi-model-package=io.fluxcd.toolkit.meta.v1
package meta
