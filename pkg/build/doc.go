// Package build renders objects: a read-only tree, options and variables in,
// objects out, by kustomize.
//
// A build is a pure function of what it is given, and is treated as foreign
// code all the same: kustomize can neither be cancelled nor bounded, keeps
// process-wide state, and fetches what looks like a URL. It runs in a worker
// process (cmd/leat-build) that has no files, network, environment or
// credentials. The worker asks this package for what it needs of the tree, and
// this package answers from the tree, under limits, and records what was asked:
//
//	caller ──Build(tree, options, variables)──► Pool ──► worker process
//	  ▲                                          │ ▲        │ kustomize
//	  └──── Result{objects, inputs, digests} ────┘ └─ reads ─┘
//
// The record (Inputs) also holds what was looked for and not found. As long as
// it is the same in another tree, and options and variables are the same, the
// result is the same and the build need not be done.
//
// The protocol is package protocol, the worker's side package worker, which
// alone imports kustomize. This package imports neither a cluster's client nor
// the API server.
package build
