package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/hack/devcluster/internal/controlplane"
	"github.com/leat-dev/leat/hack/devcluster/internal/daemon"
	"github.com/leat-dev/leat/hack/devcluster/internal/instance"
	"github.com/leat-dev/leat/hack/devcluster/internal/supervisor"
)

const (
	defaultNodes = 2
	askInterval  = 50 * time.Millisecond
	// logTail is how much of the daemon's log an error shows.
	logTail = 4096
	maxLog  = 32 << 20
)

type up struct {
	*directory
	config   daemon.Config
	runFile  string
	ownerPID int
	// ephemeral and ownerPID are about one run, not about the cluster, so they
	// are no part of its configuration.
	ephemeral bool
	timeout   time.Duration
	out       io.Writer
}

func newUp(d *directory) *cobra.Command {
	u := &up{directory: d}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, wait until it is ready, and leave it running",
		Long: `Start the cluster of a directory, wait until Pods can run on it and the programs
of --run are ready, and leave it running in the background. A cluster that runs
already is left as it is; with --run, its programs become those of the file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			u.out = cmd.OutOrStdout()
			ctx, cancel := context.WithTimeout(cmd.Context(), u.timeout)
			defer cancel()
			return u.run(ctx)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&u.config.Nodes, "nodes", defaultNodes, "number of simulated nodes")
	flags.BoolVar(&u.config.Fast, "fast", false, "never wait for the disk: faster, but a power cut loses data (for tests)")
	flags.StringArrayVar(&u.config.APIServerArgs, "apiserver-arg", nil, "flag for kube-apiserver, such as --request-timeout=10s (repeatable)")
	flags.StringVar(&u.runFile, "run", "", "YAML or JSON file with programs to keep running beside the cluster")
	flags.IntVar(&u.ownerPID, "owner-pid", 0, "stop the cluster when this process ends (for tests)")
	flags.BoolVar(&u.ephemeral, "ephemeral", false, "delete the cluster's data, keys, ports and logs when it stops (for tests)")
	flags.DurationVar(&u.timeout, "timeout", 3*time.Minute, "how long to wait for readiness")
	return cmd
}

func (u *up) run(ctx context.Context) error {
	if err := u.config.Validate(); err != nil {
		return err
	}
	if err := u.make(); err != nil {
		return err
	}
	var programs []supervisor.Program
	if u.runFile != "" {
		var err error
		if programs, err = u.readPrograms(); err != nil {
			return err
		}
	}
	release, err := u.change()
	if err != nil {
		return err
	}
	defer release()

	client := daemon.NewClient(u.path)
	running, err := u.running(ctx, client)
	if err != nil {
		return err
	}
	var ended <-chan error
	if !running {
		if ended, err = u.spawn(); err != nil {
			return err
		}
	}
	if _, err := u.wait(ctx, client, ended, func(s daemon.Status) bool { return s.Phase == daemon.Ready }); err != nil {
		return err
	}
	if u.runFile != "" {
		if err := client.SetPrograms(ctx, programs); err != nil {
			return err
		}
	}
	status, err := u.wait(ctx, client, ended, programsReady)
	if err != nil {
		return err
	}
	u.report(status, running)
	return nil
}

// running says whether the cluster runs already. One that is just stopping is
// waited for, and one that runs otherwise than asked for is an error.
func (u *up) running(ctx context.Context, client *daemon.Client) (bool, error) {
	holder, running, err := instance.Holder(u.path)
	if err != nil || !running {
		return false, err
	}
	// A daemon that has just been started does not answer at once.
	status, err := u.wait(ctx, client, nil, func(daemon.Status) bool { return true })
	if err != nil {
		return false, err
	}
	if status.Phase == daemon.Stopping {
		return false, holder.Wait(ctx)
	}
	if !status.Config.Equal(u.config) {
		return false, fmt.Errorf("the cluster runs already, but with other flags (%s; asked for: %s): stop it first with `devcluster down --dir %s`",
			flagsOf(status.Config), flagsOf(u.config), u.path)
	}
	return true, nil
}

func flagsOf(c daemon.Config) string {
	flags := []string{fmt.Sprintf("--nodes=%d", c.Nodes)}
	if c.Fast {
		flags = append(flags, "--fast")
	}
	for _, arg := range c.APIServerArgs {
		flags = append(flags, "--apiserver-arg="+arg)
	}
	return strings.Join(flags, " ")
}

// spawn starts the daemon in a session of its own, so that it outlives the
// shell. The channel tells that it has ended.
func (u *up) spawn() (<-chan error, error) {
	if err := u.config.Save(u.path); err != nil {
		return nil, err
	}
	log, err := u.openLog()
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting the daemon: %w", err)
	}
	args := []string{"serve", "--dir=" + u.path}
	if u.ownerPID != 0 {
		owner, err := instance.Lookup(u.ownerPID)
		if err != nil {
			return nil, fmt.Errorf("starting the daemon: --owner-pid: %w", err)
		}
		args = append(args, ownerFlags(owner)...)
	}
	if u.ephemeral {
		args = append(args, "--ephemeral")
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = u.path
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		_ = cmd.Wait()
		ended <- fmt.Errorf("the daemon ended: %s; its log %s ends with:\n%s", cmd.ProcessState, log.Name(), tail(log.Name()))
	}()
	return ended, nil
}

func (u *up) openLog() (*os.File, error) {
	path := filepath.Join(u.path, "logs", "devcluster.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening the daemon's log: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("moving the daemon's log aside: %w", err)
		}
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the daemon's log: %w", err)
	}
	return log, nil
}

// wait asks the daemon until the answer is good.
func (u *up) wait(ctx context.Context, client *daemon.Client, ended <-chan error, good func(daemon.Status) bool) (daemon.Status, error) {
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		status, err := client.Status(ctx)
		if err == nil && good(status) {
			return status, nil
		}
		select {
		case err := <-ended:
			return status, err
		case <-ctx.Done():
			return status, errors.Join(fmt.Errorf("not ready after %s: %s", u.timeout, describe(status)), err)
		case <-ticker.C:
		}
	}
}

func programsReady(s daemon.Status) bool {
	for _, p := range s.Programs {
		if p.State != supervisor.Ready {
			return false
		}
	}
	return true
}

func describe(s daemon.Status) string {
	parts := []string{"control plane is " + strings.ToLower(string(s.Phase))}
	for _, p := range s.Programs {
		if p.State != supervisor.Ready {
			parts = append(parts, fmt.Sprintf("%s is %s (%s)", p.Name, strings.ToLower(string(p.State)), p.LastExit))
		}
	}
	return strings.Join(parts, ", ")
}

func (u *up) report(s daemon.Status, before bool) {
	if before {
		_, _ = fmt.Fprintf(u.out, "cluster is running (pid %d)\n", s.PID)
	} else {
		_, _ = fmt.Fprintf(u.out, "cluster is ready after %.1f s (pid %d)\n", s.ReadyIn.Seconds(), s.PID)
	}
	_, _ = fmt.Fprintf(u.out, "export KUBECONFIG=%s\n", controlplane.AdminKubeconfig(u.path))
}

// tail returns the end of a file, as much of it as an error may show.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-logTail):])
}
