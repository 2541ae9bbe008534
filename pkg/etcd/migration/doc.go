// Package migration moves the keys of one etcd to another, which is how a server
// that has outgrown its embedded etcd gets one that several replicas share.
//
// The source must not change meanwhile; with an embedded etcd its lock sees to
// that. What is moved are the bytes of all keys below a prefix: nothing is decoded,
// so objects that are encrypted at rest stay encrypted, and because their keys are
// part of what is authenticated the prefix stays the same.
//
// # Revisions
//
// Clients remember the revisions of the source as resource versions. In the target
// every key gets a new one, and none may be lower than what a client has seen, or
// the client would take new state for old. An etcd moves its revision by writing
// only, so the target is written to until its revision has passed the source's;
// then the keys are copied. At the end all before is compacted, so that clients
// which resume are told to begin anew.
//
// # Failures
//
// The first thing that is written is a mark, the last thing that is done is its
// removal. Every write is conditioned on the mark. If a migration fails it removes
// what it wrote; if it is killed, the next one does, and until then a server refuses
// to start on the target. When it has succeeded the source gets a mark of its own,
// and a server refuses to start there: it would go on from what has become old.
//
// The package must not import anything of k8s.io/apiserver.
package migration
