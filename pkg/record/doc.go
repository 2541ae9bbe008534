// Package record keeps what Leat writes down for itself: inventories, run
// records, history. Records are bytes under a kind and a UID, in the etcd that
// also holds the objects, but outside what the API can write.
//
// # Layout
//
//	<prefix>/head/<kind>/<uid>                        one key a record
//	<prefix>/chunk/<kind>/<uid>/<generation>/<number> only for large records
//
// A record of up to InlineLimit bytes is in its head, and writing it is one etcd
// transaction: an inventory is written before every run, so this is the case that
// has to be fast. A larger one is cut into chunks, because etcd refuses requests
// of more than 1.5 MiB, and its head names them.
//
// # Atomic replacement
//
// Every large Put has a generation of its own, a random name. Its chunks are
// written first, where nobody looks; then one transaction writes the head, on the
// condition that the first chunk is still there; then the chunks that the former
// head named are deleted. Readers follow the head at one revision of etcd, so
// they see one generation or another and never a mix. Writers do not exclude each
// other: the last head wins.
//
// A crash before the head leaves the old value, a crash after it the new one, and
// in both cases chunks that no head names. Collect removes them. It may run while
// others write: it deletes a generation only if the head is still the one it read,
// and a writer whose chunks were deleted is told so by the condition on its head,
// and starts again.
//
// Every value is read back against the SHA-256 in its head.
//
// The package must not import anything of k8s.io/apiserver, and knows nothing of
// what is in a record.
package record
