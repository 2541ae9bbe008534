// Package object names what travels between rendering and applying: one
// rendered object with where it came from, and the key that identifies an
// object in a cluster whatever version it is written in.
//
// It knows nothing of trees, clusters or queues, so that every engine can
// import it.
package object
