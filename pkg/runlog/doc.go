// Package runlog remembers the runs of objects: line by line for who looks at a
// run now or has just missed it, and in one entry a run for who asks later what
// happened, and who asked for it.
//
//	reconciler, engines ─► Run ─► records, in memory ─► readers (the subresource log)
//	                        │
//	                        └───► entry ─► written behind, in pkg/record (history)
//	API (who changed what) ─► notes ──┘
//
// Records are kept in memory, bounded for each object and for all together. What
// does not fit any more is dropped, the oldest first. A run writes nothing before
// its first stage begins, so a run that finds nothing to do leaves nothing; and one
// that has looked, and found all as it should be, is forgotten when the next begins.
//
// Entries outlive the process. A run hands its entry over and goes on; a second
// later all that an object has gathered is written in one transaction.
//
// Nobody waits for a reader: a reader takes records from where they are kept, and
// one that is so slow that they are gone is told so and ended.
//
// What is written here is shown to whoever may read the object's log. Messages must
// have passed what conditions have to pass: no value of a Secret may be in them.
package runlog
