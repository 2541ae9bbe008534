// Package runtimetest has the surroundings of a reconciler for tests: the part
// of an API server that reconcilers depend on, its informers, and a recorder of
// events.
//
// The server is small, and behaves: resource versions and generations move as
// they do in Leat, deletion waits for finalizers, a status changes through its
// subresource only, and preconditions are checked. What it does is in force,
// and told to the handlers of its informer, when a call returns.
package runtimetest
