// Package kubectl holds Leat to what people expect of a built-in API: the real
// kubectl and client-go, through a real kube-apiserver, to the real binary.
//
// What holds for every kind is tested for every kind: a new one is a line in
// kinds_test.go. Its objects are suspended, so that nothing but the test writes
// to them.
package kubectl
