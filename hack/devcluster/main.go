// Command devcluster runs Kubernetes control planes for development and tests
// on one machine, without containers. Called as kubectl, by that name or as
// its first argument, it is kubectl.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/leat-dev/leat/hack/devcluster/internal/cli"
)

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		cli.Kubectl(os.Args)
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "kubectl" {
		cli.Kubectl(os.Args[1:])
		return
	}
	if err := cli.New().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "devcluster:", err)
		os.Exit(1)
	}
}
