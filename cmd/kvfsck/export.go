package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/atomicfile"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/rdb"
)

// exporter writes keys and commands in some format.
type exporter interface {
	// Entry writes a key with its value. If the error is a *rdb.FormatError, the value is damaged and nothing of the key was written.
	Entry(*rdb.Entry) error
	// Command writes a command of a log, from the file named if there are several. Those between MULTI and EXEC are written when
	// EXEC comes.
	Command(file string, c *aof.Command) error
	// Abandon forgets the commands since a MULTI without EXEC.
	Abandon() error
	// Close writes what is left.
	Close() error
}

// functionExporter is an exporter that takes function libraries.
type functionExporter interface {
	exporter
	Function(*rdb.Function) error
}

// formats is the table of formats. What is opened to write to nothing is a [keeper].
var formats = []struct {
	name string
	open func(io.Writer, release) exporter
}{
	{"jsonl", func(w io.Writer, _ release) exporter { return jsonl.NewWriter(w) }},
	{"resp", func(w io.Writer, server release) exporter { return newRESPWriter(w, server) }},
}

func formatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// exportOptions are the flags of export.
type exportOptions struct {
	format string
	output string
	server string
	filter filter
}

func newExport(e *env) *cobra.Command {
	var opt exportOptions
	cmd := &cobra.Command{
		Use:   "export PATH",
		Short: "Write the contents of a file or set, a line a key, or as commands",
		Long: `Export writes the keys of a snapshot, or of an append-only file or set the keys of its snapshot and then its commands, in the
order of loading. PATH is a file, a manifest, an appendonlydir, or a data directory: of that what a server loads with appendonly yes
if there is an append-only file, else the snapshot.

jsonl: one JSON object a line, {"db","key","type","encoding","expire_at_ms","idle_s","freq","value"}. Byte strings that are not
valid UTF-8 are {"b64":"..."}, whole numbers beyond 2^53 are strings, and so are scores. Nothing is lost or rounded.
Commands are {"db","offset","args"}, with "file" in a set.

resp: one stream of commands for redis-cli --pipe, which makes an empty server hold the same data. Commands of a log pass as
they are, but for what Redis 8.6 logs of idempotent producers and takes from no client: the entries pass, the producers' ids are
left out. Keys of a snapshot become SET, RPUSH, SADD, ZADD and HMSET, 64 elements each, PEXPIREAT, HPEXPIREAT for fields that
expire (Redis 7.4, Valkey 9.0), FUNCTION LOAD (7.0), and XADD, XSETID, XGROUP and XCLAIM (5.0; with all counters 7.0) as in the
logs that servers rewrite. RESTORE stands where nothing else is exact: values of modules, streams of which pending entries were
deleted or that know idempotent producers. Idle times, access counters and when a consumer was last seen no command holds.
--server leaves away what an older server does not know, and tells of keys that are left out for it. A server that executes the
stream does not keep what has expired; one that loads a log does until its end, so keys that the log first lets expire and then
revives can differ.

A transaction without EXEC is left out, as servers do. Of a log only --db can choose: a command belongs to the database in which it
is executed.

A damaged key is left out and told of on the standard error; where the file cannot be followed any further the export ends behind
the last good key. Either way the exit status is 4 and what was written is good. Keys that the filters leave out are passed over
unchecked.`,
		Example: `  kvfsck export dump.rdb --format jsonl > keys.jsonl
  kvfsck export dump.rdb --format jsonl --db 0 --key 'user:*' --type hash
  kvfsck export dump.rdb.zst --no-expired --output keys.jsonl
  kvfsck export /var/lib/redis --format resp | redis-cli --pipe`,
		Args: onePath,
		RunE: func(cmd *cobra.Command, args []string) error { return export(cmd.Context(), e, args[0], &opt) },
	}
	cmd.Flags().StringVarP(&opt.format, "format", "f", formats[0].name, "format of the output: "+strings.Join(formatNames(), ", "))
	cmd.Flags().StringVarP(&opt.output, "output", "o", input.Stdin, `file to write, "-" for the standard output`)
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.Flags().StringVar(&opt.server, "server", "", "resp: use only commands that this server has, such as 7.0, redis-7.0 or valkey-8.1")
	opt.filter.flags(cmd)
	opt.filter.expiryFlags(cmd)
	return cmd
}

