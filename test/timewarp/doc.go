// Package timewarp moves the clocks of another process, for tests of a server that
// cannot be told what time it is: it is the real program, and it asks the kernel.
//
// A Go program asks through the vDSO, a page of code that the kernel maps into each
// process, by a pointer that its runtime keeps. The package puts a few instructions
// into the unused end of that page, which ask the kernel and add an offset, and
// points the runtime to them. The wall clock and the monotonic clock have an offset
// each, as in life:
//
//	what happens                        wall      monotonic
//	somebody sets the clock             jumps     goes on
//	time passes                         moves     moves
//	the machine sleeps, or is migrated  jumps     goes on
//
// It works on Linux on amd64, for processes that the caller may trace.
package timewarp
