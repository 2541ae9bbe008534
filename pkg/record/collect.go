package record

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Collected says what a collection removed.
type Collected struct {
	// Generations is the number of values that had been written in part, or
	// replaced and not removed; Chunks the number of their chunks.
	Generations, Chunks int
}

// chunkOwner is what a chunk's key says of it.
type chunkOwner struct {
	kind, uid  string
	generation generation
}

// Collect removes the chunks that no head names: what writers left that did not
// live to finish. It is meant to run once at start, and may run while others write.
// A record that cannot be read is left as it is and reported; the others are
// collected all the same.
func (s *Store) Collect(ctx context.Context) (Collected, error) {
	var collected Collected
	owners, err := s.chunkOwners(ctx)
	if err != nil {
		return collected, fmt.Errorf("collecting records: %w", err)
	}
	var errs []error
	for _, o := range owners {
		chunks, err := s.collectGeneration(ctx, o.kind, o.uid, o.generation)
		if err != nil {
			errs = append(errs, fmt.Errorf("collecting record %s/%s: %w", o.kind, o.uid, err))
		}
		if chunks > 0 {
			collected.Generations++
			collected.Chunks += chunks
		}
		if ctx.Err() != nil {
			break
		}
	}
	return collected, errors.Join(errs...)
}

// chunkOwners lists every generation that has chunks.
func (s *Store) chunkOwners(ctx context.Context) ([]chunkOwner, error) {
	var owners []chunkOwner
	err := s.walk(ctx, s.chunks, func(key string) error {
		owner, err := parseChunkKey(strings.TrimPrefix(key, s.chunks))
		if err != nil {
			return err
		}
		// Keys come sorted, so those of one generation follow each other.
		if len(owners) == 0 || owners[len(owners)-1] != owner {
			owners = append(owners, owner)
		}
		return nil
	})
	return owners, err
}

func parseChunkKey(key string) (chunkOwner, error) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 {
		return chunkOwner{}, fmt.Errorf("%w: chunk key %q", ErrCorrupt, key)
	}
	o := chunkOwner{kind: parts[0], uid: parts[1]}
	b, err := hex.DecodeString(parts[2])
	if err != nil || len(b) != generationBytes {
		return chunkOwner{}, fmt.Errorf("%w: chunk key %q", ErrCorrupt, key)
	}
	copy(o.generation[:], b)
	return o, nil
}

// collectGeneration deletes the chunks of a generation unless the record's head
// names it, and returns how many there were. A head that is written between the
// reading and the deletion makes it do nothing: that head may name them.
func (s *Store) collectGeneration(ctx context.Context, kind, uid string, g generation) (int, error) {
	key := s.headKey(kind, uid)
	response, err := s.read(ctx, key)
	if err != nil {
		return 0, err
	}
	var revision int64 // that of no head at all
	if len(response.Kvs) > 0 {
		h, err := decodeHead(response.Kvs[0].Value)
		if err != nil {
			return 0, err
		}
		if h.layout == chunked && h.generation == g {
			return 0, nil
		}
		revision = response.Kvs[0].ModRevision
	}
	unchanged := clientv3.Compare(clientv3.ModRevision(key), "=", revision)
	deleted, err := s.commit(ctx, []clientv3.Cmp{unchanged},
		[]clientv3.Op{clientv3.OpDelete(s.generationPrefix(kind, uid, g), clientv3.WithPrefix())}, nil)
	if err != nil || !deleted.Succeeded {
		return 0, err
	}
	return int(deleted.Responses[0].GetResponseDeleteRange().GetDeleted()), nil
}
