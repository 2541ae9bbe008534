// Package tree shows what an object manages and what that has led to: its
// inventory, what controllers made of the objects in it, down to Pods, and why
// what is not well is not.
//
//	object ─► inventory ─► Deployment ─► ReplicaSet ─► Pod
//	                    ─► Kustomization ─► its inventory ─► …
//
// The objects of an inventory come from the cache of the target where it has them,
// which costs no request. What controllers made is found by listing a few kinds in
// the namespaces concerned and following owner references.
//
// What is shown is what both the caller and the identity of the object whose
// inventory it is may read. An object of the inventory that one of them may not get
// is shown by name only; what controllers made is left out where one of them may
// not list it.
//
// The package never writes, and holds no state between requests.
package tree
