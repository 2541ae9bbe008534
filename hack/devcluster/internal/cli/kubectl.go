package cli

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// Kubectl is kubectl: args are its name and its arguments.
func Kubectl(args []string) {
	// kubectl looks at the arguments of the process in several places.
	os.Args = args
	// Its own command sets the verbosity before flags are parsed, so that what
	// happens until then (plug-ins, kuberc) is logged as asked for. A level
	// that cannot be read is reported when the flags are parsed.
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
