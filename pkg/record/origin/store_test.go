package origin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/record"
	"github.com/leat-dev/leat/pkg/record/origin"
)

func TestStore(t *testing.T) {
	server, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err := clientv3.New(clientv3.Config{Endpoints: server.Endpoints(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	s := origin.New(record.New(client, "/test"))
	for _, note := range [][2]types.UID{{"a", "first"}, {"a", "second"}, {"b", "first"}, {"c", "second"}} {
		if err := s.Note(t.Context(), note[0], note[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, gone := range []types.UID{"b", "never-there"} {
		if err := s.Forget(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[types.UID]types.UID{"a": "first", "c": "second"}, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}
