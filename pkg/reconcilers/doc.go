// Package reconcilers puts the reconcilers of all kinds together: informers,
// edges between kinds, queues and controllers. It is what the server starts once
// it serves.
//
// A reconciler goes spec → engine → status and meets the rest of the server in
// stored objects only: the package must not import pkg/registry, pkg/apiserver
// or k8s.io/apiserver. Engines are handed in by the wiring.
package reconcilers
