// Package etcd runs the etcd that a single replica of leat-apiserver keeps its
// objects in: one member, inside the server's process, reachable through a unix
// socket only.
//
// The directory belongs to one server at a time (a lock says so at once, where
// etcd itself would wait in silence), is readable by its owner only, and must
// survive the process: a file system in memory is refused unless the
// configuration says that the data may be lost. Every acknowledged write has
// been fsynced; there is no switch to turn that off.
//
// # Sockets
//
// There is one socket, <dir>/client.sock. A single member never talks to a peer,
// so no peer listener is opened. The kernel limits the path of a unix socket to
// 107 bytes. Where the directory's path is longer (or holds characters that do
// not survive a gRPC target), the same file is reached through
// /proc/self/fd/<n>/client.sock, n being an open descriptor of the directory:
// nothing is left behind in a temporary directory when the process is killed,
// and no second directory has to be kept private. Only this process can dial
// that form, and only this process has to.
//
// # Upkeep
//
// Compaction is k8s.io/apiserver's: it compacts through each storage transport
// every five minutes, and a second compactor would only fight it. What compaction
// frees stays in the file until it is defragmented, which is done here.
//
// etcd counts the whole file against the quota. When that is reached it raises an
// alarm, and refuses every write until the alarm is taken back, which is an
// operator's work. Here it is done without one: history is dropped, the file is
// defragmented and the alarm taken back, within seconds, if what is alive leaves
// room.
//
// # Backup
//
// A snapshot is taken from a running member, through its socket also by another
// process, or from one that is started for the while. Restore makes a data
// directory of it whose revisions are higher than any that a client has seen.
//
// The package must not import anything of k8s.io/apiserver.
package etcd
