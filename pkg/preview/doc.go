// Package preview says what a preview is: what an object would be rendered to,
// and what applying that would change, seen by one caller.
//
// Previews are made by the code that reconciles: the reconciler of a kind,
// stopped after the build or after the plan. They are served by subresources.
// Neither side imports the other; this package is what they share, with the
// parts that do not depend on a kind: how bodies are compared field by field,
// and how values that the caller may not see are masked.
//
// What may be shown of a body is found out by what else there is of the object:
//
//	body                        compared with                        shown is                         by
//	rendered                    rendered without secret values       what is in both                  Reveal
//	live                        both renderings of what is applied   all but where they differ        Conceal
//	dry-run                     live, dry-run without secret values  what is in one of them           Derive
//	dry-run of foreign content  live                                 all but what is hidden there     Shade
//
// It knows nothing of clusters and builds but their results, and nothing of
// requests but who asked.
package preview
