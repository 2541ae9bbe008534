// Package storage has the commands that look after what leat-apiserver stores:
// leat-apiserver etcd snapshot, restore, defrag, migrate and mark-restored. They use
// the same data directory, etcd and prefix as the server; which of them may be used
// while the server runs is what their help says first.
package storage
