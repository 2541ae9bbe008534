package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/leat-dev/leat/hack/devcluster/internal/daemon"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
	"github.com/leat-dev/leat/hack/devcluster/internal/supervisor"
)

func newStatus(d *directory) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how the cluster and its programs are; the exit code is 0 when all are ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, running, err := instance.Holder(d.path)
			if err != nil {
				return err
			}
			if !running {
				return errors.New("cluster is not running")
			}
			status, err := daemon.NewClient(d.path).Status(cmd.Context())
			if err != nil {
				return err
			}
			switch output {
			case "json":
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(status)
			case "":
				err = printStatus(cmd.OutOrStdout(), status)
			default:
				err = fmt.Errorf("--output %q: allowed is json", output)
			}
			if err == nil && (status.Phase != daemon.Ready || !programsReady(status)) {
				err = errors.New(describe(status))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, or a table when empty")
	return cmd
}

func printStatus(out io.Writer, s daemon.Status) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	age := func(t time.Time) string { return duration.HumanDuration(time.Since(t)) }
	_, _ = fmt.Fprintln(w, "NAME\tSTATE\tPID\tRESTARTS\tSINCE\tLAST EXIT")
	_, _ = fmt.Fprintf(w, "control plane\t%s\t%d\t0\t%s\t\n", s.Phase, s.PID, age(s.Started))
	for _, p := range s.Programs {
		pid := "-"
		if p.PID != 0 {
			pid = fmt.Sprint(p.PID)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", p.Name, p.State, pid, p.Restarts, age(p.Since), p.LastExit)
	}
	return w.Flush()
}

func newRestart(d *directory) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "restart NAME",
		Short: "Restart one of the cluster's programs and wait until it is ready",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			client := daemon.NewClient(d.path)
			if err := client.Restart(ctx, args[0]); err != nil {
				return err
			}
			u := &up{directory: d, timeout: timeout}
			_, err := u.wait(ctx, client, nil, func(s daemon.Status) bool {
				for _, p := range s.Programs {
					if p.Name == args[0] {
						return p.State == supervisor.Ready
					}
				}
				return false
			})
			return err
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "how long to wait for readiness")
	return cmd
}
