package record

import (
	"context"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// All returns all records of a kind by their UIDs, as of one moment. It is for
// kinds whose records are small: one that is in chunks is an error.
func (s *Store) All(ctx context.Context, kind string) (map[string][]byte, error) {
	if err := checkName("kind", kind); err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	prefix := s.heads + kind + "/"
	end := clientv3.GetPrefixRangeEnd(prefix)
	var revision int64
	for from := prefix; ; {
		response, err := s.read(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(listPage), clientv3.WithRev(revision))
		if err != nil {
			return nil, fmt.Errorf("reading records of kind %s: %w", kind, err)
		}
		revision = response.Header.Revision
		for _, kv := range response.Kvs {
			uid := strings.TrimPrefix(string(kv.Key), prefix)
			if all[uid], err = inlineValue(kv.Value); err != nil {
				return nil, fmt.Errorf("reading record %s/%s: %w", kind, uid, err)
			}
		}
		if !response.More {
			return all, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// inlineValue returns what a head holds itself.
func inlineValue(b []byte) ([]byte, error) {
	h, err := decodeHead(b)
	if err != nil {
		return nil, err
	}
	if h.layout != inline {
		return nil, fmt.Errorf("%w: %d bytes where up to %d were expected", ErrTooLarge, h.length, InlineLimit)
	}
	return h.inline, h.verify(h.inline)
}
