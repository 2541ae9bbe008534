// Package daemon is the process behind `devcluster up`: it holds the lock of a
// cluster's directory, runs the control plane and the programs that are given
// to it, and answers questions about them on a Unix socket in the directory.
// It also holds the client's side of that socket.
package daemon
