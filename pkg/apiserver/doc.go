// Package apiserver is the server of Leat's API: the generic API server of
// Kubernetes, with the groups and the hooks that it is given.
//
// The way from flags to a running server is that of every API server. Package
// options knows flags and makes a Config; Config.Complete fills in what follows
// from it; CompletedConfig.New builds the server; Server.Run serves until its
// context ends.
package apiserver
