// Package instance knows which process runs the cluster of a directory.
//
// A running cluster holds an exclusive lock on the file "lock" in its
// directory, which the kernel drops the moment the process ends, however it
// ends. The file says who holds it: a pid together with the start time that
// the kernel gives for it, so that a pid that was used again is never taken
// for ours. The package also keeps the ports that were chosen for the
// directory. It must not import the control plane.
package instance
