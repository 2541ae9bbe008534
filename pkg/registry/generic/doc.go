// Package generic is what all kinds share on their way from a request to
// storage: strategies, the store, the status store, columns, selectable fields,
// and the limits that stand in front of etcd.
//
// A kind describes itself with a Kind value and gets the storage of its resource
// and of its status from NewStorage; what is not said in that value is the same
// for all kinds. The strategies keep to what the API server does for custom
// resources, because that is what the users of these kinds are used to.
//
// The package knows no kind, no reconciler and no engine.
package generic
