// Package election lets one of several servers act, while the others stand by.
//
// A server that stands by answers nothing but probes of its health. The one that
// acts holds a Lease in the host cluster, and marks its Pod with a label that the
// Service selects, so that requests reach it alone. Who loses the lease ends: a
// process that starts anew has no request of the old one under way.
package election
