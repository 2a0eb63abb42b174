package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/internal/atomicfile"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/rdb"
)

// exporter writes keys in some format.
type exporter interface {
	// Entry writes a key with its value. If the error is a *rdb.FormatError, the value is damaged and nothing of the key was written.
	Entry(*rdb.Entry) error
	// Close writes what is left.
	Close() error
}

// formats is the table of formats.
var formats = []struct {
	name string
	open func(io.Writer) exporter
}{
	{"jsonl", func(w io.Writer) exporter { return jsonl.NewWriter(w) }},
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
	filter filter
}

func newExport(e *env) *cobra.Command {
	var opt exportOptions
	cmd := &cobra.Command{
		Use:   "export PATH",
		Short: "Write the contents of a file, a line a key",
		Long: `Export writes the keys of a snapshot with everything there is to know of them, in the order of the file.

jsonl: one JSON object a line, {"db","key","type","encoding","expire_at_ms","idle_s","freq","value"}. Byte strings that are not
valid UTF-8 are {"b64":"..."}, whole numbers beyond 2^53 are strings, and so are scores. Nothing is lost or rounded.

A damaged key is left out and told of on the standard error; where the file cannot be followed any further the export ends behind
the last good key. Either way the exit status is 4 and what was written is good. Keys that the filters leave out are passed over
unchecked.`,
		Example: `  kvfsck export dump.rdb --format jsonl > keys.jsonl
  kvfsck export dump.rdb --format jsonl --db 0 --key 'user:*' --type hash
  kvfsck export dump.rdb.zst --no-expired --output keys.jsonl`,
		Args: onePath,
		RunE: func(cmd *cobra.Command, args []string) error { return export(cmd.Context(), e, args[0], &opt) },
	}
	cmd.Flags().StringVarP(&opt.format, "format", "f", formats[0].name, "format of the output: "+strings.Join(formatNames(), ", "))
	cmd.Flags().StringVarP(&opt.output, "output", "o", input.Stdin, `file to write, "-" for the standard output`)
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
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
	var open func(io.Writer) exporter
	for _, f := range formats {
		if f.name == opt.format {
			open = f.open
		}
	}
	if open == nil {
		return fmt.Errorf("no format %q: there is %s", opt.format, strings.Join(formatNames(), ", "))
	}
	if opt.output == input.Stdin {
		return exportTo(ctx, e, path, opt, open(&outputWriter{e.stdout}))
	}
	return exportFile(ctx, e, path, opt, open)
}

// exportTo exports to one exporter.
func exportTo(ctx context.Context, e *env, path string, opt *exportOptions, to exporter) error {
	w := walk{env: e, path: path, filter: &opt.filter, quiet: opt.output == input.Stdin && e.outTerm}
	err := w.run(ctx, to.Entry)
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
	if in, inErr := os.Stat(path); statErr == nil && inErr == nil && os.SameFile(there, in) {
		return fmt.Errorf("--output %s is the file to be read", opt.output)
	}
	if statErr == nil && !there.Mode().IsRegular() {
		f, err := os.OpenFile(opt.output, os.O_WRONLY, 0)
		if err != nil {
			return operational{errors.New(explain(opt.output, err))}
		}
		err = exportTo(ctx, e, path, opt, open(&outputWriter{f}))
		return errors.Join(err, output(f.Close()))
	}
	var result error
	err = atomicfile.Write(opt.output, nil, func(w io.Writer) error {
		if result = exportTo(ctx, e, path, opt, open(&outputWriter{w})); finished(result) {
			return nil
		}
		return result
	}, func(string) error { return nil })
	if err != nil && finished(result) {
		return operational{errors.New(explain(opt.output, err))}
	}
	return result
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
