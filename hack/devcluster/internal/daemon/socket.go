package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
	"github.com/leat-dev/leat/hack/devcluster/internal/supervisor"
)

const (
	socketName     = "control.sock"
	maxMessage     = 1 << 20
	messageTimeout = 10 * time.Second
)

func runDir(dir string) string { return filepath.Join(dir, "run") }
func logDir(dir string) string { return filepath.Join(dir, "logs") }

// Status is the daemon's answer about itself.
type Status struct {
	Phase    Phase               `json:"phase"`
	PID      int                 `json:"pid"`
	Config   Config              `json:"config"`
	Started  time.Time           `json:"started"`
	ReadyIn  time.Duration       `json:"readyIn,omitempty"`
	Programs []supervisor.Status `json:"programs,omitempty"`
}

// serve answers on the socket, which lies in a directory of the user alone.
func (d *daemon) serve() (closeSocket func(), err error) {
	if err := os.MkdirAll(runDir(d.dir), 0o700); err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	sockets, err := instance.OpenSocketDir(runDir(d.dir))
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	path := sockets.Path(socketName)
	// What lies there is of a process that was killed: we hold the lock.
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the control socket: %w", err), sockets.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { reply(w, d.status(), nil) })
	mux.HandleFunc("PUT /programs", func(w http.ResponseWriter, r *http.Request) {
		var programs []supervisor.Program
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMessage)).Decode(&programs)
		if err == nil {
			err = d.supervisor.Apply(programs)
		}
		reply(w, nil, err)
	})
	mux.HandleFunc("POST /restart/{name}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, nil, d.supervisor.Restart(r.PathValue("name")))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: messageTimeout}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.Background().Error(err, "Control socket failed")
		}
	}()
	return func() {
		_ = server.Close()
		_ = sockets.Close()
	}, nil
}

func (d *daemon) status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Status{
		Phase: d.phase, PID: os.Getpid(), Config: d.config,
		Started: d.started, ReadyIn: d.readyIn,
		Programs: d.supervisor.Status(),
	}
}

func reply(w http.ResponseWriter, answer any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// Client talks to the daemon of a directory.
type Client struct{ dir string }

// NewClient returns a client for the daemon of the directory.
func NewClient(dir string) *Client { return &Client{dir: dir} }

// Status asks the daemon how it is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// SetPrograms makes the daemon run these programs and no others.
func (c *Client) SetPrograms(ctx context.Context, programs []supervisor.Program) error {
	return c.do(ctx, http.MethodPut, "/programs", programs, nil)
}

// Restart stops a program and starts it again.
func (c *Client) Restart(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPost, "/restart/"+url.PathEscape(name), nil, nil)
}

func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	sockets, err := instance.OpenSocketDir(runDir(c.dir))
	if err != nil {
		return err
	}
	defer func() { _ = sockets.Close() }()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", sockets.Path(socketName))
		},
	}
	reader, writer := io.Pipe()
	go func() { _ = writer.CloseWithError(json.NewEncoder(writer).Encode(body)) }()
	defer func() { _ = reader.Close() }()
	request, err := http.NewRequestWithContext(ctx, method, "http://devcluster"+path, reader)
	if err != nil {
		return fmt.Errorf("asking the daemon: %w", err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("asking the daemon: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	limited := io.LimitReader(response.Body, maxMessage)
	if response.StatusCode >= http.StatusBadRequest {
		message, _ := io.ReadAll(limited)
		return fmt.Errorf("asking the daemon: %s", message)
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(limited).Decode(answer); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}
