package storage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/test/framework"
)

// buildTimeout is several times what compiling Leat's own packages and linking takes:
// those of others are in the build cache, as they are the same.
const buildTimeout = 15 * time.Minute

// buildPrevious builds the server of the commit before this one, and returns the
// directory with the binaries and the commit.
func buildPrevious(t *testing.T) (dir, commit string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
	defer cancel()
	inRoot := func(command string) (string, error) {
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := inRoot("git rev-parse --verify --quiet HEAD~1")
	if err != nil {
		t.Skipf("there is no commit before this one here (a first commit, a shallow clone, or no Git): %v %s", err, commit)
	}
	tree := t.TempDir()
	// An archive and not a worktree: the repository's own files are not touched.
	if out, err := inRoot(fmt.Sprintf("git archive %s | tar -x -C %s", commit, tree)); err != nil {
		t.Fatalf("unpacking %s: %v\n%s", commit, err, out)
	}
	dir = filepath.Join(tree, "built")
	// With the flags of the Makefile, for its build cache.
	if out, err := inRoot(fmt.Sprintf("cd %s && go build -ldflags '-s -w' -o %s/ ./cmd/leat-apiserver ./cmd/leat-build", tree, dir)); err != nil {
		t.Fatalf("building %s: %v\n%s", commit, err, out)
	}
	return dir, commit
}

// TestUpgrade lets the server of the commit before this one apply something, and goes
// on with this one on the same data: everything is there, nothing is applied again,
// and what leaves the set is pruned.
func TestUpgrade(t *testing.T) {
	previous, commit := buildPrevious(t)
	ns := cluster.Namespace(t)
	repo := newRepository(t, "upgrade.git")
	dir := t.TempDir()
	old := newLeatIn(t, dir, "--etcd-ephemeral", "--build-worker", filepath.Join(previous, "leat-build"))
	// It becomes the previous server, with the same flags.
	old.Wrap("sh", "-c", `shift; exec "$0" "$@"`, filepath.Join(previous, "leat-apiserver"))
	old.start()
	values := map[string]string{"one/stays": "1", "one/goes": "1", "two/second": "1"}
	revision := push(t, repo, values)
	apply(t, source(ns, "upgrade.git")+kustomization(ns, "one", "./one", "")+kustomization(ns, "two", "./two", ", suspend: false"))
	waitApplied(t, ns, revision, "one", "two")
	before, objects := configMaps(t, ns), stored(t, ns)
	old.stop()
	if !strings.Contains(old.log(), "Starting") {
		t.Fatalf("the server of %s has no log", commit)
	}

	current := newLeatIn(t, dir, "--etcd-ephemeral")
	current.start()
	if got := stored(t, ns); got != objects {
		t.Errorf("after the upgrade from %s the objects are\n%s\nand were\n%s", commit, got, objects)
	}
	began := time.Now()
	unchanged(t, ns, before)
	if got := writes(t, ns, began); len(got) > 0 {
		t.Errorf("after the upgrade from %s objects were written that nobody had changed: %v", commit, got)
	}
	delete(values, "one/goes")
	revision = push(t, repo, values)
	fetch(t, ns)
	waitApplied(t, ns, revision, "one", "two")
	if got := names(configMaps(t, ns)); strings.Join(got, " ") != "second stays" {
		t.Errorf("in the cluster after the upgrade: %v, want what left the set to be pruned, and nothing else", got)
	}
}

// stored is what identifies the objects of a namespace.
func stored(t *testing.T, ns string) string {
	t.Helper()
	return kubectl(t, "get", "gitrepositories,kustomizations", "--namespace", ns, "-o",
		`jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid} {.metadata.generation} {.metadata.creationTimestamp} {.spec}{"\n"}{end}`)
}

// writes returns the ConfigMaps of a namespace that were written since a moment; dry
// runs do not count.
func writes(t *testing.T, ns string, since time.Time) []string {
	t.Helper()
	requests, err := cluster.AuditRequests(func(r framework.Request) bool {
		reads := r.Verb == "get" || r.Verb == "list" || r.Verb == "watch"
		return r.Namespace == ns && r.Resource == "configmaps" && !reads && !strings.Contains(r.URI, "dryRun=") && r.Received.After(since)
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, r := range requests {
		list = append(list, r.Verb+" "+r.Name)
	}
	return list
}
