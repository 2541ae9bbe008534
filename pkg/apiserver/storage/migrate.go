package storage

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/etcd/migration"
)

func migrateCommand(s *store) *cobra.Command {
	var to etcd.ClientConfig
	var gap int64
	cmd := &cobra.Command{
		Use:   "migrate --to ADDRESSES",
		Short: "Move everything from the embedded to an external etcd (the server must be stopped)",
		Long: paragraphs(
			"The server must be stopped. All keys below --etcd-prefix are copied, and both sides compared. Then start the server with "+
				"--etcd-servers and the same --etcd-prefix: keys are part of what encryption at rest authenticates.",
			"The target must hold no keys below the prefix. If the migration fails it removes what it copied; if it is killed, run it again. "+
				"A server refuses to start on a target that is not complete, and on the embedded etcd once it has been moved.",
			"The target's revision is written past the source's first, so that resource versions do not go back: a few thousand writes a second. "+
				"An embedded etcd that was restored is a billion ahead, too far for that. Make the members of the external etcd from a snapshot then "+
				"(etcdutl snapshot restore, with --bump-revision and --mark-compacted); there is nothing left to migrate."),
		Example: "  leat-apiserver etcd migrate --data-dir /var/lib/leat --to https://etcd-0:2379,https://etcd-1:2379 \\\n" +
			"    --to-cafile ca.crt --to-certfile client.crt --to-keyfile client.key",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.migrate(cmd, to, gap) },
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&to.Endpoints, "to", nil, "addresses of the external etcd, as https://host:port")
	fs.StringVar(&to.CAFile, "to-cafile", "", "file with the authorities that signed the certificates of --to")
	fs.StringVar(&to.CertFile, "to-certfile", "", "file with the certificate that --to is shown")
	fs.StringVar(&to.KeyFile, "to-keyfile", "", "file with the key of --to-certfile")
	fs.Int64Var(&gap, "max-revision-gap", migration.DefaultMaxRevisionGap, "how many writes may be made to move the revision of --to")
	return cmd
}

func (s *store) migrate(cmd *cobra.Command, to etcd.ClientConfig, gap int64) (err error) {
	if err := s.needEmbedded(); err != nil {
		return err
	}
	switch {
	case len(to.Endpoints) == 0:
		return errors.New("--to must be set")
	case (to.CertFile == "") != (to.KeyFile == ""):
		return errors.New("--to-certfile and --to-keyfile must be set together")
	case gap < 1:
		return fmt.Errorf("--max-revision-gap must be positive, not %d", gap)
	}
	ctx := cmd.Context()
	source, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if source.Running {
		return errors.New("stop the server first: what it writes meanwhile would be lost")
	}
	target, err := etcd.Connect(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	result, err := migration.Run(ctx, migration.Options{
		From: source.Client, To: target.Client, Prefix: s.prefix, MaxRevisionGap: gap,
		Progress: func(what string) { say(cmd, "%s\n", what) },
	})
	if err != nil {
		return err
	}
	say(cmd, "moved %d keys (%d bytes, sha256:%s) from revision %d to revision %d\n", result.Keys, result.Bytes, result.Digest, result.From, result.To)
	if err := migration.MarkMoved(ctx, source.Client, s.prefix, to.Endpoints, time.Now()); err != nil {
		return fmt.Errorf("%w; do not start a server on the embedded etcd any more", err)
	}
	say(cmd, "start the server with --etcd-servers=%s\n", strings.Join(to.Endpoints, ","))
	return nil
}
