package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/hack/devcluster/internal/controlplane"
	"github.com/leat-dev/leat/hack/devcluster/internal/daemon"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
)

func newUser(d *directory) *cobra.Command {
	var groups []string
	cmd := &cobra.Command{
		Use:   "user NAME",
		Short: "Print a kubeconfig with a client certificate for a user, who has no rights until they are granted",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.make(); err != nil {
				return err
			}
			port, err := instance.Port(d.path, daemon.APIServerPort)
			if err != nil {
				return err
			}
			keys, err := controlplane.OpenKeys(d.path)
			if err != nil {
				return err
			}
			kubeconfig, err := keys.Kubeconfig("https://127.0.0.1:"+strconv.Itoa(port), args[0], groups...)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s", kubeconfig)
			return err
		},
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "group of the user (repeatable)")
	return cmd
}
