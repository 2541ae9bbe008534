package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/leat-dev/leat/hack/devcluster/internal/daemon"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
)

// newServe is the daemon that `up` starts. It is of no use to people.
func newServe(d *directory) *cobra.Command {
	var owner instance.Process
	var ephemeral bool
	cmd := &cobra.Command{
		Use:    "serve",
		Short:  "Run the control plane in the foreground, as configured by the last `up`",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			if owner.PID != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
				go func() {
					defer cancel()
					if err := owner.Wait(ctx); !errors.Is(err, context.Canceled) {
						klog.Background().Info("Stopping because the owner has ended", "pid", owner.PID)
					}
				}()
			}
			err := daemon.Run(klog.NewContext(ctx, klog.Background()), d.path)
			klog.Flush()
			if ephemeral {
				err = errors.Join(err, d.remove())
			}
			return err
		},
	}
	cmd.Flags().IntVar(&owner.PID, "owner-pid", 0, "end when this process ends")
	cmd.Flags().Uint64Var(&owner.StartTime, "owner-start", 0, "the start time of that process, which tells it from others of the same pid")
	cmd.Flags().StringVar(&owner.Boot, "owner-boot", "", "the boot that the start time is about")
	cmd.Flags().BoolVar(&ephemeral, "ephemeral", false, "delete everything at the end")
	return cmd
}

func ownerFlags(p instance.Process) []string {
	return []string{
		fmt.Sprintf("--owner-pid=%d", p.PID),
		fmt.Sprintf("--owner-start=%d", p.StartTime),
		"--owner-boot=" + p.Boot,
	}
}
