package install

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// uid is whom the image runs as.
const uid = 65532

// container is what a container runtime does, as far as the server can tell: a root
// of its own that cannot be written, a volume, an unprivileged user, and the files
// and variables that lead to the cluster.
type container struct {
	Root, Volume string
	Args, Env    []string

	cmd  *exec.Cmd
	log  string
	port string
	done chan struct{}
}

// containerEnv carries the container to the process that becomes it.
const containerEnv = "LEAT_TEST_CONTAINER"

// becomeContainer makes this process the one in the container, if it was started to
// be that. What it sets up is seen by no other process.
func becomeContainer() {
	text, ok := os.LookupEnv(containerEnv)
	if !ok {
		return
	}
	var c container
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = c.enter()
	}
	fmt.Fprintln(os.Stderr, "entering the container:", err)
	os.Exit(1)
}

// enter does not return unless it fails.
func (c *container) enter() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the mounts of others alone: %w", err)
	}
	if err := syscall.Mount(c.Root, c.Root, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	if err := syscall.Mount("", c.Root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, ""); err != nil {
		return fmt.Errorf("making the root read-only: %w", err)
	}
	for source, target := range map[string]string{c.Volume: "var/lib/leat", "/proc": "proc"} {
		if err := syscall.Mount(source, filepath.Join(c.Root, target), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", source, err)
		}
	}
	if err := syscall.Chroot(c.Root); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := os.WriteFile("/written", nil, 0o600); err == nil {
		return fmt.Errorf("the root can be written")
	}
	if err := syscall.Setgroups(nil); err != nil && os.Getuid() == 0 {
		return fmt.Errorf("dropping groups: %w", err)
	}
	if err := syscall.Setgid(uid); err != nil {
		return fmt.Errorf("changing the group: %w", err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("changing the user: %w", err)
	}
	return fmt.Errorf("starting %s: %w", c.Args[0], syscall.Exec(c.Args[0], c.Args, c.Env))
}

// start starts the container and waits until the server in it is ready.
func (c *container) start(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.cmd = exec.Command(self)
	c.cmd.Env = []string{containerEnv + "=" + string(text)}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("starting a process with mounts of its own: %v", err)
	}
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // its log says how it ended
	}()
	t.Cleanup(func() { c.stop(t) })
	c.awaitReady(t)
}

// stop ends the server in order.
func (c *container) stop(t *testing.T) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(patience):
		_ = c.cmd.Process.Kill()
		<-c.done
		t.Errorf("the server did not stop in %s", patience)
	}
	if t.Failed() {
		t.Logf("log of the server:\n%s", c.logged())
	}
}

func (c *container) awaitReady(t *testing.T) {
	t.Helper()
	client := &http.Client{
		Timeout: 2 * time.Second,
		// As the kubelet's probes do it.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	state := ""
	for {
		resp, err := client.Get("https://127.0.0.1:" + c.port + "/readyz")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			state = string(body)
		}
		select {
		case <-c.done:
			t.Fatalf("the server ended:\n%s", c.logged())
		case <-ctx.Done():
			t.Fatalf("the server is not ready: %v\n%s\n%s", err, state, c.logged())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *container) logged() string {
	text, _ := os.ReadFile(c.log)
	return string(text[max(0, len(text)-8<<10):])
}

// newContainer fills an empty directory with what the image has, and with what a
// cluster adds: the service account's files and the names of hosts.
func newContainer(t *testing.T, projectRoot string, account map[string][]byte) *container {
	t.Helper()
	dir, err := os.MkdirTemp("", "leat-install-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &container{Root: filepath.Join(dir, "root"), Volume: filepath.Join(dir, "volume"), log: filepath.Join(dir, "log")}
	for _, path := range []string{c.Volume, filepath.Join(c.Root, "var/lib/leat"), filepath.Join(c.Root, "proc")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, c.Root, c.Volume} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(c.Volume, uid, uid); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"etc/hosts": []byte("127.0.0.1 localhost\n")}
	for name, content := range account {
		files[filepath.Join("var/run/secrets/kubernetes.io/serviceaccount", name)] = content
	}
	for _, binary := range []string{"leat-apiserver", "leat-build"} {
		content, err := os.ReadFile(filepath.Join(projectRoot, "bin", binary))
		if err != nil {
			t.Fatal(err)
		}
		files[binary] = content
	}
	for name, content := range files {
		path := filepath.Join(c.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// run fills in how the image is run: args and env are those of the manifest.
func (c *container) run(t *testing.T, apiserver string, args, env []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.port = fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	address, err := url.Parse(apiserver)
	if err != nil {
		t.Fatal(err)
	}
	c.Env = append(env, "KUBERNETES_SERVICE_HOST="+address.Hostname(), "KUBERNETES_SERVICE_PORT="+address.Port(), "HOSTNAME=leat-apiserver-0")
	c.Args = append([]string{"/leat-apiserver"}, args...)
	// A machine has one loopback address for all clusters, and kube-apiserver is
	// not in one of its Pods.
	c.Args = append(c.Args, "--bind-address=127.0.0.1", "--secure-port="+c.port, "--service-external-name=localhost")
	if strings.HasPrefix(c.Volume, os.TempDir()) {
		c.Args = append(c.Args, "--etcd-ephemeral") // that directory may be one in memory
	}
}
