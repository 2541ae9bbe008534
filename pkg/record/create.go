package record

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Create stores data as the record of (kind, uid) unless there is one, and
// returns what is there afterwards. Of several that create the same record, one
// wins and all get its data, which is how replicas agree on a value that is made
// once. It may have up to InlineLimit bytes.
func (s *Store) Create(ctx context.Context, kind, uid string, data []byte) ([]byte, error) {
	if err := checkNames(kind, uid); err != nil {
		return nil, err
	}
	if len(data) > InlineLimit {
		return nil, fmt.Errorf("creating record %s/%s: %w: %d bytes, limit %d", kind, uid, ErrTooLarge, len(data), InlineLimit)
	}
	key := s.headKey(kind, uid)
	absent := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	response, err := s.commit(ctx, []clientv3.Cmp{absent}, []clientv3.Op{clientv3.OpPut(key, string(inlineHead(data).encode()))}, nil)
	if err != nil {
		return nil, fmt.Errorf("creating record %s/%s: %w", kind, uid, err)
	}
	if response.Succeeded {
		return data, nil
	}
	return s.Get(ctx, kind, uid)
}
