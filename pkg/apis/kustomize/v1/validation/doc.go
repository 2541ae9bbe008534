// Package validation checks of the kinds in kustomize.toolkit.fluxcd.io what
// their published schema cannot say.
package validation
