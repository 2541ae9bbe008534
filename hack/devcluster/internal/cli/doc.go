// Package cli holds the commands of devcluster: those that a person calls, and
// "serve", the daemon that `up` leaves behind.
package cli
