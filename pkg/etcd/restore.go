package etcd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
	etcdutl "go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
	"k8s.io/utils/clock"
)

const (
	// DefaultRevisionBump is how far a restore moves the revision ahead: further
	// than a server can have come since the snapshot, at ten thousand changes a
	// second for a day.
	DefaultRevisionBump = 1_000_000_000

	// restoringDir is where a restore works. It is in the directory so that the
	// last step is a rename.
	restoringDir = "restoring"
	// replacedFormat names the data that a restore has put aside.
	replacedFormat = memberDir + ".replaced-20060102T150405Z"
)

var (
	// ErrNotEmpty says that a restore would put aside the data of a directory.
	ErrNotEmpty = errors.New("directory holds data already")
	// ErrUnfinishedRestore says that a restore was interrupted after it had put
	// the old data aside.
	ErrUnfinishedRestore = errors.New("a restore was interrupted")
)

// RestoreOptions say what is restored, and how.
type RestoreOptions struct {
	// File is the snapshot, Dir the directory to restore it to.
	File, Dir string
	// Replace allows a directory that holds data. They are kept beside.
	Replace bool
	// RevisionBump moves the revision ahead, DefaultRevisionBump when zero. Clients
	// remember revisions that the snapshot does not know. Were they to come a
	// second time, with other content, a client that resumes would miss it; so
	// they are skipped, and told to be compacted: the client begins anew.
	RevisionBump uint64
	// Prepare looks at the restored data, and may change them, before they are put
	// in place. An error ends the restore and leaves the directory as it was.
	Prepare func(context.Context, *clientv3.Client) error
	// Clock names what is put aside. It is the real clock when nil.
	Clock clock.PassiveClock
}

// Restored tells what a restore did.
type Restored struct {
	Snapshot Snapshot
	// Revision is that of the restored data.
	Revision int64
	// Replaced is where the former data are, empty if there were none.
	Replaced string
}

// Restore makes the data of a directory those of a snapshot. No server may run on
// it. The snapshot is checked, restored beside the data, started once to see that
// it can be, and only then put in place; whatever fails before leaves the directory
// as it was.
func Restore(ctx context.Context, o RestoreOptions) (_ *Restored, err error) {
	if o.RevisionBump == 0 {
		o.RevisionBump = DefaultRevisionBump
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	snapshot, err := CheckSnapshot(o.File)
	if err != nil {
		return nil, err
	}
	dir, err := openDirectory(o.Dir, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	replaced, err := dir.makeWay(o)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(dir.path, restoringDir)
	if err := os.RemoveAll(work); err != nil {
		return nil, fmt.Errorf("removing what an interrupted restore has left: %w", err)
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	restored := &Restored{Snapshot: snapshot, Replaced: replaced}
	if restored.Revision, err = unpack(ctx, o, snapshot, work); err != nil {
		return nil, errors.Join(fmt.Errorf("restoring %s: %w", o.File, err), os.RemoveAll(work))
	}
	if err := dir.install(work, replaced); err != nil {
		return nil, fmt.Errorf("restoring %s: %w", o.File, err)
	}
	return restored, nil
}

// makeWay returns the name for the data that the directory holds, empty if there
// are none, or refuses to replace them.
func (d *directory) makeWay(o RestoreOptions) (string, error) {
	_, err := os.Stat(filepath.Join(d.path, memberDir))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("restoring: %w", err)
	case !o.Replace:
		return "", fmt.Errorf("restoring to %s: %w", d.path, ErrNotEmpty)
	}
	return filepath.Join(d.path, o.Clock.Now().UTC().Format(replacedFormat)), nil
}

// unpack restores the snapshot below work, starts it once, and returns its
// revision.
func unpack(ctx context.Context, o RestoreOptions, snapshot Snapshot, work string) (revision int64, err error) {
	err = etcdutl.NewV3(zap.NewNop()).Restore(etcdutl.RestoreConfig{
		SnapshotPath: o.File, Name: memberName, OutputDataDir: work,
		PeerURLs: []string{peerURL}, InitialCluster: memberName + "=" + peerURL, InitialClusterToken: memberName,
		RevisionBump: o.RevisionBump, MarkCompacted: true,
	})
	if err != nil {
		return 0, err
	}
	// The quota is the server's business: whatever was stored can be restored.
	server, err := Start(ctx, Config{Dir: work, Ephemeral: true, QuotaBytes: DefaultQuotaBytes + 2*snapshot.Bytes})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	// The snapshot may be of a server that was out of space.
	if err := server.Maintain(ctx, o.Clock); err != nil {
		return 0, err
	}
	client, err := server.NewClient()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if o.Prepare != nil {
		if err := o.Prepare(ctx, client); err != nil {
			return 0, err
		}
	}
	response, err := client.Get(ctx, "\x00", clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("reading the restored data: %w", err)
	}
	if least := snapshot.Revision + int64(o.RevisionBump); response.Header.Revision < least {
		return 0, fmt.Errorf("the restored data have revision %d, expected at least %d", response.Header.Revision, least)
	}
	return response.Header.Revision, nil
}

// install puts what was restored in place. Until the first rename the old data are
// in use, after the last one the new ones; in between there is only the directory
// work, and no server starts.
func (d *directory) install(work, replaced string) error {
	fresh, member := filepath.Join(work, memberDir), filepath.Join(d.path, memberDir)
	if err := syncTree(fresh); err != nil {
		return err
	}
	if replaced != "" {
		if err := os.Rename(member, replaced); err != nil {
			return fmt.Errorf("putting the old data aside: %w", err)
		}
	}
	if err := os.Rename(fresh, member); err != nil {
		return fmt.Errorf("putting the restored data in place (the old ones are in %s): %w", replaced, err)
	}
	if err := syncPath(d.path); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// checkRestored refuses a directory between the two renames of install: a server
// would begin there with an empty store.
func (d *directory) checkRestored() error {
	_, member := os.Stat(filepath.Join(d.path, memberDir))
	_, work := os.Stat(filepath.Join(d.path, restoringDir))
	if errors.Is(member, os.ErrNotExist) && work == nil {
		return fmt.Errorf("etcd directory %s: %w: run it again", d.path, ErrUnfinishedRestore)
	}
	return nil
}

// syncTree makes all below root durable.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(path)
	})
}
