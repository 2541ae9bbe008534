package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
)

// downTimeout covers the grace period of the programs and the end of the
// control plane.
const downTimeout = time.Minute

// ownEntries are what devcluster puts into a cluster's directory and --wipe
// takes out of it. The lock files stay, see instance.Lock.Release.
var ownEntries = []string{"etcd", "pki", "run", "logs", "kubeconfig", "ports", "audit-policy.yaml", "devcluster.json"}

func newDown(d *directory) *cobra.Command {
	var wipe bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the cluster and its programs, and wait until they have ended",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(d.path); errors.Is(err, os.ErrNotExist) {
				return nil
			}
			release, err := d.change()
			if err != nil {
				return err
			}
			defer release()
			ctx, cancel := context.WithTimeout(cmd.Context(), downTimeout)
			defer cancel()
			if err := stop(ctx, d.path, cmd.OutOrStdout()); err != nil {
				return err
			}
			if wipe {
				return d.wipe()
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&wipe, "wipe", false, "also delete the cluster's data, keys, ports and logs")
	return cmd
}

// stop ends the daemon of a directory. It is asked first and killed when it
// takes too long.
func stop(ctx context.Context, dir string, out io.Writer) error {
	holder, running, err := instance.Holder(dir)
	if err != nil {
		return err
	}
	if !running {
		_, _ = fmt.Fprintln(out, "cluster is not running")
		return nil
	}
	handle, ok := holder.Open()
	if !ok {
		return nil
	}
	defer func() { _ = handle.Release() }()
	if err := handle.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping process %d: %w", holder.PID, err)
	}
	if err := holder.Wait(ctx); err != nil {
		if err := handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("killing process %d: %w", holder.PID, err)
		}
		_, _ = fmt.Fprintf(out, "cluster was killed (pid %d): it had not stopped after %s\n", holder.PID, downTimeout)
		return holder.Wait(context.WithoutCancel(ctx))
	}
	_, _ = fmt.Fprintf(out, "cluster is stopped (pid %d)\n", holder.PID)
	return nil
}

func (d *directory) wipe() error { return d.delete(ownEntries) }

// remove deletes also the lock files, and the directory when nothing of
// somebody else's is in it. It is for a directory that nobody uses again.
func (d *directory) remove() error {
	if err := d.delete(slices.Concat(ownEntries, instance.LockNames())); err != nil {
		return err
	}
	if err := os.Remove(d.path); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("wiping the cluster's directory: %w", err)
	}
	return nil
}

func (d *directory) delete(names []string) error {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(d.path, name)); err != nil {
			return fmt.Errorf("wiping the cluster's directory: %w", err)
		}
	}
	return nil
}
