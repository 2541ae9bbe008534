// Package protocol is what a pool of build workers and a worker say to each
// other over the worker's standard input and output.
//
// The pool speaks first (Hello), the worker answers when it is warm (Ready).
// Then, build after build:
//
//	pool                             worker
//	────                             ──────
//	Build{options, variables} ─────►
//	                          ◄───── Read{what it needs of the tree}   any
//	Answer{contents, names}   ─────►                                   number
//	                          ◄───── Done{objects} or Failed{reason}
//
// A message is one frame: four bytes of length, one byte of kind, and a
// payload of length-prefixed fields. Contents of files and rendered objects,
// which are nearly all of the bytes, are carried as they are; only the options
// of a build, which are small and nested, are JSON. Every length is checked
// against what is left of the frame, and the frame against the reader's limit.
//
// The package is linked into the worker: it imports nothing but the standard
// library.
package protocol
