// Package supervisor keeps programs running: it starts them, starts them again
// with a growing pause when they end, tells when they are ready, and stops
// them. It must not import the control plane.
package supervisor
