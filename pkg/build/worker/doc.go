// Package worker is the inside of a build worker: one process of a pool (see
// package build), which runs one build after another with kustomize.
//
// It takes everything from its standard input and gives everything to its
// standard output. Before its first build it gives up the right to anything
// else, as far as the kernel allows: it can open no file or socket and start
// no program (see confine). Independently of that, what kustomize would fetch
// is refused before a build (see walker), and its HTTP transport and its
// search path for git are dead.
//
// A build has these steps:
//
//	root      the kustomization of the path, or a generated one, with the
//	          options merged in: an overlay, the tree is never written to
//	walk      read every kustomization that can be reached, refuse what leads
//	          out of the tree, fetch the files: two round trips a level
//	render    kustomize, over what was fetched
//	finish    substitution and common metadata, object by object
//
// The package is linked into a slim binary: it must import neither a cluster's
// client nor anything of the server.
package worker
