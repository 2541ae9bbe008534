package framework

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Client is a cluster as one user sees it.
type Client struct {
	// Config connects as the user, without a limit of its own on requests.
	Config *rest.Config
	// Kubeconfig is the path of a file that connects as the user.
	Kubeconfig string

	devcluster string
	cacheDir   string
}

func newClient(devcluster, kubeconfig, cacheDir string) (*Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	config.QPS = -1
	return &Client{Config: config, Kubeconfig: kubeconfig, devcluster: devcluster, cacheDir: cacheDir}, nil
}

// Kubectl runs kubectl as the user. The error says how it ended and holds what
// it printed.
func (c *Client) Kubectl(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	return c.KubectlInput(ctx, "", args...)
}

// KubectlInput runs kubectl with text on its standard input, such as a manifest
// for `apply --filename=-`.
func (c *Client) KubectlInput(ctx context.Context, input string, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd := c.KubectlCommand(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), errOut.String(), fmt.Errorf("kubectl %s: %w\n%s%s", strings.Join(args, " "), err, out.Bytes(), errOut.Bytes())
	}
	return out.String(), errOut.String(), nil
}

// KubectlCommand is kubectl as the user, not started yet, for tests that read
// its output while it runs.
func (c *Client) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.devcluster)
	cmd.Args = append([]string{"kubectl"}, args...)
	// What the person who runs the tests has configured must not matter, nor
	// what kubectl has learnt from another cluster on the same port.
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+c.cacheDir, "KUBECTL_KUBERC=false")
	return cmd
}

// run runs a command and returns its output. The error holds what it printed
// on standard error.
func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		message, _ := io.ReadAll(io.LimitReader(&errOut, 1<<16))
		return out.Bytes(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, message)
	}
	return out.Bytes(), nil
}
