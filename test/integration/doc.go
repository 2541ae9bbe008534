// Package integration tests the API of Leat as clients meet it: a server in this
// process, on a real etcd, behind a real kube-apiserver with its aggregator,
// garbage collector and namespace controller.
//
// The server does not reconcile here; what a reconciler would write, the tests
// write. The test binary is one of the few that link the server, which is why
// all tests that need it in their own process are in this package.
package integration
