// Package certs gives the server the certificate that it serves with, from an
// authority of its own.
//
// Keys and certificates are in one Secret of the host cluster, and nowhere else.
// Replicas agree through it: each computes what should be in it, writes that on
// condition that nobody was faster, and watches it for what others wrote. A
// certificate is taken into use while the server runs; clients learn of a new
// authority through the bundle in ca.crt, a day before anything is signed by it.
//
// # When the host cluster cannot be reached
//
// The server starts all the same, with a throw-away certificate that nobody trusts,
// is not ready, and takes the real one into use as soon as the host is back. There is
// no copy in the data directory: without the host no caller can be authenticated, so
// a trusted certificate would have nobody to convince, and a second place for the
// keys is one more to keep them from leaking.
//
// Deleting the Secret is the way to a new authority when a key has leaked: the old
// one is not in the new bundle.
//
// Private keys never reach logs or errors: the types that hold them print as
// "REDACTED".
package certs
