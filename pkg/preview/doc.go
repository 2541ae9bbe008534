// Package preview says what a preview is: what an object would be rendered to,
// and what applying that would change, seen by one caller.
//
// Previews are made by the code that reconciles: the reconciler of a kind,
// stopped after the build or after the plan. They are served by subresources.
// Neither side imports the other; this package is what they share, with the
// parts that do not depend on a kind: how bodies are compared field by field,
// and how values that the caller may not see are masked.
package preview
