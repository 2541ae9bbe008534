package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/leat-dev/leat/pkg/etcd"
)

const prefix = "/registry/leat.dev"

// side is an etcd of the test's own. before sees its writing requests, and can
// refuse them.
type side struct {
	*clientv3.Client
	before func(n int64) error
	writes atomic.Int64
}

func newSide(t *testing.T) *side {
	t.Helper()
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &side{}
	s.Client, err = clientv3.New(clientv3.Config{
		Endpoints: server.Endpoints(), Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(s.intercept)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *side) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if strings.HasSuffix(method, "/Txn") && s.before != nil {
		if err := s.before(s.writes.Add(1)); err != nil {
			return err
		}
	}
	return invoke(ctx, method, req, reply, cc, options...)
}

func (s *side) put(t *testing.T, key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

// content is all that a side holds.
func (s *side) content(t *testing.T) map[string]string {
	t.Helper()
	response, err := s.Get(t.Context(), "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, kv := range response.Kvs {
		content[string(kv.Key)] = string(kv.Value)
	}
	return content
}

// source holds small keys, large ones, some that were changed often, and some that
// are not to be moved.
func source(t *testing.T) (*side, map[string]string) {
	t.Helper()
	s := newSide(t)
	want := map[string]string{}
	for i := range 300 {
		want[fmt.Sprintf("%s/kind/%03d", prefix, i)] = strings.Repeat("v", i)
	}
	for i := range 4 {
		want[fmt.Sprintf("%s/internal/chunk/%d", prefix, i)] = strings.Repeat("\x00\xff", 256<<10)
	}
	want[prefix+"/large"] = strings.Repeat("l", 1_500_000)
	for key, value := range want {
		s.put(t, key, value)
	}
	for range 200 {
		s.put(t, prefix+"/kind/000", "")
	}
	s.put(t, "compact_rev_key", "1")
	s.put(t, prefix+".other/key", "a neighbour whose prefix begins alike")
	return s, want
}

func TestRun(t *testing.T) {
	from, want := source(t)
	to := newSide(t)
	to.put(t, "/other/tenant", "1")
	var told []string
	result, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix, Progress: func(s string) { told = append(told, s) }})
	if err != nil {
		t.Fatal(err)
	}
	want["/other/tenant"] = "1"
	if diff := cmp.Diff(want, to.content(t)); diff != "" {
		t.Errorf("the target holds (-want +have):\n%s", diff)
	}
	if result.Keys != len(want)-1 || result.Digest == "" || len(told) == 0 {
		t.Errorf("result: %+v, progress: %v", result, told)
	}
	if err := Check(t.Context(), to.Client, prefix); err != nil {
		t.Errorf("the target is not usable: %v", err)
	}
	if err := Check(t.Context(), from.Client, prefix); err != nil {
		t.Errorf("the source is not usable though nobody has marked it: %v", err)
	}
	checkRevisions(t, from, to, result)
}

// checkRevisions proves that no key's revision is one that a client of the source
// may have seen, and that such a client is told to begin anew.
func checkRevisions(t *testing.T, from, to *side, result *Result) {
	t.Helper()
	response, err := from.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	seen := response.Header.Revision
	_, err = walk(t.Context(), to.Client, prefix, 0, func(kv *mvccpb.KeyValue) error {
		if kv.ModRevision <= seen {
			t.Errorf("%s has revision %d in the target, and the source had reached %d", kv.Key, kv.ModRevision, seen)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.From != seen || result.To <= seen {
		t.Errorf("result: %+v, want a target beyond %d", result, seen)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if resumed := <-to.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(seen)); resumed.CompactRevision == 0 {
		t.Errorf("a watch that resumes at revision %d of the source gets %d events, want to be told to begin anew", seen, len(resumed.Events))
	}
}

func TestRefusals(t *testing.T) {
	from, _ := source(t)
	t.Run("a target that holds keys", func(t *testing.T) {
		to := newSide(t)
		to.put(t, prefix+"/kind/mine", "1")
		_, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix})
		if !errors.Is(err, ErrNotEmpty) {
			t.Errorf("got %v, want ErrNotEmpty", err)
		}
		if diff := cmp.Diff(map[string]string{prefix + "/kind/mine": "1"}, to.content(t)); diff != "" {
			t.Errorf("the target was changed (-want +have):\n%s", diff)
		}
	})
	t.Run("a source that holds nothing", func(t *testing.T) {
		to := newSide(t)
		if _, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: "/elsewhere"}); err == nil || !strings.Contains(err.Error(), "/elsewhere") {
			t.Errorf("got %v, want an error that names the prefix", err)
		}
	})
	t.Run("a revision that is too far behind", func(t *testing.T) {
		to := newSide(t)
		_, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix, MaxRevisionGap: 10})
		if !errors.Is(err, ErrGap) || !strings.Contains(err.Error(), "limit is 10") {
			t.Errorf("got %v, want ErrGap with the limit", err)
		}
	})
	t.Run("a lease", func(t *testing.T) {
		leased, to := newSide(t), newSide(t)
		lease, err := leased.Grant(t.Context(), 600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leased.Put(t.Context(), prefix+"/leased", "", clientv3.WithLease(lease.ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), Options{From: leased.Client, To: to.Client, Prefix: prefix}); err == nil || !strings.Contains(err.Error(), prefix+"/leased") {
			t.Errorf("got %v, want an error that names the key", err)
		}
		if content := to.content(t); len(content) != 0 {
			t.Errorf("left in the target: %v", content)
		}
	})
}

