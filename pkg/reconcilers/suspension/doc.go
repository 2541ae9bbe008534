// Package suspension ends suspensions whose time has come. It knows no kind: an
// annotation tells until when an object is suspended, and what it does is set
// spec.suspend to false.
//
// The package must not import pkg/registry, pkg/apiserver or k8s.io/apiserver: it
// meets the subresources that suspend objects in the stored annotation only.
package suspension
