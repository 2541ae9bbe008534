package storage

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/pkg/etcd"
)

// standard stands for standard input or output in place of a file.
const standard = "-"

func snapshotCommand(s *store) *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot FILE",
		Short: "Save what the server stores at this moment (the server may run)",
		Long: paragraphs(
			"The server may run, or be stopped. A running one goes on meanwhile.",
			"FILE is written anew, readable by its owner only. It appears when the snapshot is complete, on the disk, and was "+
				"read back and found intact; if anything fails, what was there before stays. With - the snapshot goes to standard "+
				"output: compare its size with what is reported, or give it to restore, which checks it.",
			"A snapshot holds all objects, and so what people wrote into them. Secrets of the cluster are not in it: Leat does not store them."),
		Example: "  # from a Pod, whose image has no tar for kubectl cp\n" +
			"  kubectl exec -n leat-system leat-apiserver-0 -- /leat-apiserver etcd snapshot - > leat.db",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.snapshot(cmd, args[0]) },
	}
}

func (s *store) snapshot(cmd *cobra.Command, file string) (err error) {
	ctx := cmd.Context()
	if file == standard && isTerminal(os.Stdout) {
		return errors.New("a snapshot is not for a terminal: redirect standard output, or name a file")
	}
	access, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, access.Close()) }()
	if n, err := s.count(ctx, access.Client); err != nil {
		return err
	} else if n == 0 {
		return fmt.Errorf("nothing to save: the etcd holds no keys below %s", s.prefix)
	}
	if file == standard {
		return s.stream(ctx, cmd, access)
	}
	saved, err := etcd.WriteSnapshot(ctx, access.Client, file)
	if err != nil {
		return err
	}
	say(cmd, "saved %s to %s\n", describe(saved), file)
	return nil
}

func (s *store) stream(ctx context.Context, cmd *cobra.Command, access *etcd.Access) error {
	counted := &counter{to: cmd.OutOrStdout()}
	if err := etcd.SaveSnapshot(ctx, access.Client, counted); err != nil {
		return err
	}
	cmd.PrintErrf("saved a snapshot of %d bytes\n", counted.bytes)
	return nil
}

func describe(s etcd.Snapshot) string {
	return fmt.Sprintf("a snapshot of revision %d with %d keys (%d bytes, sha256:%s)", s.Revision, s.Keys, s.Bytes, s.Digest)
}

// isTerminal says whether somebody looks at what is written there.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
