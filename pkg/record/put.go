package record

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

const (
	// writersPerPut is how many chunks of one value are under way at once:
	// enough that etcd syncs several with one fsync.
	writersPerPut = 4
	// maxAttempts is how often a large value whose chunks vanish is written
	// anew.
	maxAttempts = 5
	// cleanupTimeout bounds the removal of what a failed Put left behind,
	// which goes on after the caller's context has ended. What is still there
	// then is Collect's.
	cleanupTimeout = 5 * time.Second
)

// errVanished says that the chunks of a Put were deleted before its head was
// written.
var errVanished = errors.New("chunks were deleted before the head was written")

// Put writes the record, replacing what was there at once and as a whole. When it
// returns without an error the value has reached the disk.
func (s *Store) Put(ctx context.Context, kind, uid string, data []byte) error {
	if err := checkNames(kind, uid); err != nil {
		return err
	}
	if len(data) > MaxValueBytes {
		return fmt.Errorf("writing record %s/%s: %w: %d bytes, limit %d", kind, uid, ErrTooLarge, len(data), MaxValueBytes)
	}
	put := s.putInline
	if len(data) > InlineLimit {
		put = s.putChunked
	}
	if err := put(ctx, kind, uid, data); err != nil {
		return fmt.Errorf("writing record %s/%s: %w", kind, uid, err)
	}
	return nil
}

// putInline writes a small value in one transaction. Only if the record has
// chunks, of the large value that it replaces, is the old head asked for, and a
// second request sent to delete what it names.
func (s *Store) putInline(ctx context.Context, kind, uid string, data []byte) error {
	key, value := s.headKey(kind, uid), string(inlineHead(data).encode())
	noChunks := clientv3.Compare(clientv3.CreateRevision(s.chunkPrefix(kind, uid)), "=", 0).WithPrefix()
	response, err := s.commit(ctx, []clientv3.Cmp{noChunks},
		[]clientv3.Op{clientv3.OpPut(key, value)},
		[]clientv3.Op{clientv3.OpPut(key, value, clientv3.WithPrevKV())})
	if err != nil || response.Succeeded {
		return err
	}
	s.dropReplaced(ctx, kind, uid, response)
	return nil
}

// putChunked writes a large value.
func (s *Store) putChunked(ctx context.Context, kind, uid string, data []byte) error {
	for range maxAttempts {
		err := s.putGeneration(ctx, kind, uid, data)
		if !errors.Is(err, errVanished) {
			return err
		}
	}
	return fmt.Errorf("%w, %d times", ErrContended, maxAttempts)
}

// putGeneration writes one generation and makes it the record's. It returns
// errVanished if somebody deleted the chunks meanwhile.
func (s *Store) putGeneration(ctx context.Context, kind, uid string, data []byte) (err error) {
	var g generation
	if _, err := rand.Read(g[:]); err != nil {
		return fmt.Errorf("naming a generation: %w", err)
	}
	defer func() {
		if err != nil {
			// Whether the head was written may be unknown here (a timeout),
			// so this asks before it deletes.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
			defer cancel()
			_, _ = s.collectGeneration(ctx, kind, uid, g)
		}
	}()
	first, err := s.putChunks(ctx, s.generationPrefix(kind, uid, g), data)
	if err != nil {
		return err
	}
	// The first chunk was written before all others. Whoever deletes chunks
	// deletes whole generations, so if it is still there, all are.
	intact := clientv3.Compare(clientv3.ModRevision(first.key), "=", first.revision)
	response, err := s.commit(ctx, []clientv3.Cmp{intact},
		[]clientv3.Op{clientv3.OpPut(s.headKey(kind, uid), string(chunkedHead(data, g).encode()), clientv3.WithPrevKV())}, nil)
	switch {
	case err != nil:
		return err
	case !response.Succeeded:
		return errVanished
	}
	s.dropReplaced(ctx, kind, uid, response)
	return nil
}

// chunkAt is a chunk and the revision at which it was written.
type chunkAt struct {
	key      string
	revision int64
}

// putChunks writes the chunks below prefix, the first one before all others, and
// returns the first.
func (s *Store) putChunks(ctx context.Context, prefix string, data []byte) (chunkAt, error) {
	put := func(ctx context.Context, number int) (chunkAt, error) {
		key := fmt.Sprintf("%s%06d", prefix, number)
		from := number * InlineLimit
		chunk := data[from:min(from+InlineLimit, len(data))]
		response, err := s.commit(ctx, nil, []clientv3.Op{clientv3.OpPut(key, string(chunk))}, nil)
		if err != nil {
			return chunkAt{}, fmt.Errorf("chunk %d: %w", number, err)
		}
		return chunkAt{key: key, revision: response.Header.Revision}, nil
	}
	first, err := put(ctx, 0)
	if err != nil {
		return chunkAt{}, err
	}
	group, failing := errgroup.WithContext(ctx)
	group.SetLimit(writersPerPut)
	for number := 1; number*InlineLimit < len(data) && failing.Err() == nil; number++ {
		group.Go(func() error {
			// Not under failing: a request that was given up may still be
			// carried out, after the chunks were removed.
			_, err := put(ctx, number)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return chunkAt{}, err
	}
	return first, context.Cause(ctx)
}

// dropReplaced deletes the chunks of the head that a transaction replaced. The
// new value is in place already, so what fails here is left to Collect.
func (s *Store) dropReplaced(ctx context.Context, kind, uid string, response *clientv3.TxnResponse) {
	previous := response.Responses[0].GetResponsePut().GetPrevKv()
	if previous == nil {
		return
	}
	// What cannot be read names no chunks that could be deleted.
	if h, err := decodeHead(previous.Value); err == nil && h.layout == chunked {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_, _ = s.kv.Delete(ctx, s.generationPrefix(kind, uid, h.generation), clientv3.WithPrefix())
	}
}
