// Package gitrepository fetches what a GitRepository names into the artifact
// store and tells in its status what is there.
//
// A run whose references did not move costs one listing of references and no
// write at all. The work is done by pkg/source/git and pkg/artifact; the
// package must not import pkg/registry or k8s.io/apiserver.
package gitrepository
