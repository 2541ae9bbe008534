package storage

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// NewCommand returns the command "etcd".
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "etcd",
		Short: "Back up, restore, defragment and move what the server stores",
		Long: paragraphs(
			"All objects of leat-apiserver, and what it notes down about them, are in an etcd: the embedded one in DATA-DIR/etcd, "+
				"or the one that --etcd-servers names. These commands look after it. Give them the flags that the server has.",
			"The artifacts and the copies of Git repositories in DATA-DIR are not part of a backup: they are fetched again."),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// The server prints its hundred flags in sections, which these do not have.
	plain := &cobra.Command{}
	cmd.SetUsageFunc(plain.UsageFunc())
	cmd.SetHelpFunc(plain.HelpFunc())
	s := newStore()
	s.addFlags(cmd.PersistentFlags())
	cmd.AddCommand(snapshotCommand(s), restoreCommand(s), defragCommand(s), migrateCommand(s), markRestoredCommand(s))
	return cmd
}

const helpColumns = 100

// paragraphs wraps texts for a terminal.
func paragraphs(texts ...string) string {
	wrapped := make([]string, len(texts))
	for i, text := range texts {
		var b strings.Builder
		column := 0
		for _, word := range strings.Fields(text) {
			switch {
			case column == 0:
			case column+1+len(word) > helpColumns:
				b.WriteByte('\n')
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
		wrapped[i] = b.String()
	}
	return strings.Join(wrapped, "\n\n")
}

// say tells what was done, on standard output.
func say(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.OutOrStdout(), format, args...)
}
