package migration

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

const (
	// DefaultMaxRevisionGap is how many writes a migration may make to move the
	// target's revision: a quarter of an hour's work at six thousand a second.
	DefaultMaxRevisionGap = 5_000_000
	// writers is how many of them are under way at once. etcd syncs them together.
	writers = 128
	// cleanupTimeout bounds the removal of what a failed migration has written.
	cleanupTimeout = time.Minute
)

var (
	// ErrNotEmpty says that the target holds keys below the prefix.
	ErrNotEmpty = errors.New("the target holds keys below the prefix already")
	// ErrGap says that the target's revision is too far behind the source's.
	ErrGap = errors.New("the target's revision is too far behind")

	errTakenOver = errors.New("somebody else has removed the mark of this migration from the target")
)

// Options say what is moved.
type Options struct {
	// From must not change while it is read.
	From, To *clientv3.Client
	// Prefix begins all keys that are moved.
	Prefix string
	// MaxRevisionGap is DefaultMaxRevisionGap when zero.
	MaxRevisionGap int64
	// Progress is called now and then with what is being done. It may be nil.
	Progress func(string)
}

// Result tells what was moved.
type Result struct {
	Keys  int
	Bytes int64
	// From is the revision of the source, To that of the target.
	From, To int64
	// Digest covers all keys and values, and is the same on both sides.
	Digest string
}

// Run copies the keys and proves that the target holds the same ones. If it fails,
// the target is as it was.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	o.Prefix = normal(o.Prefix)
	if o.Prefix == "/" {
		return nil, errors.New("migrating: no prefix given")
	}
	if o.MaxRevisionGap == 0 {
		o.MaxRevisionGap = DefaultMaxRevisionGap
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	m := &migration{Options: o}
	if err := m.begin(ctx); err != nil {
		return nil, fmt.Errorf("migrating: %w", err)
	}
	result, err := m.run(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrating: %w", err), m.abandon(ctx))
	}
	return result, nil
}

// migration is one on its way.
type migration struct {
	Options
	// id is the value of the mark.
	id string
	// source is the revision at which the source is read.
	source int64
}

func (m *migration) mark() string { return markKey(m.Prefix, unfinished) }

// mine is the condition of every write.
func (m *migration) mine() clientv3.Cmp { return clientv3.Compare(clientv3.Value(m.mark()), "=", m.id) }

// commit writes to the target as long as the migration is the only one.
func (m *migration) commit(ctx context.Context, ops ...clientv3.Op) (int64, error) {
	response, err := m.To.Txn(ctx).If(m.mine()).Then(ops...).Commit()
	if err != nil {
		return 0, err
	}
	if !response.Succeeded {
		return 0, errTakenOver
	}
	return response.Header.Revision, nil
}

// begin looks at both sides, removes what a killed migration has left, and sets
// the mark.
func (m *migration) begin(ctx context.Context) error {
	from, err := m.From.Get(ctx, m.Prefix+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("reading the source: %w", err)
	}
	if from.Count == 0 {
		return fmt.Errorf("the source holds no keys below %s", m.Prefix)
	}
	m.source = from.Header.Revision
	to, err := m.To.Get(ctx, m.Prefix+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("reading the target: %w", err)
	}
	if gap := m.source - to.Header.Revision; gap > m.MaxRevisionGap {
		return fmt.Errorf("%w: it is %d and the source's %d; %d writes would be needed to make it higher, the limit is %d. "+
			"Make the target from a snapshot of the source instead: its members are started from the file by etcdutl snapshot restore --bump-revision and --mark-compacted",
			ErrGap, to.Header.Revision, m.source, gap, m.MaxRevisionGap)
	}
	if to.Count > 0 {
		if err := m.removeRemains(ctx, to.Count); err != nil {
			return err
		}
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("naming the migration: %w", err)
	}
	m.id = hex.EncodeToString(id)
	response, err := m.To.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(m.Prefix+"/"), "=", 0).WithPrefix()).
		Then(clientv3.OpPut(m.mark(), m.id)).Commit()
	if err != nil {
		return fmt.Errorf("marking the target: %w", err)
	}
	if !response.Succeeded {
		return ErrNotEmpty
	}
	return nil
}

// removeRemains empties a target that a migration was killed over.
func (m *migration) removeRemains(ctx context.Context, count int64) error {
	response, err := m.To.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(m.mark()), ">", 0)).
		Then(clientv3.OpDelete(m.Prefix+"/", clientv3.WithPrefix())).Commit()
	if err != nil {
		return fmt.Errorf("removing what an interrupted migration has left: %w", err)
	}
	if !response.Succeeded {
		return fmt.Errorf("%w: %d below %s", ErrNotEmpty, count, m.Prefix)
	}
	m.Progress(fmt.Sprintf("removed %d keys that an interrupted migration had left in the target", count))
	return nil
}

// run does all between the first mark and the removal of it.
func (m *migration) run(ctx context.Context) (*Result, error) {
	if err := m.pad(ctx); err != nil {
		return nil, fmt.Errorf("moving the target's revision beyond %d: %w", m.source, err)
	}
	if err := m.copy(ctx); err != nil {
		return nil, err
	}
	m.Progress("comparing")
	from, err := sum(ctx, m.From, m.Prefix, m.source)
	if err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	to, err := sum(ctx, m.To, m.Prefix, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	if from.digest != to.digest || from.keys != to.keys {
		return nil, fmt.Errorf("the target differs from the source: %d keys of digest %s, want %d of %s", to.keys, to.digest, from.keys, from.digest)
	}
	if _, err := m.To.Compact(ctx, to.revision); err != nil {
		return nil, fmt.Errorf("compacting the target: %w", err)
	}
	// The last thing that can fail: afterwards the target is complete for everybody.
	revision, err := m.commit(ctx, clientv3.OpDelete(m.Prefix+marksDir, clientv3.WithPrefix()))
	if err != nil {
		return nil, fmt.Errorf("removing the mark from the target: %w", err)
	}
	return &Result{Keys: from.keys, Bytes: from.bytes, From: m.source, To: revision, Digest: from.digest}, nil
}

// pad writes to the target until its revision has passed the source's.
func (m *migration) pad(ctx context.Context) error {
	key := markKey(m.Prefix, padding)
	revision, err := m.commit(ctx, clientv3.OpPut(key, ""))
	if err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(m.source - revision + 1)
	if left.Load() <= 0 {
		return nil
	}
	m.Progress(fmt.Sprintf("moving the target's revision from %d beyond %d", revision, m.source))
	group, ctx := errgroup.WithContext(ctx)
	for range writers {
		group.Go(func() error {
			for left.Add(-1) >= 0 {
				if _, err := m.commit(ctx, clientv3.OpPut(key, "")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// abandon removes what was written, as long as nobody else has begun. The context
// of the migration may be what ended it.
func (m *migration) abandon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	_, err := m.commit(ctx, clientv3.OpDelete(m.Prefix+"/", clientv3.WithPrefix()))
	if errors.Is(err, errTakenOver) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("what was copied stays in the target, until the migration is run again: %w", err)
	}
	return nil
}
