package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/leat-dev/leat/pkg/etcd"
)

// server is the one etcd of this package's tests; every test has a prefix of its
// own in it.
var server *etcd.Server

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "leat-record-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	server, err = etcd.Start(context.Background(), etcd.Config{Dir: dir, Ephemeral: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer server.Close()
	return m.Run()
}

// wire sees every request of a client before it is sent, and can refuse it.
type wire struct {
	requests atomic.Int64
	before   func(method string) error
}

func (w *wire) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if w.before != nil {
		if err := w.before(method); err != nil {
			return err
		}
	}
	w.requests.Add(1)
	return invoke(ctx, method, req, reply, cc, options...)
}

// newStore returns a store on a prefix of the test's own, and its wire.
func newStore(t testing.TB) (*Store, *wire) {
	t.Helper()
	w := &wire{}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   server.Endpoints(),
		Logger:      zap.NewNop(), // refused requests are the point of some tests
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(w.intercept)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return New(client, "/"+strings.ReplaceAll(t.Name(), "/", "-")), w
}

// value is n bytes that depend on seed and do not repeat.
func value(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// keys counts what is stored below the store's prefix.
func keys(t *testing.T, s *Store) (heads, chunks int) {
	t.Helper()
	for prefix, n := range map[string]*int{s.heads: &heads, s.chunks: &chunks} {
		response, err := s.kv.Get(t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			t.Fatal(err)
		}
		*n = int(response.Count)
	}
	return heads, chunks
}

func TestPutGet(t *testing.T) {
	s, _ := newStore(t)
	sizes := []int{0, 1, 1000, InlineLimit, InlineLimit + 1, 2 * InlineLimit, 20 << 20, 600, 5 * InlineLimit, 4*InlineLimit - 1}
	for i, size := range sizes {
		want := value(size, uint64(i))
		if err := s.Put(t.Context(), "inventory", "a", want); err != nil {
			t.Fatalf("Put of %d bytes: %v", size, err)
		}
		got, err := s.Get(t.Context(), "inventory", "a")
		if err != nil {
			t.Fatalf("Get of %d bytes: %v", size, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as %d others", size, len(got))
		}
		wantChunks := 0
		if size > InlineLimit {
			wantChunks = (size + InlineLimit - 1) / InlineLimit
		}
		if heads, chunks := keys(t, s); heads != 1 || chunks != wantChunks {
			t.Errorf("after %d bytes: %d heads and %d chunks are stored, want 1 and %d", size, heads, chunks, wantChunks)
		}
	}
}

// TestSmallPutIsOneRequest holds the promise that runs rely on.
func TestSmallPutIsOneRequest(t *testing.T) {
	s, w := newStore(t)
	for _, size := range []int{1, 4 << 10, 256 << 10, InlineLimit} {
		for range 2 { // a new record, then a replacement
			before := w.requests.Load()
			if err := s.Put(t.Context(), "inventory", fmt.Sprint(size), value(size, 1)); err != nil {
				t.Fatal(err)
			}
			if n := w.requests.Load() - before; n != 1 {
				t.Errorf("writing %d bytes took %d requests", size, n)
			}
		}
		before := w.requests.Load()
		if _, err := s.Get(t.Context(), "inventory", fmt.Sprint(size)); err != nil {
			t.Fatal(err)
		}
		if n := w.requests.Load() - before; n != 1 {
			t.Errorf("reading %d bytes took %d requests", size, n)
		}
	}
}

func TestDelete(t *testing.T) {
	s, _ := newStore(t)
	for _, size := range []int{10, 3 * InlineLimit} {
		if err := s.Put(t.Context(), "history", "x", value(size, 1)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Delete(t.Context(), "history", "x"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Get(t.Context(), "history", "x"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "history/x") {
			t.Errorf("got %v, want ErrNotFound that names the record", err)
		}
		if heads, chunks := keys(t, s); heads != 0 || chunks != 0 {
			t.Errorf("%d heads and %d chunks are left", heads, chunks)
		}
	}
}

func TestList(t *testing.T) {
	s, _ := newStore(t)
	var want []string
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(50)
	for i := range listPage + 10 {
		uid := fmt.Sprintf("uid-%05d", i)
		want = append(want, uid)
		group.Go(func() error { return s.Put(ctx, "run", uid, []byte(uid)) })
	}
	// Kinds that begin alike, and large records, must not show.
	group.Go(func() error { return s.Put(ctx, "runs", "other", nil) })
	group.Go(func() error { return s.Put(ctx, "run-x", "other", value(2*InlineLimit, 1)) })
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	got, err := s.List(t.Context(), "run")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("uids (-want +got):\n%s", diff)
	}
	if got, err := s.List(t.Context(), "none"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("listing nothing: %v, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	s, w := newStore(t)
	tests := map[string]struct {
		kind, uid string
		data      []byte
		want      string
	}{
		"empty kind":    {"", "u", nil, "empty kind"},
		"empty uid":     {"k", "", nil, "empty uid"},
		"slash":         {"k", "a/b", nil, "'/' at byte 1"},
		"long uid":      {"k", strings.Repeat("x", 254), nil, "limit of 253"},
		"nul":           {"k\x00", "u", nil, "allowed"},
		"not ascii":     {"k", "ü", nil, "allowed"},
		"large by one":  {"k", "u", make([]byte, MaxValueBytes+1), "67108865 bytes, limit 67108864"},
		"path elements": {"..", "../../x", nil, "'/'"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := s.Put(t.Context(), tt.kind, tt.uid, tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	if n := w.requests.Load(); n != 0 {
		t.Errorf("%d requests were sent for what was to be refused", n)
	}
	if err := s.Put(t.Context(), "k", "u", tests["large by one"].data); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// TestDamageIsSeen changes what is stored behind the store's back.
func TestDamageIsSeen(t *testing.T) {
	s, _ := newStore(t)
	stored := func(t *testing.T, key string) []byte {
		response, err := s.kv.Get(t.Context(), key)
		if err != nil || len(response.Kvs) != 1 {
			t.Fatalf("reading %s: %v", key, err)
		}
		return response.Kvs[0].Value
	}
	firstChunk := func(t *testing.T) string {
		response, err := s.kv.Get(t.Context(), s.chunks, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(1))
		if err != nil || len(response.Kvs) != 1 {
			t.Fatalf("looking for a chunk: %v", err)
		}
		return string(response.Kvs[0].Key)
	}
	flip := func(b []byte, i int) string {
		b = slices.Clone(b)
		b[i] ^= 1
		return string(b)
	}
	tests := map[string]struct {
		size   int
		damage func(t *testing.T) (clientv3.Op, error)
	}{
		"a bit of a small value": {100, func(t *testing.T) (clientv3.Op, error) {
			return clientv3.OpPut(s.headKey("k", "u"), flip(stored(t, s.headKey("k", "u")), 60)), nil
		}},
		"the format": {100, func(t *testing.T) (clientv3.Op, error) {
			return clientv3.OpPut(s.headKey("k", "u"), flip(stored(t, s.headKey("k", "u")), 0)), nil
		}},
		"the layout": {100, func(t *testing.T) (clientv3.Op, error) {
			return clientv3.OpPut(s.headKey("k", "u"), flip(stored(t, s.headKey("k", "u")), 1)), nil
		}},
		"the length": {100, func(t *testing.T) (clientv3.Op, error) {
			return clientv3.OpPut(s.headKey("k", "u"), flip(stored(t, s.headKey("k", "u")), 2)), nil
		}},
		"a short head": {100, func(*testing.T) (clientv3.Op, error) {
			return clientv3.OpPut(s.headKey("k", "u"), "x"), nil
		}},
		"a bit of a chunk": {3 * InlineLimit, func(t *testing.T) (clientv3.Op, error) {
			key := firstChunk(t)
			return clientv3.OpPut(key, flip(stored(t, key), 7)), nil
		}},
		"a chunk": {3 * InlineLimit, func(t *testing.T) (clientv3.Op, error) {
			return clientv3.OpDelete(firstChunk(t)), nil
		}},
		"a chunk too many": {3 * InlineLimit, func(t *testing.T) (clientv3.Op, error) {
			return clientv3.OpPut(strings.TrimSuffix(firstChunk(t), "000000")+"999999", "x"), nil
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := s.Put(t.Context(), "k", "u", value(tt.size, 1)); err != nil {
				t.Fatal(err)
			}
			op, err := tt.damage(t)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.kv.Do(t.Context(), op); err != nil {
				t.Fatal(err)
			}
			if data, err := s.Get(t.Context(), "k", "u"); !errors.Is(err, ErrCorrupt) || data != nil {
				t.Errorf("got %d bytes and %v, want ErrCorrupt alone", len(data), err)
			}
			// It can be written again.
			if err := s.Put(t.Context(), "k", "u", []byte("new")); err != nil {
				t.Fatal(err)
			}
			if data, err := s.Get(t.Context(), "k", "u"); err != nil || string(data) != "new" {
				t.Errorf("after writing again: %q, %v", data, err)
			}
			if err := s.Delete(t.Context(), "k", "u"); err != nil {
				t.Fatal(err)
			}
		})
	}
}
