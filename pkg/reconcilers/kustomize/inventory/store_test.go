package inventory

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/record"
)

func TestStore(t *testing.T) {
	ctx := context.Background()
	server, err := etcd.Start(ctx, etcd.Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := record.New(client, "/test")
	s := NewStore(records)

	empty, err := s.Load(ctx, "u1")
	if err != nil || len(empty.Entries) != 0 {
		t.Fatalf("nothing stored: %v, %v", empty, err)
	}
	want := &apply.Inventory{}
	for i := range 20_000 { // more than one request of etcd takes
		want.Entries = append(want.Entries, apply.Entry{
			Key:     object.Key{Group: "apps", Kind: "Deployment", Namespace: "n", Name: fmt.Sprint("d", i)},
			Version: "v1", UID: "x", Desired: "hmac:1", Live: "hmac:2",
		})
	}
	if err := s.Save(ctx, "u1", want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(ctx, "u1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.Delete(ctx, "u1"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(ctx, "u1"); err != nil || len(got.Entries) != 0 {
		t.Errorf("after deletion: %d entries, %v", len(got.Entries), err)
	}

	// What a newer Leat wrote, and what is damaged, must not look empty.
	for _, data := range []string{`{"level":2,"inventory":{"entries":[]}}`, `{"level":1}`, `{`} {
		if err := records.Put(ctx, kind, "u2", []byte(data)); err != nil {
			t.Fatal(err)
		}
		if inv, err := s.Load(ctx, "u2"); err == nil || !strings.Contains(err.Error(), "u2") {
			t.Errorf("%s: loaded %v, error %v", data, inv, err)
		}
	}
}
