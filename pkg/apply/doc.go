// Package apply brings a set of rendered objects to a cluster: it plans what
// would change, has the cluster validate all of it before anything is written,
// applies it server-side in stages, prunes what left the set, and waits for
// health.
//
// An Engine acts on one target.Target for many owners at once. It knows neither
// queues nor statuses: a caller gives it a Request and gets a Result or an
// error. What must survive a crash, the inventory, goes through an
// InventoryStore.
//
// It must not import k8s.io/apiserver, pkg/registry or pkg/reconcilers.
package apply
