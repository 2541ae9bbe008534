// Package version knows which Leat this is.
//
// The version is stamped here and nowhere else. Stamping component-base's
// version, as Kubernetes' own binaries do, would have the API machinery take
// Leat's version for that of Kubernetes and switch off every feature that came
// after it.
package version

// version is set by the linker:
//
//	-X github.com/leat-dev/leat/pkg/version.version=v1.2.3
var version = "v0.0.0-dev"

// Get returns the version that this binary was built as.
func Get() string { return version }
