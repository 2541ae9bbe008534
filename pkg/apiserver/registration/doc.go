// Package registration keeps the APIService objects by which kube-apiserver sends
// requests for Leat's groups to Leat.
//
// It watches them and puts right at once what others change, without polling. A
// group that the host cluster serves from CRDs, which means that Flux is installed,
// is left alone unless it is to be adopted: taking it over hides every object that
// is stored there. A refusal is said in readyz, in the log and in an event.
//
// The way out for an operator whose cluster hangs on a server that is gone is to
// delete the APIServices while the server does not run.
//
// It must not import pkg/registry or pkg/reconcilers.
package registration
