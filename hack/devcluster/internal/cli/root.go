package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
)

// directory is the flag --dir, which every command has.
type directory struct{ path string }

// New returns the command devcluster.
func New() *cobra.Command {
	d := &directory{}
	root := &cobra.Command{
		Use:   "devcluster",
		Short: "Run a Kubernetes control plane on this machine, without containers",
		Long: `devcluster runs Kubernetes control planes for development and tests. Each lives
in a directory of its own, which holds its data, its keys, its logs and its
kubeconfig; several run side by side. Nodes and Pods are simulated: Pods become
Ready and Jobs complete, but no container ever runs.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			absolute, err := filepath.Abs(d.path)
			if err != nil || d.path == "" {
				return errors.Join(errors.New("--dir must name the cluster's directory"), err)
			}
			d.path = absolute
			return nil
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVarP(&d.path, "dir", "d", "", "the cluster's directory")
	root.AddCommand(newUp(d), newDown(d), newStatus(d), newUser(d), newRestart(d), newPort(d), newServe(d))
	return root
}

// make creates the cluster's directory. Only its user may enter it.
func (d *directory) make() error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("creating the cluster's directory: %w", err)
	}
	return nil
}

// change keeps other commands that start or stop this cluster out until the
// function returned is called.
func (d *directory) change() (release func(), err error) {
	lock, err := instance.WaitChange(d.path)
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Release() }, nil
}

func newPort(d *directory) *cobra.Command {
	return &cobra.Command{
		Use:   "port NAME",
		Short: "Print a port of this cluster's directory; one that is free is chosen at the first call",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.make(); err != nil {
				return err
			}
			port, err := instance.Port(d.path, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), port)
			return err
		},
	}
}
