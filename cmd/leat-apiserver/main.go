// Command leat-apiserver is the server of Leat.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"

	"github.com/leat-dev/leat/pkg/apiserver/launch"
)

func main() {
	ctx := genericapiserver.SetupSignalContext()
	os.Exit(cli.Run(launch.NewCommand(ctx)))
}
