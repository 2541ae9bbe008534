package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// logged is a context whose logger writes into the returned buffer.
func logged(t *testing.T, verbosity int) (context.Context, *lockedBuffer) {
	t.Helper()
	buffer := &lockedBuffer{grown: make(chan struct{})}
	sink := funcr.New(func(prefix, args string) { buffer.writeLine(prefix + " " + args) }, funcr.Options{Verbosity: verbosity})
	return klog.NewContext(t.Context(), sink), buffer
}

type lockedBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	grown chan struct{} // closed and replaced with every line
}

func (b *lockedBuffer) writeLine(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.WriteString(line + "\n")
	close(b.grown)
	b.grown = make(chan struct{})
}

// await waits until text has been written.
func (b *lockedBuffer) await(ctx context.Context, text string) error {
	for {
		b.mu.Lock()
		found, grown := bytes.Contains(b.b.Bytes(), []byte(text)), b.grown
		b.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w; written so far:\n%s", text, ctx.Err(), b)
		}
	}
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// run starts a server and closes it with the test.
func run(ctx context.Context, t *testing.T, config Config) *Server {
	t.Helper()
	s, err := Start(ctx, config)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func put(t *testing.T, s *Server, key, value string) {
	t.Helper()
	client, err := s.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Put(t.Context(), key, value); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func get(t *testing.T, s *Server, key string) string {
	t.Helper()
	client, err := s.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	response, err := client.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if len(response.Kvs) == 0 {
		return ""
	}
	return string(response.Kvs[0].Value)
}

// TestRestart stores in a directory, stops, and finds it again, whatever the
// directory is called.
func TestRestart(t *testing.T) {
	tests := map[string]string{
		"plain":      "etcd",
		"too long":   strings.Repeat("long/", 30) + "etcd",
		"characters": "a dir with 100% odd#characters?ä",
	}
	for name, sub := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), sub)
			first, err := Start(t.Context(), Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			put(t, first, "/k", "v")
			if err := first.Close(); err != nil {
				t.Fatalf("Close: %v", err)
			}
			if err := first.Close(); err != nil {
				t.Fatalf("second Close: %v", err)
			}
			if _, ok := <-first.Failed(); ok {
				t.Error("a closed server reports a failure")
			}
			if _, err := os.Stat(filepath.Join(dir, socketName)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left behind: %v", err)
			}

			second := run(t.Context(), t, Config{Dir: dir})
			if got := get(t, second, "/k"); got != "v" {
				t.Errorf("after a restart: got %q, want %q", got, "v")
			}
		})
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t.Context(), t, Config{Dir: dir})
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("directory has mode %o", info.Mode().Perm())
	}
}

// TestOutlivesContext proves that cancelling what started the server does not
// stop it: the API server still writes while it drains.
func TestOutlivesContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := run(ctx, t, Config{Dir: t.TempDir()})
	cancel()
	put(t, s, "/k", "v")
	if got := get(t, s, "/k"); got != "v" {
		t.Errorf("got %q", got)
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	dir := t.TempDir()
	run(t.Context(), t, Config{Dir: dir})
	_, err := Start(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	for _, want := range []string{dir, fmt.Sprintf("process %d", os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q: %v", want, err)
		}
	}
}

// memoryDir is a directory on a file system in memory.
func memoryDir(t *testing.T) string {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &st); err != nil || volatileFilesystem(uint64(uint32(st.Type))) == "" {
		t.Skip("/dev/shm is not in memory here")
	}
	dir, err := os.MkdirTemp("/dev/shm", "leat-etcd-test-")
	if err != nil {
		t.Skipf("cannot write to /dev/shm: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestVolatileDirectory(t *testing.T) {
	dir := memoryDir(t)
	_, err := Start(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrNotPersistent) || !strings.Contains(err.Error(), "tmpfs") {
		t.Fatalf("got %v, want a refusal that names tmpfs", err)
	}
	run(t.Context(), t, Config{Dir: dir, Ephemeral: true})
}

func TestConfigIsChecked(t *testing.T) {
	tests := map[string]struct {
		config Config
		want   string
	}{
		"no directory":    {Config{}, "no directory"},
		"small quota":     {Config{Dir: "x", QuotaBytes: 1 << 20}, "16777216"},
		"negative timing": {Config{Dir: "x", StartTimeout: -1}, "negative"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Start(t.Context(), tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestStartTimeout(t *testing.T) {
	dir := t.TempDir()
	_, err := Start(t.Context(), Config{Dir: dir, StartTimeout: time.Nanosecond})
	if err == nil || !strings.Contains(err.Error(), "not ready after 1ns") {
		t.Fatalf("got %v", err)
	}
	// The directory was given back.
	run(t.Context(), t, Config{Dir: dir})
}

func TestCancelledStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Config{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

// TestFailed stops the member behind the server's back.
func TestFailed(t *testing.T) {
	dir := t.TempDir()
	s := run(t.Context(), t, Config{Dir: dir})
	s.etcd.Server.Stop()
	err, ok := <-s.Failed()
	if !ok || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v (open: %t), want an error that names %s", err, ok, dir)
	}
}

// TestQuietLife proves that a clean life logs nothing at the default verbosity.
func TestQuietLife(t *testing.T) {
	ctx, buffer := logged(t, 0)
	s := run(ctx, t, Config{Dir: t.TempDir()})
	put(t, s, "/k", "v")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if buffer.String() != "" {
		t.Errorf("logged:\n%s", buffer)
	}
}

const crashDirVariable = "LEAT_ETCD_TEST_CRASH_DIR"

// TestMain doubles as the process that TestAcknowledgedPutSurvivesKill kills, and
// as those of TestFullDisk.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirVariable); dir != "" {
		if err := putForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if fullDiskRole() {
		return
	}
	os.Exit(m.Run())
}

// putForever writes one key after another and tells of each when it has been
// acknowledged.
func putForever(dir string) error {
	ctx := context.Background()
	s, err := Start(ctx, Config{Dir: dir})
	if err != nil {
		return err
	}
	client, err := s.NewClient()
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err := client.Put(ctx, fmt.Sprintf("/k/%d", i), fmt.Sprint(i)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func TestAcknowledgedPutSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	for _, puts := range []int{1, 7, 50} {
		t.Run(fmt.Sprint(puts), func(t *testing.T) {
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), crashDirVariable+"="+dir)
			command.Stderr = os.Stderr
			out, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			var last int
			for range puts {
				if _, err := fmt.Fscanln(out, &last); err != nil {
					t.Fatalf("reading from the process: %v", err)
				}
			}
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = command.Wait() // it was killed

			s := run(t.Context(), t, Config{Dir: dir})
			for i := range last + 1 {
				if got := get(t, s, fmt.Sprintf("/k/%d", i)); got != fmt.Sprint(i) {
					t.Fatalf("key %d of %d was acknowledged and is %q now", i, last, got)
				}
			}
		})
	}
}
