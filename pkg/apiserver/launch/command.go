package launch

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"

	"github.com/leat-dev/leat/pkg/apiserver/options"
	"github.com/leat-dev/leat/pkg/apiserver/storage"
	"github.com/leat-dev/leat/pkg/version"
)

// helpColumns is how wide --help is printed.
const helpColumns = 120

// NewCommand returns the command leat-apiserver. It runs until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	o := options.New()
	logging := logsapi.NewLoggingConfiguration()
	cmd := &cobra.Command{
		Use:   "leat-apiserver",
		Short: "Serve and reconcile GitOps objects as an aggregated API server",
		Long: "leat-apiserver serves the GitOps kinds of Flux as an aggregated API server of a Kubernetes\n" +
			"cluster, keeps them in an etcd of its own, and acts on them.\n\n" +
			"Backup, restore and what else its etcd needs: leat-apiserver etcd --help.",
		Version:           version.Get(),
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return o.ServerRun.ComponentGlobalsRegistry.Set() },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := logsapi.ValidateAndApply(logging, nil); err != nil {
				return fmt.Errorf("setting up logs: %w", err)
			}
			return Run(cmd.Context(), o)
		},
	}
	cmd.SetContext(ctx)

	sections := cliflag.NamedFlagSets{}
	o.AddFlags(&sections)
	logsapi.AddFlags(logging, sections.FlagSet("logs"))
	globalflag.AddGlobalFlags(sections.FlagSet("global"), cmd.Name(), logs.SkipLoggingConfigurationFlags())
	for _, fs := range sections.FlagSets {
		cmd.Flags().AddFlagSet(fs)
	}
	cliflag.SetUsageAndHelpFunc(cmd, sections, helpColumns)
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(storage.NewCommand())
	return cmd
}
