// Package validation checks of the kinds in source.toolkit.fluxcd.io what their
// published schema cannot say.
package validation