// TestFailureLeavesNothing breaks the target at several writes, of the padding and
// of the copying; afterwards it is empty, and the next attempt succeeds.
func TestFailureLeavesNothing(t *testing.T) {
	from, want := source(t)
	for _, at := range []int64{2, 100, 512} {
		to := newSide(t)
		to.before = func(n int64) error {
			if n == at {
				return errors.New("connection reset")
			}
			return nil
		}
		if _, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix}); err == nil {
			t.Fatalf("a failure at write %d went unnoticed (there were %d)", at, to.writes.Load())
		}
		if content := to.content(t); len(content) != 0 {
			t.Errorf("after a failure at write %d the target holds %d keys", at, len(content))
		}
		to.before = nil
		if _, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, to.content(t)); diff != "" {
			t.Errorf("the target holds (-want +have):\n%s", diff)
		}
	}
}

// TestKilledMigration leaves what a killed one would: no server starts on it, and
// the next migration begins anew.
func TestKilledMigration(t *testing.T) {
	from, want := source(t)
	to := newSide(t)
	killed := &migration{Options: Options{From: from.Client, To: to.Client, Prefix: prefix, MaxRevisionGap: DefaultMaxRevisionGap, Progress: func(string) {}}}
	if err := killed.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := killed.copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	to.put(t, prefix+"/kind/999", "of a source that has changed since")
	if err := Check(t.Context(), to.Client, prefix); !errors.Is(err, ErrUnfinished) {
		t.Errorf("got %v, want ErrUnfinished", err)
	}
	if _, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, to.content(t)); diff != "" {
		t.Errorf("the target holds (-want +have):\n%s", diff)
	}
	// The first one was not dead after all.
	if err := killed.copy(t.Context()); !errors.Is(err, errTakenOver) {
		t.Errorf("a migration that was replaced goes on: %v", err)
	}
	if err := killed.abandon(t.Context()); err != nil || len(to.content(t)) != len(want) {
		t.Errorf("a migration that was replaced removes the other's keys: %v", err)
	}
}

func TestMoved(t *testing.T) {
	from, _ := source(t)
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	if err := MarkMoved(t.Context(), from.Client, prefix, []string{"https://etcd.example.com:2379"}, at); err != nil {
		t.Fatal(err)
	}
	err := Check(t.Context(), from.Client, prefix)
	if !errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), "https://etcd.example.com:2379") || !strings.Contains(err.Error(), "2026-11-21T10:00:00Z") {
		t.Errorf("got %v, want ErrMoved with where and when", err)
	}
	// The mark is the source's: a second migration does not take it along.
	to := newSide(t)
	if _, err := Run(t.Context(), Options{From: from.Client, To: to.Client, Prefix: prefix}); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), to.Client, prefix); err != nil {
		t.Errorf("the target is not usable: %v", err)
	}
	if err := Unmark(t.Context(), from.Client, prefix); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), from.Client, prefix); err != nil {
		t.Errorf("after the marks were removed: %v", err)
	}
}

func BenchmarkPad(b *testing.B) {
	server, err := etcd.Start(b.Context(), etcd.Config{Dir: b.TempDir(), Ephemeral: true})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	client, err := server.NewClient()
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	m := &migration{Options: Options{To: client, Prefix: prefix, Progress: func(string) {}}, id: "bench"}
	if _, err := client.Put(b.Context(), m.mark(), m.id); err != nil {
		b.Fatal(err)
	}
	response, err := client.Get(b.Context(), "x")
	if err != nil {
		b.Fatal(err)
	}
	m.source = response.Header.Revision + int64(b.N)
	b.ResetTimer()
	if err := m.pad(b.Context()); err != nil {
		b.Fatal(err)
	}
}
