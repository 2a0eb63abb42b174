// Kvfsck checks, explains, repairs and converts the persistence files of Redis and Valkey, offline.
//
//	kvfsck check PATH...                     would a server load it, and lose nothing?
//	kvfsck repair PATH --out DST             heals it, or saves what is still there; --dry-run, --in-place
//	kvfsck export PATH --format jsonl|resp   the contents, a line a key or command, or as commands for redis-cli --pipe
//	kvfsck digest PATH                       what DEBUG DIGEST of a server with this data answers
//	kvfsck version
//	kvfsck completion bash|zsh|fish|powershell
//
// PATH is a snapshot, an append-only file, the manifest of a set of these, its directory or a data directory; a file may be "-" for
// the standard input, and compressed by gzip, zstd or lz4. Results go to the standard output, everything else
// to the standard error. The exit status is that of fsck(8), bits put together where several files are checked:
//
//	 0  clean
//	 1  repaired
//	 4  damaged
//	 8  operational error: a file could not be read, or the output not be written
//	16  usage error
//	32  interrupted, or told to end
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/kvfsck/kvfsck/internal/version"
)

// Exit statuses.
const (
	exitClean       = 0
	exitDamaged     = 4
	exitOperational = 8
	exitUsage       = 16
	exitInterrupted = 32
)

// untilToldToEnd is a context that ends when somebody interrupts the program, tells it to end, or hangs up.
func untilToldToEnd() (ctx context.Context, stop func()) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(context.Background(), signals...)
}

func main() {
	ctx, stop := untilToldToEnd()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once, even in a read that waits
	os.Exit(run(ctx, os.Args[1:], &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		outTerm: term.IsTerminal(int(os.Stdout.Fd())), errTerm: term.IsTerminal(int(os.Stderr.Fd())),
	}))
}

// status is the error of a command that did what it had to and has another status than 0 to report, on which nothing is left to say.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// operational is an error of the file system or of what was named, not of how the command was called.
type operational struct{ err error }

func (o operational) Error() string { return o.err.Error() }
func (o operational) Unwrap() error { return o.err }

// run runs the program in an environment and returns its exit status.
func run(ctx context.Context, args []string, e *env) int {
	root := newRoot(e)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var code status
	var op operational
	switch {
	case err == nil:
		return exitClean
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil:
		e.complain("interrupted")
		return exitInterrupted
	case errors.As(err, &op):
		e.complain("%v", err)
		return exitOperational
	default:
		e.complain("%v", err)
		fmt.Fprintf(e.stderr, "Try: %s --help\n", cmd.CommandPath())
		return exitUsage
	}
}

// exclusive has a command refuse two of these flags together.
func exclusive(cmd *cobra.Command, names ...string) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		var given []string
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		switch {
		case len(given) > 1:
			return fmt.Errorf("%s and %s cannot go together: leave one of them out", given[0], given[1])
		case before != nil:
			return before(cmd, args)
		}
		return nil
	}
}

// commands is the table of commands.
var commands = []func(*env) *cobra.Command{newCheck, newRepair, newExport, newDigest, newVersion}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "kvfsck",
		Short: "fsck for Redis and Valkey persistence files",
		Long: `kvfsck checks, explains, repairs and converts the persistence files of Redis and Valkey, offline.

PATH is a snapshot or an append-only file, "-" for the standard input, plain or compressed (gzip, zstd, lz4; told by content, not by
name); and of check, repair and export also the manifest of a set of append-only files, its directory, or a server's data directory.
Exit status: 0 clean, 1 repaired, 4 damaged, 8 operational error, 16 usage error, 32 interrupted; several files' are put together bit by bit.`,
		Example: `  kvfsck check /var/lib/redis
  kvfsck repair dump.rdb --out repaired.rdb
  zcat dump.rdb.gz | kvfsck check -
  kvfsck export dump.rdb --format jsonl --output keys.jsonl`,
		Version:       version.String(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("no command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(e.stderr)
			return errors.Join(cmd.Help(), status(exitUsage))
		},
	}
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return fmt.Errorf("no command %q", strings.Join(args, " "))
			}
			return cmd.Help()
		},
	})
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	for _, c := range commands {
		root.AddCommand(c(e))
	}
	return root
}
