// Package gitserver serves real Git repositories over HTTP on a loopback
// address, for tests and for the demo: git itself answers, through its CGI
// program http-backend, so that what a client sees is what git sends.
//
// Repositories are bare and lie below one directory; every one of them can be
// fetched and pushed to. A test creates them and commits to them without a work
// tree, and can see which requests a client has made.
package gitserver
