// Package space tells, clearly and in every place where people look, that the store
// has no room: in the answer to a write, in /healthz/etcd-space and in metrics.
//
// /readyz and /livez stay as they are. A server without room still answers reads,
// watches and discovery; taken out of service it would stop the deletion of
// namespaces in the whole cluster, and restarted it would have no more room than
// before.
package space
