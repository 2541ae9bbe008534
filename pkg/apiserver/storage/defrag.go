package storage

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/pkg/etcd"
)

func defragCommand(s *store) *cobra.Command {
	return &cobra.Command{
		Use:   "defrag",
		Short: "Give free space back to the disk (the server may run)",
		Long: paragraphs(
			"The server may run, or be stopped. A running one answers no request of clients that reads or writes objects until it is done: about a second for each 100 MB that are in use.",
			"The server does this to its embedded etcd by itself when it is worth it. Of an external etcd each of --etcd-servers is defragmented, one after the other."),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.defrag(cmd) },
	}
}

func (s *store) defrag(cmd *cobra.Command) (err error) {
	access, err := s.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, access.Close()) }()
	before, after, err := etcd.Defragment(cmd.Context(), access.Client)
	if err != nil {
		return err
	}
	say(cmd, "defragmented: %d bytes before, %d bytes now\n", before, after)
	return nil
}
