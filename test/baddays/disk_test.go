package baddays

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	leatmeta "github.com/leat-dev/leat/pkg/apis/meta"
)

const (
	// big is the size of a file that is too big for what a test leaves free.
	big = 4 << 20
	// room is the size of the file systems of a test that fills them, and free what
	// it leaves free.
	room = 64 << 20
	free = 2 << 20
)

// TestFileTooLarge forbids the server to write big files, which it meets in the
// same way as a disk that is full. It needs no rights of the test.
func TestFileTooLarge(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	a := d.newApp("app", configMaps("1", "one", "two"), appOptions{interval: "2s"})
	limit := func(bytes uint64) {
		if err := unix.Prlimit(d.leat.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
			t.Fatal(err)
		}
	}
	limit(free)
	a.outOfRoom("file too large", func() { limit(unix.RLIM_INFINITY) })
}

// TestDiskFull fills the file system that the copies of repositories are on, and
// then the one of the artifacts.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	unshare := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", t.TempDir())...).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here, which TestFileTooLarge does without: %v: %s", err, out)
	}
	// The data directory is the argument after --data-dir.
	script := fmt.Sprintf(`data=$(echo " $* " | sed 's/.* --data-dir \([^ ]*\) .*/\1/')
for d in git artifacts; do mkdir -p "$data/$d" && mount -t tmpfs -o size=%d tmpfs "$data/$d" || exit 1; done
exec "$@"`, room)
	d := newDay(t, setup{wrap: append(unshare, "sh", "-c", script, "sh")})
	for _, dir := range []string{"git", "artifacts"} {
		a := d.newApp("app-"+dir, configMaps("1", "one", "two"), appOptions{interval: "2s"})
		disk := filepath.Join("/proc", fmt.Sprint(d.leat.PID()), "root", d.leat.DataDir(), dir)
		ballast := filepath.Join(disk, "ballast")
		writeFile(t, ballast, make([]byte, space(t, disk)-free))
		a.outOfRoom("no space left on device", func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// space is how much can be written below a directory.
func space(t *testing.T, dir string) int64 {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// outOfRoom pushes what the server has no room for, until room is made.
func (a *app) outOfRoom(symptom string, makeRoom func()) {
	a.t.Helper()
	before, err := a.source(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	commit := a.push(map[string]string{"one.yaml": configMap("one", "2"), "big.bin": noise(big), "kustomization.yaml": "resources: [one.yaml, two.yaml]\n"})
	ready := a.awaitSource("to say that there is no room", failedWith(symptom))
	if ready.Reason != leatmeta.ArchiveOperationFailedReason || !strings.Contains(ready.Message, "no room") {
		a.t.Errorf("the condition is %s: %s", ready.Reason, ready.Message)
	}
	// What there is goes on being served and applied.
	now, err := a.source(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	if now.Status.Artifact == nil || now.Status.Artifact.Revision != before.Status.Artifact.Revision {
		a.t.Errorf("the artifact is %+v, was %+v", now.Status.Artifact, before.Status.Artifact)
	} else if code, body := a.probe(now.Status.Artifact.URL); code != http.StatusOK {
		a.t.Errorf("the artifact is not served: %d %s", code, body)
	}
	a.awaitApp("to stay ready", succeeded)
	a.kubectl("patch", "configmap", "two", "--namespace="+a.namespace, "--type=merge", `--patch={"data":{"value":"foreign"}}`)
	a.await("drift to be put right", func(context.Context) (bool, string) {
		value := a.value("two")
		return value == "1", value
	})
	a.assertKept()

	makeRoom()
	a.awaitApplied(commit)
	a.awaitSource("to be ready", succeeded)
	if got := a.value("one"); got != "2" {
		a.t.Errorf("after there was room, the object holds %q", got)
	}
	a.assertKept()
}

// noise is text that cannot be compressed much.
func noise(size int) string {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

// TestCorruptArtifact changes what the store has on the disk, under the server that
// runs and then while none does.
func TestCorruptArtifact(t *testing.T) {
	t.Parallel()
	d := newDay(t, setup{})
	a := d.newApp("app", configMaps("undamaged-content", "one", "two"), appOptions{})

	// Without the repository nothing mends, so that there is time to look.
	d.stopGit()
	d.damage("undamaged-content", "UNDAMAGED-CONTENT")
	a.request("after the damage")
	ready := a.awaitApp("to say that the artifact is damaged", func(c metav1.Condition) bool {
		return c.Status == metav1.ConditionFalse && c.Reason == leatmeta.ArtifactFailedReason
	})
	if !strings.Contains(ready.Message, "corrupt") && !strings.Contains(ready.Message, "not in the artifact store") {
		t.Errorf("the condition does not tell of the damage: %s", ready.Message)
	}
	a.awaitSource("to say that it cannot fetch", func(c metav1.Condition) bool { return c.Status == metav1.ConditionFalse })
	if got := a.value("one"); got != "undamaged-content" {
		t.Errorf("damaged content was applied: %q", got)
	}
	a.assertKept()
	d.startGit()
	a.awaitSource("to be ready", succeeded)
	ready = a.awaitApp("to be ready", succeeded)
	t.Logf("mended: %s", ready.Message)
	a.assertKept()

	t.Run("while it is down", func(t *testing.T) {
		d.leat.Kill()
		segments := d.segments()
		for _, file := range segments {
			if err := os.Truncate(file, 100); err != nil {
				t.Fatal(err)
			}
		}
		d.startLeat()
		log, err := d.leat.Log()
		if err != nil || !strings.Contains(log, "Damage in the artifact store was set aside") {
			t.Errorf("the log does not tell of the damage: %v", err)
		}
		for _, file := range segments {
			if _, err := os.Stat(filepath.Join(filepath.Dir(filepath.Dir(file)), "damaged", filepath.Base(file))); err != nil {
				t.Errorf("%s was not set aside: %v", file, err)
			}
		}
		commit := a.push(configMaps("new content", "one"))
		a.request("after the restart")
		a.awaitApplied(commit)
		a.assertKept()
	})
}

// segments are the files that hold content.
func (d *day) segments() []string {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.leat.DataDir(), "artifacts", "segments", "*"))
	if err != nil || len(files) == 0 {
		d.t.Fatalf("there are no segments: %v", err)
	}
	return files
}

// damage replaces text of the same length in the files that hold content.
func (d *day) damage(from, to string) {
	d.t.Helper()
	damaged := 0
	for _, file := range d.segments() {
		content, err := os.ReadFile(file)
		if err != nil {
			d.t.Fatal(err)
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			d.t.Fatal(err)
		}
		for i := strings.Index(string(content), from); i >= 0; i = strings.Index(string(content), from) {
			copy(content[i:], to)
			if _, err := f.WriteAt([]byte(to), int64(i)); err != nil {
				d.t.Fatal(err)
			}
			damaged++
		}
		if err := f.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
	if damaged == 0 {
		d.t.Fatalf("%q is in no segment", from)
	}
}
