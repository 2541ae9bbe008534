// Package target is a cluster to act on. It gives the apply engine
//
//   - requests under any identity, by impersonation headers over one shared
//     transport, within one budget, with 429 and Retry-After honoured;
//   - a map of kinds to resources that learns new custom resources;
//   - a cache of the managed objects, fed by one watch a kind with the owner
//     label as selector, in which each object is reduced to what plans, prunes
//     and health waits ask: identity, owner, a digest of the fields that we
//     manage, and health.
//
// The host cluster is one Target; remote clusters are others. Nothing here
// knows of inventories, runs or statuses, and it must not import k8s.io/apiserver,
// pkg/registry or pkg/reconcilers.
package target