// onePath is the check of a command's arguments that takes one file.
func onePath(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf(`%s takes one PATH, or "-" for the standard input; %d were given`, cmd.Name(), len(args))
	}
	return nil
}

func export(ctx context.Context, e *env, path string, opt *exportOptions) error {
	if err := opt.filter.ready(); err != nil {
		return err
	}
	server, err := parseRelease(opt.server)
	if err != nil {
		return err
	}
	i := slices.Index(formatNames(), opt.format)
	if i < 0 {
		return fmt.Errorf("no format %q: there is %s", opt.format, strings.Join(formatNames(), ", "))
	}
	open := func(w io.Writer) exporter { return formats[i].open(w, server) }
	if opt.output == input.Stdin {
		return exportTo(ctx, e, path, opt, open, &outputWriter{e.stdout})
	}
	return exportFile(ctx, e, path, opt, open)
}

// exportTo exports to one writer.
func exportTo(ctx context.Context, e *env, path string, opt *exportOptions, open func(io.Writer) exporter, out io.Writer) error {
	to := open(out)
	w := walk{env: e, path: path, filter: &opt.filter, quiet: opt.output == input.Stdin && e.outTerm}
	w.pieces = &pieceExport{out, open}
	if f, ok := to.(functionExporter); ok {
		w.function = f.Function
	}
	err := w.export(ctx, to)
	cerr := to.Close()
	if op := (operational{}); cerr == nil || errors.As(err, &op) {
		return err
	}
	return output(cerr)
}

// exportFile exports to a file that appears under its name only when it is finished. What is there and is no regular file, such as
// a pipe, is written to as it is.
func exportFile(ctx context.Context, e *env, path string, opt *exportOptions, open func(io.Writer) exporter) (err error) {
	there, statErr := os.Stat(opt.output)
	if statErr == nil && readsFrom(ctx, e, path, opt.output) {
		return fmt.Errorf("--output %s is a file to be read", opt.output)
	}
	if statErr == nil && !there.Mode().IsRegular() {
		f, err := os.OpenFile(opt.output, os.O_WRONLY, 0)
		if err != nil {
			return operational{errors.New(explain(opt.output, err))}
		}
		err = exportTo(ctx, e, path, opt, open, &outputWriter{f})
		return errors.Join(err, output(f.Close()))
	}
	var result error
	err = atomicfile.Write(opt.output, nil, func(w io.Writer) error {
		if result = exportTo(ctx, e, path, opt, open, &outputWriter{w}); finished(result) {
			return nil
		}
		return result
	}, func(string) error { return nil })
	if err != nil && finished(result) {
		return operational{errors.New(explain(opt.output, err))}
	}
	return result
}

// readsFrom reports whether a file is one of those that a path names.
func readsFrom(ctx context.Context, e *env, path, file string) bool {
	if path == input.Stdin {
		return false
	}
	t := &target{path: path}
	info, err := os.Stat(path)
	if err == nil && (info.IsDir() || strings.HasSuffix(path, ".manifest")) {
		t, _ = openTarget(ctx, e, path) // if it cannot be opened, nothing is read from it
		defer t.close()                 // only read
	}
	return t.has(file)
}

// finished reports whether a walk came to its end, be it that of what can be read.
func finished(err error) bool {
	var code status
	return err == nil || errors.As(err, &code)
}

// outputWriter says of errors that they are those of the output.
type outputWriter struct{ w io.Writer }

func (o *outputWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	return n, output(err)
}
