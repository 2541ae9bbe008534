package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/apiserver/launch"
	"github.com/leat-dev/leat/pkg/apiserver/options"
)

func TestPrepareOpensNothingWithWrongFlags(t *testing.T) {
	o := options.New()
	o.DataDir = filepath.Join(t.TempDir(), "data")
	o.Concurrent = 0
	if _, err := launch.Prepare(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--concurrent") {
		t.Errorf("got %v, want a refusal of --concurrent", err)
	}
	if _, err := os.Stat(o.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory was made: %v", err)
	}
}

func TestPrepareClosesWhatItOpened(t *testing.T) {
	o := options.New()
	o.DataDir = filepath.Join(t.TempDir(), "data")
	o.EtcdEphemeral = true
	o.Recommended.CoreAPI.CoreAPIKubeconfigPath = filepath.Join(t.TempDir(), "absent")
	// Twice: the second attempt needs the locks of the first.
	for range 2 {
		if _, err := launch.Prepare(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--kubeconfig") {
			t.Fatalf("got %v, want an error about --kubeconfig", err)
		}
	}
}
