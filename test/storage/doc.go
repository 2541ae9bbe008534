// Package storage tests the life of what leat-apiserver stores: backup and restore,
// the quota, the move to an external etcd, and the upgrade from the commit before
// this one. It runs the built binary against a control plane of its own and looks at
// what happens in the cluster.
package storage
