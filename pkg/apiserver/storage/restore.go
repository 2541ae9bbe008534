package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/leat-dev/leat/pkg/etcd"
	"github.com/leat-dev/leat/pkg/etcd/migration"
)

// restoreFlags are those of restore alone.
type restoreFlags struct {
	replace bool
	bump    uint64
}

func restoreCommand(s *store) *cobra.Command {
	f := restoreFlags{}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the embedded etcd what a snapshot holds (the server must be stopped)",
		Long: paragraphs(
			"The server must be stopped. FILE is a snapshot, also one of an external etcd that the server used; - reads it from standard input.",
			"The snapshot is checked, restored beside the data and started once. Only then is it put in place. If anything fails before, nothing has changed.",
			"What a restore means to the cluster: objects of Leat's kinds that were deleted since the snapshot exist again, later ones are gone, "+
				"and every field is as it was. What was applied in the cluster is not touched by that, and the server deletes nothing because of it. "+
				"Its first runs use no stored artifact but fetch every source anew, apply what is wanted now, and leave what only the restored inventory "+
				"names; an event lists such objects. From then on everything is as always.",
			"Resource versions move ahead, so that clients which saw later ones list again."),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.restore(cmd, args[0], f) },
	}
	cmd.Flags().BoolVar(&f.replace, "replace", f.replace, "put data aside that are in the directory already, as member.replaced-TIME beside the new ones")
	cmd.Flags().Uint64Var(&f.bump, "revision-bump", etcd.DefaultRevisionBump,
		"how far revisions move ahead; more than the server has made since the snapshot")
	return cmd
}

func (s *store) restore(cmd *cobra.Command, file string, f restoreFlags) (err error) {
	if err := s.needEmbedded(); err != nil {
		return fmt.Errorf("%w; an external etcd is restored with etcd's own tools (revisions moved ahead and marked as compacted), followed by mark-restored", err)
	}
	if f.bump == 0 {
		return errors.New("--revision-bump must not be 0: clients would take old state for new")
	}
	dir, err := s.dir()
	if err != nil {
		return err
	}
	origin := filepath.Base(file)
	if file == standard {
		origin = "standard input"
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return fmt.Errorf("creating the data directory: %w", err)
		}
		if file, err = spool(cmd.InOrStdin(), filepath.Dir(dir)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(file)) }()
	}
	restored, err := etcd.Restore(cmd.Context(), etcd.RestoreOptions{
		File: file, Dir: dir, Replace: f.replace, RevisionBump: f.bump,
		Prepare: func(ctx context.Context, client *clientv3.Client) error { return s.prepare(ctx, client, origin) },
	})
	if errors.Is(err, etcd.ErrNotEmpty) {
		err = fmt.Errorf("%w: --replace puts them aside", err)
	}
	if errors.Is(err, etcd.ErrInUse) {
		err = fmt.Errorf("%w: stop the server first", err)
	}
	if err != nil {
		return err
	}
	say(cmd, "restored %s, which continues at revision %d\n", describe(restored.Snapshot), restored.Revision)
	if restored.Replaced != "" {
		say(cmd, "the former data are in %s\n", restored.Replaced)
	}
	return nil
}

// prepare makes restored data what a server may start with.
func (s *store) prepare(ctx context.Context, client *clientv3.Client, origin string) error {
	n, err := s.count(ctx, client)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("the snapshot holds no keys below %s: is it one of this server?", s.prefix)
	}
	if err := migration.Check(ctx, client, s.prefix); errors.Is(err, migration.ErrUnfinished) {
		return fmt.Errorf("the snapshot was taken before all had arrived: %w", err)
	} else if err != nil && !errors.Is(err, migration.ErrMoved) {
		return err
	}
	if err := migration.Unmark(ctx, client, s.prefix); err != nil {
		return err
	}
	_, err = s.records(client).BeginEpoch(ctx, time.Now(), origin)
	return err
}

func markRestoredCommand(s *store) *cobra.Command {
	return &cobra.Command{
		Use:   "mark-restored",
		Short: "Say that the etcd was restored by other means (the server must be stopped)",
		Long: paragraphs(
			"The server must be stopped. Run this after what the server stores was taken back to an earlier time by anything but "+
				"\"restore\": the snapshot of a volume, the tools of an external etcd. The server then deletes nothing because of what is "+
				"stored, as after a restore.",
			"It does not move resource versions ahead. For an external etcd its own tools do that, when they restore; after that of a volume, "+
				"restart what watches Leat's objects."),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.markRestored(cmd) },
	}
}

func (s *store) markRestored(cmd *cobra.Command) (err error) {
	access, err := s.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, access.Close()) }()
	if s.embedded() && access.Running {
		return errors.New("stop the server first: it has begun to use what is stored")
	}
	if n, err := s.count(cmd.Context(), access.Client); err != nil {
		return err
	} else if n == 0 {
		return fmt.Errorf("the etcd holds no keys below %s", s.prefix)
	}
	epoch, err := s.records(access.Client).BeginEpoch(cmd.Context(), time.Now(), "other means")
	if err != nil {
		return err
	}
	say(cmd, "marked as restored at %s\n", epoch.Began.Format(time.RFC3339))
	return nil
}
