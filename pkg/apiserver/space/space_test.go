package space

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/storage/storagebackend/factory"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"

	"github.com/leat-dev/leat/pkg/etcd"
)

// failing is a storage whose writes end with an error.
type failing struct {
	storage.Interface
	err error
}

func (f failing) Create(context.Context, string, runtime.Object, runtime.Object, uint64) error {
	return f.err
}

func (f failing) Delete(context.Context, string, runtime.Object, *storage.Preconditions, storage.ValidateObjectFunc, runtime.Object, storage.DeleteOptions) error {
	return f.err
}

func (f failing) GuaranteedUpdate(context.Context, string, runtime.Object, bool, *storage.Preconditions, storage.UpdateFunc, runtime.Object) error {
	return f.err
}

// decorated returns what Answers makes of a storage that fails with err.
func decorated(t *testing.T, err error) storage.Interface {
	t.Helper()
	getter := Answers(generic.RESTOptions{Decorator: func(*storagebackend.ConfigForResource, string, func(runtime.Object) (string, error),
		func() runtime.Object, func() runtime.Object, storage.AttrFunc, storage.IndexerFuncs, *cache.Indexers,
	) (storage.Interface, factory.DestroyFunc, error) {
		return failing{err: err}, func() {}, nil
	}}, "buy a disk")
	options, getErr := getter.GetRESTOptions(schema.GroupResource{Group: "example.com", Resource: "things"}, nil)
	if getErr != nil {
		t.Fatal(getErr)
	}
	s, _, getErr := options.Decorator(nil, "", nil, nil, nil, nil, nil, nil)
	if getErr != nil {
		t.Fatal(getErr)
	}
	return s
}

func TestAnswers(t *testing.T) {
	writes := map[string]func(storage.Interface) error{
		"create": func(s storage.Interface) error { return s.Create(t.Context(), "", nil, nil, 0) },
		"delete": func(s storage.Interface) error {
			return s.Delete(t.Context(), "", nil, nil, nil, nil, storage.DeleteOptions{})
		},
		"update": func(s storage.Interface) error {
			return s.GuaranteedUpdate(t.Context(), "", nil, false, nil, nil, nil)
		},
	}
	for verb, write := range writes {
		var status *apierrors.StatusError
		err := write(decorated(t, fmt.Errorf("wrapped: %w", rpctypes.ErrNoSpace)))
		if !errors.As(err, &status) || status.ErrStatus.Code != http.StatusInsufficientStorage || status.ErrStatus.Reason != Reason {
			t.Errorf("%s without room: %v, want a Status of code 507", verb, err)
		} else if message := status.ErrStatus.Message; !strings.Contains(message, verb+" things.example.com") || !strings.Contains(message, "buy a disk") {
			t.Errorf("%s without room: %q", verb, message)
		}
		if status != nil && status.ErrStatus.Details.RetryAfterSeconds != 0 {
			t.Errorf("%s has clients wait for %d s, ten times over", verb, status.ErrStatus.Details.RetryAfterSeconds)
		}
		for _, other := range []error{nil, errors.New("something else"), rpctypes.ErrTimeout} {
			if err := write(decorated(t, other)); !errors.Is(err, other) {
				t.Errorf("%s that fails with %v is answered with %v", verb, other, err)
			}
		}
	}
}

// sizes is an etcd that is as it says.
type sizes etcd.Stats

func (s sizes) Stats() etcd.Stats { return etcd.Stats(s) }

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		stats etcd.Stats
		want  string
	}{
		"room":         {etcd.Stats{QuotaBytes: 100, InUseBytes: 99}, ""},
		"no room":      {etcd.Stats{QuotaBytes: 100, InUseBytes: 99, OutOfSpace: true}, "raise --etcd-quota-backend-bytes"},
		"little disk":  {etcd.Stats{DiskFreeBytes: 7, DiskLow: true}, "7 bytes are left"},
		"neither left": {etcd.Stats{QuotaBytes: 100, OutOfSpace: true, DiskLow: true}, "quota of 100"},
	} {
		err := Check(sizes(tt.stats)).Check(nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	registry := metrics.NewKubeRegistry()
	registry.CustomMustRegister(NewMetrics(sizes{SizeBytes: 3, InUseBytes: 2, QuotaBytes: 4, OutOfSpace: true, DiskFreeBytes: 9, Defragmentations: 5}))
	want := `
# HELP leat_etcd_out_of_space [ALPHA] 1 while the embedded etcd takes no writes because it has reached its quota.
# TYPE leat_etcd_out_of_space gauge
leat_etcd_out_of_space 1
# HELP leat_etcd_defragmentations_total [ALPHA] How often the embedded etcd was defragmented since the start.
# TYPE leat_etcd_defragmentations_total counter
leat_etcd_defragmentations_total 5
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "leat_etcd_out_of_space", "leat_etcd_defragmentations_total"); err != nil {
		t.Error(err)
	}
}
