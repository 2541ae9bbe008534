// Package e2e drives the binaries as a user would: a control plane with
// leat-apiserver registered in it, a Git server, and kubectl. It links neither
// the server nor the control plane.
//
// Nothing here sleeps for a result: every wait ends at the event that it waits
// for, or fails after a time that is far above what it takes.
package e2e
