// Package host tests, on a real kube-apiserver, what Leat keeps in the cluster that it
// belongs to: its certificate, its APIServices, and what artifacts/ installs.
package host
