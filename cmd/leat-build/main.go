// The command leat-build is the worker that leat-apiserver runs builds in. It
// has no use on its own: it speaks to the server over its standard input and
// output.
package main

import (
	"fmt"
	"os"

	"github.com/leat-dev/leat/pkg/build/worker"
)

func main() {
	stderr := os.Stderr // Serve silences the variable
	if err := worker.Serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(stderr, "leat-build:", err)
		os.Exit(1)
	}
}
