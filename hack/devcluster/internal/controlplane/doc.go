// Package controlplane runs a Kubernetes control plane inside the calling
// process: etcd on a Unix socket, kube-apiserver on one loopback port,
// kube-controller-manager and kube-scheduler without a port, and kwok, which
// plays the kubelets of nodes that do not exist.
//
// The commands of these programs cannot be used for that, because each sets up
// the signal handler and the logging of its process; their options are parsed
// from the same flags, and they are run by the functions behind the commands.
// Kubernetes keeps its feature gates, metrics and flags in package variables,
// so a process runs one control plane in its life.
package controlplane
