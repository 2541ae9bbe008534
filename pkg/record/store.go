package record

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// requestTimeout bounds each request to etcd: without it, a client waits
	// for a lost server for ever.
	requestTimeout = 30 * time.Second
	// listPage is how many keys one request of a listing returns.
	listPage = 1000
	// readPage is how many chunks one request of a read returns.
	readPage = 8
)

// Store reads and writes records. It is safe for concurrent use, also by several
// processes.
type Store struct {
	kv     clientv3.KV
	heads  string
	chunks string
}

// New returns a store below prefix, an absolute key that nothing else is kept
// under. It does no I/O.
func New(client *clientv3.Client, prefix string) *Store {
	prefix = "/" + strings.Trim(prefix, "/")
	return &Store{kv: client.KV, heads: prefix + "/head/", chunks: prefix + "/chunk/"}
}

func (s *Store) headKey(kind, uid string) string     { return s.heads + kind + "/" + uid }
func (s *Store) chunkPrefix(kind, uid string) string { return s.chunks + kind + "/" + uid + "/" }

func (s *Store) generationPrefix(kind, uid string, g generation) string {
	return s.chunkPrefix(kind, uid) + g.String() + "/"
}

// Get returns the record, or an error that wraps ErrNotFound.
func (s *Store) Get(ctx context.Context, kind, uid string) ([]byte, error) {
	if err := checkNames(kind, uid); err != nil {
		return nil, err
	}
	data, err := s.get(ctx, kind, uid)
	if err != nil {
		return nil, fmt.Errorf("reading record %s/%s: %w", kind, uid, err)
	}
	return data, nil
}

func (s *Store) get(ctx context.Context, kind, uid string) ([]byte, error) {
	for {
		response, err := s.read(ctx, s.headKey(kind, uid))
		if err != nil {
			return nil, err
		}
		if len(response.Kvs) == 0 {
			return nil, ErrNotFound
		}
		h, err := decodeHead(response.Kvs[0].Value)
		if err != nil {
			return nil, err
		}
		data := h.inline
		if h.layout == chunked {
			data, err = s.readChunks(ctx, kind, uid, h, response.Header.Revision)
		}
		if errors.Is(err, rpctypes.ErrCompacted) {
			// Reading took longer than etcd keeps history: begin with the
			// head of today. ctx is what ends this.
			continue
		}
		if err != nil {
			return nil, err
		}
		return data, h.verify(data)
	}
}

// readChunks reads a generation as it was at the revision at which its head was
// read, whatever has happened to it since.
func (s *Store) readChunks(ctx context.Context, kind, uid string, h head, revision int64) ([]byte, error) {
	prefix := s.generationPrefix(kind, uid, h.generation)
	end := clientv3.GetPrefixRangeEnd(prefix)
	data := make([]byte, 0, h.length)
	for from := prefix; ; {
		response, err := s.read(ctx, from, clientv3.WithRange(end), clientv3.WithRev(revision), clientv3.WithLimit(readPage))
		if err != nil {
			return nil, err
		}
		for _, kv := range response.Kvs {
			if int64(len(data)+len(kv.Value)) > h.length {
				return nil, fmt.Errorf("%w: chunks hold more than the %d bytes of the head", ErrCorrupt, h.length)
			}
			data = append(data, kv.Value...)
		}
		if !response.More {
			return data, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// Delete removes the record. That there is none is not an error.
func (s *Store) Delete(ctx context.Context, kind, uid string) error {
	if err := checkNames(kind, uid); err != nil {
		return err
	}
	_, err := s.commit(ctx, nil, []clientv3.Op{
		clientv3.OpDelete(s.headKey(kind, uid)),
		clientv3.OpDelete(s.chunkPrefix(kind, uid), clientv3.WithPrefix()),
	}, nil)
	if err != nil {
		return fmt.Errorf("deleting record %s/%s: %w", kind, uid, err)
	}
	return nil
}

// List returns the UIDs of all records of a kind, sorted.
func (s *Store) List(ctx context.Context, kind string) ([]string, error) {
	if err := checkName("kind", kind); err != nil {
		return nil, err
	}
	prefix := s.heads + kind + "/"
	uids := []string{}
	err := s.walk(ctx, prefix, func(key string) error {
		uids = append(uids, strings.TrimPrefix(key, prefix))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing records of kind %s: %w", kind, err)
	}
	return uids, nil
}

// walk calls visit with every key below prefix, in order, as of one revision.
func (s *Store) walk(ctx context.Context, prefix string, visit func(key string) error) error {
	end := clientv3.GetPrefixRangeEnd(prefix)
	var revision int64
	for from := prefix; ; {
		response, err := s.read(ctx, from, clientv3.WithRange(end), clientv3.WithKeysOnly(), clientv3.WithLimit(listPage), clientv3.WithRev(revision))
		if err != nil {
			return err
		}
		revision = response.Header.Revision
		for _, kv := range response.Kvs {
			if err := visit(string(kv.Key)); err != nil {
				return err
			}
		}
		if !response.More {
			return nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// read is one read request.
func (s *Store) read(ctx context.Context, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	response, err := s.kv.Get(ctx, key, options...)
	return response, because(ctx, err)
}

// commit is one transaction.
func (s *Store) commit(ctx context.Context, conditions []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	response, err := s.kv.Txn(ctx).If(conditions...).Then(then...).Else(otherwise...).Commit()
	return response, because(ctx, err)
}

func withRequestTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, requestTimeout, fmt.Errorf("etcd did not answer within %s", requestTimeout))
}

// because adds to an error of the client what ended its context, which the client
// itself does not tell.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}
