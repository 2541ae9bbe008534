// Package origin writes down in which namespace each object was first seen: not by
// the namespace's name, which can be given to another, but by its UID.
//
// It is how a server that was away finds out that a namespace was deleted and made
// again meanwhile, without comparing the clocks of two machines.
//
// It must not import anything of k8s.io/apiserver.
package origin
