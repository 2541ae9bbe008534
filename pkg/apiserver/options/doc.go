// Package options turns command line flags into a running server. It is the
// only place that knows flags, and the one that opens what lives as long as the
// server does: the embedded etcd, the stores in the data directory, the engines.
package options
