// Package runtime is what all reconcilers share: when an object runs, how its
// run is bounded, and how the outcome is told.
//
// A Queue holds the keys of one kind. It is fair between namespaces, runs a
// key at most once at a time, and knows why a key waits (its Triggers). A
// Controller takes keys from a queue into a bounded number of slots, survives
// the panics of a run, and retries what failed. Edges turn the events of
// upstream objects (a source, a dependency, a ConfigMap) into triggers of
// their users, so that nothing is polled. Conditions, StatusWriter and Events
// carry the outcome to the object and to the people who look at it.
//
// The package knows no kind and no engine. It must not import pkg/registry,
// k8s.io/apiserver or the engines.
package runtime
