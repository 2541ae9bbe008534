// Package launch makes a running server from options. It opens what lives as long
// as the server does: the embedded etcd, the stores in the data directory, the
// engines. It hands these to the registry and to the reconcilers, which do not know
// each other, and closes all of it in the right order.
package launch
