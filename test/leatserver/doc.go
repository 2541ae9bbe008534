// Package leatserver runs leat-apiserver as a process of its own, for tests and
// benchmarks that treat it as its users do, and sometimes worse: it can be killed
// and started again over the same data.
package leatserver
