package install

import (
	"os"
	"testing"
	"time"

	"github.com/leat-dev/leat/test/framework"
)

// patience is how long a test waits for what takes seconds at most.
const patience = 90 * time.Second

// cluster is a control plane of its own: what is installed has fixed names.
var cluster *framework.Cluster

func TestMain(m *testing.M) {
	becomeContainer()
	os.Exit(framework.Main(m, framework.Options{Private: true}, &cluster))
}
