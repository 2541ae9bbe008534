// Command gitserver serves the bare Git repositories below a directory over HTTP
// on a loopback address. Anybody who can reach it may fetch and push.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/leat-dev/leat/test/gitserver"
)

func main() {
	dir := flag.String("dir", "", "directory that holds the repositories")
	address := flag.String("address", "127.0.0.1:0", "loopback address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, *dir, *address); err != nil {
		fmt.Fprintln(os.Stderr, "gitserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, address string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("--dir %q is not a directory", dir)
	}
	server, err := gitserver.Start(dir, gitserver.Options{Address: address})
	if err != nil {
		return err
	}
	fmt.Printf("serving %s at %s\n", server.Dir, server.URL(""))
	select {
	case <-ctx.Done():
		return server.Close()
	case err := <-server.Failed():
		return err
	}
}
