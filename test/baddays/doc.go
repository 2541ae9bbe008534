// Package baddays runs a server on days when something that it stands on fails:
// its process, its disk, its clock, its rights, the control plane. Each test has a
// control plane for itself and ends with the same questions: was anything deleted
// that should not be, was it told what is wrong, and did it mend by itself.
package baddays
