// Package install runs the server as artifacts/install and the Dockerfile have it
// run: the same arguments, as an unprivileged user, in a root that holds nothing
// but the binaries and cannot be written, with the rights of the installed service
// account and no others.
package install
