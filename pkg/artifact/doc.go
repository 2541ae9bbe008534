// Package artifact is the content-addressed store between fetching and
// building.
//
// What a source fetched is a Tree: a Merkle tree of directories whose leaves
// are blobs. Blobs and directories are stored once, whatever number of
// revisions and owners refer to them, in append-only segment files: all that
// one ingest adds is one file, made durable with two fsyncs. Consumers read
// trees in place; nothing is ever unpacked.
//
// The tar.gz that Flux's wire format promises is written once for a tree, when
// it is published, and kept as long as a Record refers to it.
//
// Everything in the store is verified against its digest when it is read. What
// fails is reported as a CorruptError and forgotten, so that the next ingest
// of the same content writes it anew.
//
// The package knows nothing of Git, queues, Kubernetes objects or HTTP.
package artifact
