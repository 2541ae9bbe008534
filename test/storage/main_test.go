package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/test/framework"
	"github.com/leat-dev/leat/test/gitserver"
	"github.com/leat-dev/leat/test/leatserver"
)

// patience is how long a test waits for what normally takes a second. It is
// reached only by a failure.
const patience = 90 * time.Second

// What the tests share. Each starts a server with data of its own.
var (
	root    string
	cluster *framework.Cluster
	git     *gitserver.Server
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "storage:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if root, err = framework.Root(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "leat-storage-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// Leat registers itself for the whole cluster, and deletions are counted.
	if cluster, err = framework.Start(ctx, framework.Options{Private: true}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if git, err = gitserver.Start(dir, gitserver.Options{}); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, git.Close()) }()
	return m.Run(), nil
}

// leat is a server with data of its own.
type leat struct {
	t   *testing.T
	dir string
	*leatserver.Server
}

// newLeat prepares a server. It is stopped when the test ends.
func newLeat(t *testing.T, args ...string) *leat {
	t.Helper()
	return newLeatIn(t, t.TempDir(), args...)
}

func newLeatIn(t *testing.T, dir string, args ...string) *leat {
	t.Helper()
	s, err := leatserver.New(dir, cluster.Kubeconfig, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &leat{t: t, dir: dir, Server: s}
}

// start starts the server and waits until kube-apiserver answers with what it has.
func (l *leat) start() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*patience)
	defer cancel()
	if err := l.Start(ctx); err != nil {
		l.t.Fatal(err)
	}
	if err := leatserver.WaitRegistered(ctx, cluster); err != nil {
		l.t.Fatal(err)
	}
	// That the APIServices are available may be the news of an earlier server.
	eventually(l.t, "the kinds to be served", func() error {
		for _, kinds := range []string{"gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"} {
			if _, err := tryKubectl(l.t, "", "get", kinds, "--all-namespaces"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *leat) stop() {
	l.t.Helper()
	if err := l.Stop(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *leat) data() string { return filepath.Join(l.dir, "data") }

func (l *leat) log() string {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, "leat-apiserver.log"))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

// etcd runs leat-apiserver etcd on the server's data.
func (l *leat) etcd(args ...string) string {
	l.t.Helper()
	out, err := l.tryEtcd(nil, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

func (l *leat) tryEtcd(stdin []byte, args ...string) (string, error) {
	l.t.Helper()
	return runEtcd(l.t, stdin, append(args, "--data-dir", l.data())...)
}

// runEtcd runs leat-apiserver etcd and returns its standard output. The error holds
// what it printed besides.
func runEtcd(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "leat-apiserver"), append([]string{"etcd"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("leat-apiserver etcd %s: %w\n%s", strings.Join(args, " "), err, errOut.String())
	}
	return out.String(), nil
}

// wantRefusal runs leat-apiserver etcd and wants it to fail and to say why.
func (l *leat) wantRefusal(want string, args ...string) {
	l.t.Helper()
	if out, err := l.tryEtcd(nil, args...); err == nil || !strings.Contains(err.Error(), want) {
		l.t.Errorf("etcd %s: %v (printed %q), want a refusal with %q", strings.Join(args, " "), err, out, want)
	}
}

// eventually tries until f succeeds: what it waits for is outside of what a watch
// could tell.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
