package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// What is kept below <prefix>/internal/migration/. None of it is ever copied.
const (
	marksDir = "/internal/migration/"
	// unfinished is in a target that a migration writes to.
	unfinished = "unfinished"
	// moved is in a source whose keys are elsewhere now.
	moved = "moved"
	// padding is written to move the revision.
	padding = "padding"
)

var (
	// ErrUnfinished says that not all keys have arrived yet.
	ErrUnfinished = errors.New("a migration to this etcd has not finished")
	// ErrMoved says that the keys are elsewhere.
	ErrMoved = errors.New("what this etcd held was moved to another one")
)

func normal(prefix string) string { return "/" + strings.Trim(prefix, "/") }

func markKey(prefix, name string) string { return normal(prefix) + marksDir + name }

// departure is what the mark of a source says.
type departure struct {
	To []string  `json:"to"`
	At time.Time `json:"at"`
}

// Check returns an error that wraps ErrUnfinished or ErrMoved if the keys below
// prefix must not be used.
func Check(ctx context.Context, client *clientv3.Client, prefix string) error {
	response, err := client.Get(ctx, normal(prefix)+marksDir, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("looking for marks of a migration: %w", err)
	}
	for _, kv := range response.Kvs {
		switch string(kv.Key) {
		case markKey(prefix, unfinished):
			return fmt.Errorf("%w: run it again, from the start", ErrUnfinished)
		case markKey(prefix, moved):
			var d departure
			if err := json.Unmarshal(kv.Value, &d); err != nil {
				return fmt.Errorf("%w; where to cannot be read: %w", ErrMoved, err)
			}
			return fmt.Errorf("%w at %s, to %s: start the server with --etcd-servers", ErrMoved, d.At.Format(time.RFC3339), strings.Join(d.To, ","))
		}
	}
	return nil
}

// MarkMoved has servers refuse to start on a source.
func MarkMoved(ctx context.Context, client *clientv3.Client, prefix string, to []string, at time.Time) error {
	data, err := json.Marshal(departure{To: to, At: at.UTC().Truncate(time.Second)})
	if err != nil {
		return fmt.Errorf("encoding the mark of a migration: %w", err)
	}
	if _, err := client.Put(ctx, markKey(prefix, moved), string(data)); err != nil {
		return fmt.Errorf("marking the source as moved: %w", err)
	}
	return nil
}

// Unmark removes all marks: whoever restores a backup means to use it.
func Unmark(ctx context.Context, client *clientv3.Client, prefix string) error {
	if _, err := client.Delete(ctx, normal(prefix)+marksDir, clientv3.WithPrefix()); err != nil {
		return fmt.Errorf("removing the marks of a migration: %w", err)
	}
	return nil
}
