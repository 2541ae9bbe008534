package inventory

import (
	"testing"
	"time"

	"github.com/leat-dev/leat/pkg/apply"
	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/object"
	"github.com/leat-dev/leat/pkg/record"
)

// TestEpochs saves inventories, restores the store (which is to begin an epoch), and
// looks at what the next server makes of them.
func TestEpochs(t *testing.T) {
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := server.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := record.New(client, "/test")
	save := func(s *Store, uid string, unconfirmed bool) {
		t.Helper()
		inv := &apply.Inventory{Entries: []apply.Entry{{Key: object.Key{Kind: "ConfigMap", Name: uid}, Version: "v1"}}, Unconfirmed: unconfirmed}
		if err := s.Save(t.Context(), uid, inv); err != nil {
			t.Fatal(err)
		}
	}
	want := func(s *Store, uid string, entries int, unconfirmed bool) {
		t.Helper()
		inv, err := s.Load(t.Context(), uid)
		if err != nil {
			t.Fatal(err)
		}
		if len(inv.Entries) != entries || inv.Unconfirmed != unconfirmed {
			t.Errorf("inventory of %s: %d entries, unconfirmed %t; want %d, %t", uid, len(inv.Entries), inv.Unconfirmed, entries, unconfirmed)
		}
	}

	never := New(records)
	save(never, "old", false)
	want(never, "old", 1, false)
	want(never, "none", 0, false)

	for range 2 { // the same backup may be restored twice
		if _, err := records.BeginEpoch(t.Context(), time.Now(), "yesterday.db"); err != nil {
			t.Fatal(err)
		}
		restored := New(records)
		want(restored, "old", 1, true)
		want(restored, "none", 0, true)
		save(restored, "failed", true)
		save(restored, "confirmed", false)
		want(restored, "failed", 1, true)
		want(restored, "confirmed", 1, false)
		// After another restart it is the same.
		want(New(records), "failed", 1, true)
		want(New(records), "confirmed", 1, false)
	}
}
