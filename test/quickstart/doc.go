// Package quickstart does what a newcomer does: `make up`, then the commands of
// the README one by one, with a look at what they print. It runs the scripts that
// the Makefile runs, in a directory of its own.
package quickstart
