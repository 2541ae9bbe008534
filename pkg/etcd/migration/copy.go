package migration

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// page is how many keys one request of a walk returns. Values can have 1.5 MiB
	// each.
	page = 64
	// maxBatchOps and maxBatchBytes bound one transaction: an etcd takes 128
	// operations and 1.5 MiB at most, unless it is told otherwise.
	maxBatchOps   = 100
	maxBatchBytes = 1 << 20
	// reportEvery is after how many keys progress is reported.
	reportEvery = 10_000
)

// walk calls visit with every key below prefix, in order, as of one revision (the
// latest when zero), but for the marks of migrations. It returns the revision.
func walk(ctx context.Context, client *clientv3.Client, prefix string, revision int64, visit func(*mvccpb.KeyValue) error) (int64, error) {
	end := clientv3.GetPrefixRangeEnd(prefix + "/")
	for from := prefix + "/"; ; {
		response, err := client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		if revision == 0 {
			revision = response.Header.Revision
		}
		for _, kv := range response.Kvs {
			if strings.HasPrefix(string(kv.Key), prefix+marksDir) {
				continue
			}
			if err := visit(kv); err != nil {
				return 0, err
			}
		}
		if !response.More {
			return revision, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// copy writes the keys of the source to the target.
func (m *migration) copy(ctx context.Context) error {
	var batch []clientv3.Op
	bytes, keys := 0, 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if _, err := m.commit(ctx, batch...); err != nil {
			return fmt.Errorf("writing to the target: %w", err)
		}
		batch, bytes = batch[:0], 0
		return nil
	}
	_, err := walk(ctx, m.From, m.Prefix, m.source, func(kv *mvccpb.KeyValue) error {
		if kv.Lease != 0 {
			return fmt.Errorf("key %s has a lease, which cannot be moved", kv.Key)
		}
		size := len(kv.Key) + len(kv.Value)
		if len(batch) == maxBatchOps || bytes+size > maxBatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, bytes = append(batch, clientv3.OpPut(string(kv.Key), string(kv.Value))), bytes+size
		if keys++; keys%reportEvery == 0 {
			m.Progress(fmt.Sprintf("%d keys copied", keys))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	return flush()
}

// total is what two sides are compared by.
type total struct {
	keys     int
	bytes    int64
	revision int64
	digest   string
}

// sum reads all keys and values.
func sum(ctx context.Context, client *clientv3.Client, prefix string, revision int64) (t total, err error) {
	h := sha256.New()
	t.revision, err = walk(ctx, client, prefix, revision, func(kv *mvccpb.KeyValue) error {
		var lengths [16]byte
		binary.BigEndian.PutUint64(lengths[:8], uint64(len(kv.Key)))
		binary.BigEndian.PutUint64(lengths[8:], uint64(len(kv.Value)))
		h.Write(lengths[:])
		h.Write(kv.Key)
		h.Write(kv.Value)
		t.keys++
		t.bytes += int64(len(kv.Key) + len(kv.Value))
		return nil
	})
	t.digest = hex.EncodeToString(h.Sum(nil))
	return t, err
}
