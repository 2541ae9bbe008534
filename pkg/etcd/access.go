package etcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// memberDir is the part of the directory that etcd itself writes.
const memberDir = "member"

// answerTimeout is how long a running server may take to answer the first
// request. One that is just starting answers nothing.
const answerTimeout = 15 * time.Second

// ErrNoData says that a directory holds no data of etcd.
var ErrNoData = errors.New("directory holds no data of etcd")

// Access is a way to the data in a directory for as long as one command takes.
type Access struct {
	// Client talks to the server that runs on the directory, or to a member that
	// was started for the while.
	Client *clientv3.Client
	// Running says that it is the former: others use the data at the same time.
	Running bool

	closers []func() error
}

// Open gives access to the data in config.Dir. If a server runs there it is asked
// through its socket; if none does, the member is started in this process, which is
// the only way to read all of the data: the last writes may be in the log alone.
// Nobody else can start on the directory until Close.
func Open(ctx context.Context, config Config) (*Access, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(config.Dir, memberDir)); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("opening %s: %w", config.Dir, ErrNoData)
	} else if err != nil {
		return nil, fmt.Errorf("opening %s: %w", config.Dir, err)
	}
	// What is there already is read wherever it lies.
	config.Ephemeral = true
	server, err := Start(ctx, config)
	if errors.Is(err, ErrInUse) {
		return join(ctx, config.Dir)
	}
	if err != nil {
		return nil, err
	}
	client, err := server.NewClient()
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return &Access{Client: client, closers: []func() error{client.Close, server.Close}}, nil
}

// join connects to the server that runs on dir.
func join(ctx context.Context, dir string) (*Access, error) {
	self, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening etcd directory: %w", err)
	}
	d := &directory{path: dir, self: self}
	socket, err := d.socket()
	if err != nil {
		return nil, errors.Join(err, self.Close())
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"unix://" + socket}, DialTimeout: answerTimeout, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to the etcd in %s: %w", dir, err), self.Close())
	}
	access := &Access{Client: client, Running: true, closers: []func() error{client.Close, self.Close}}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if _, err := client.Status(ctx, client.Endpoints()[0]); err != nil {
		return nil, errors.Join(fmt.Errorf("the server on %s does not answer at its socket (is it just starting?): %w", dir, err), access.Close())
	}
	return access, nil
}

// Connect gives access to an etcd that runs elsewhere.
func Connect(ctx context.Context, config ClientConfig) (*Access, error) {
	client, err := NewClient(config)
	if err != nil {
		return nil, err
	}
	access := &Access{Client: client, Running: true, closers: []func() error{client.Close}}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if _, err := client.Get(ctx, "health"); err != nil {
		return nil, errors.Join(fmt.Errorf("the etcd at %s does not answer: %w", strings.Join(config.Endpoints, ", "), err), access.Close())
	}
	return access, nil
}

// Close ends the access, and the member if it was started for it.
func (a *Access) Close() error {
	var errs []error
	for _, c := range a.closers {
		errs = append(errs, c())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// Defragment gives the space that is free in the database's file back to the disk,
// on each server that the client knows, one after the other. A server answers
// nothing meanwhile. It returns the sizes of the files, added up.
func Defragment(ctx context.Context, client *clientv3.Client) (before, after int64, err error) {
	for _, endpoint := range client.Endpoints() {
		first, err := client.Status(ctx, endpoint)
		if err != nil {
			return before, after, fmt.Errorf("asking %s for its size: %w", endpoint, err)
		}
		if _, err := client.Defragment(ctx, endpoint); err != nil {
			return before, after, fmt.Errorf("defragmenting %s: %w", endpoint, err)
		}
		second, err := client.Status(ctx, endpoint)
		if err != nil {
			return before, after, fmt.Errorf("asking %s for its size: %w", endpoint, err)
		}
		before, after = before+first.DbSize, after+second.DbSize
	}
	return before, after, nil
}
