package storage

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/pkg/etcd"
)

// TestBackup takes snapshots in every way, restores one on an empty volume, and has
// every wrong use refused with what to do instead.
func TestBackup(t *testing.T) {
	ns := cluster.Namespace(t)
	newRepository(t, "backup.git")
	l := newLeat(t, "--etcd-ephemeral", "--reconcile=false")
	backups := t.TempDir()
	l.wantRefusal("is --data-dir that of the server", "snapshot", filepath.Join(backups, "nothing.db"))
	l.start()
	apply(t, source(ns, "backup.git"))
	uid := kubectl(t, "get", "--namespace", ns, "gitrepository/repo", "-o", "jsonpath={.metadata.uid}")

	running := filepath.Join(backups, "running.db")
	if out := l.etcd("snapshot", running); !strings.Contains(out, "saved a snapshot of revision") || !strings.Contains(out, "sha256:") {
		t.Errorf("snapshot printed %q", out)
	}
	streamed := []byte(l.etcd("snapshot", "-"))
	if out := l.etcd("defrag"); !strings.Contains(out, "defragmented") {
		t.Errorf("defrag printed %q", out)
	}
	l.wantRefusal("stop the server first", "restore", running, "--replace")
	l.wantRefusal("stop the server first", "mark-restored")
	l.wantRefusal("stop the server first", "migrate", "--to", "https://127.0.0.1:1")
	l.wantRefusal("need --etcd-servers", "snapshot", running, "--etcd-cafile", "ca.crt")
	l.wantRefusal("works on the embedded etcd only", "restore", running, "--etcd-servers", "https://127.0.0.1:1")
	l.wantRefusal("--to must be set", "migrate")
	l.wantRefusal("no such file", "snapshot", filepath.Join(backups, "no", "such", "directory.db"))
	snapshotToAFullDisk(t, l)
	l.stop()

	stopped := filepath.Join(backups, "stopped.db")
	l.etcd("snapshot", stopped)
	for _, file := range []string{running, stopped} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", file, info.Mode().Perm())
		}
	}
	if out := l.etcd("mark-restored"); !strings.Contains(out, "marked as restored") {
		t.Errorf("mark-restored printed %q", out)
	}
	checkDamaged(t, streamed)
	checkWrongFile(t)

	fresh := newLeat(t, "--etcd-ephemeral", "--reconcile=false")
	if _, err := fresh.tryEtcd(streamed, "restore", "-"); err != nil {
		t.Fatal(err)
	}
	fresh.start()
	if got := kubectl(t, "get", "--namespace", ns, "gitrepository/repo", "-o", "jsonpath={.metadata.uid}"); got != uid {
		t.Errorf("after a restore on an empty volume the object has uid %s, want %s", got, uid)
	}
}

// checkDamaged wants snapshots that are not whole refused, and no trace of them.
func checkDamaged(t *testing.T, whole []byte) {
	t.Helper()
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, data := range map[string][]byte{"truncated": whole[:len(whole)/2], "flipped": flipped, "empty": nil, "text": []byte("apiVersion: v1\n")} {
		dir := t.TempDir()
		file := filepath.Join(dir, name+".db")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, "data")
		if _, err := runEtcd(t, nil, "restore", file, "--data-dir", to); err == nil || !strings.Contains(err.Error(), "not an intact snapshot") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := runEtcd(t, data, "restore", "-", "--data-dir", to); err == nil || !strings.Contains(err.Error(), "not an intact snapshot") {
			t.Errorf("%s, from standard input: %v", name, err)
		}
		if entries, err := os.ReadDir(to); err == nil && len(entries) > 0 {
			t.Errorf("%s has left %v", name, entries)
		}
	}
}

// checkWrongFile restores the snapshot of an etcd that is somebody else's.
func checkWrongFile(t *testing.T) {
	t.Helper()
	other, err := etcd.Start(t.Context(), etcd.Config{Dir: t.TempDir(), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	client, err := other.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Put(t.Context(), "/registry/configmaps/default/one", "of kube-apiserver"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "kube.db")
	if _, err := etcd.WriteSnapshot(t.Context(), client, file); err != nil {
		t.Fatal(err)
	}
	if _, err := runEtcd(t, nil, "restore", file, "--data-dir", filepath.Join(dir, "data")); err == nil || !strings.Contains(err.Error(), "is it one of this server?") {
		t.Errorf("a snapshot of another application: %v", err)
	}
}

// snapshotToAFullDisk writes to a file system of 16 KiB. What was there stays.
func snapshotToAFullDisk(t *testing.T, l *leat) {
	t.Helper()
	disk := t.TempDir()
	script := `mount -t tmpfs -o size=16k tmpfs "$1" && echo old >"$1/leat.db" || exit 99
		"$2" etcd snapshot "$1/leat.db" --data-dir "$3" && exit 98
		test "$(cat "$1/leat.db")" = old || exit 97
		test "$(ls -A "$1")" = leat.db || exit 96`
	out, err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", disk, filepath.Join(root, "bin", "leat-apiserver"), l.data()).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) && err != nil || exit != nil && exit.ExitCode() == 99 || strings.Contains(string(out), "unshare") {
		t.Logf("no file system of its own can be mounted here: %v\n%s", err, out)
		return
	}
	if err != nil || !strings.Contains(string(out), "no space left on device") {
		t.Errorf("a snapshot to a full disk: %v\n%s", err, out)
	}
}
