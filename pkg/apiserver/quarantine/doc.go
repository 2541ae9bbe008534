// Package quarantine finds stored objects whose namespace is not the one that they
// were created in: it is gone, or another one of its name has taken its place.
//
// That happens when a namespace is deleted while the APIServices are gone or
// pointed elsewhere, so that the namespace controller could not ask this server to
// delete what is in it. Such an object belongs to nobody. Acting on it would apply
// one tenant's objects with the rights of the next; deleting it as usual would prune
// what may be the next tenant's. So it is kept from reconciling, and removed without
// pruning.
//
// The decision is a pure function; what follows from it is done once at start, before
// reconciling begins.
package quarantine
