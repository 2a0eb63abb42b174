package main

import (
	"bufio"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
)

// Numbers of findings.
const (
	keptFindings  = 1000    // in a document
	shownFindings = 20      // on the terminal
	mostFindings  = 100_000 // with --all
)

// checkOptions are the flags of check.
type checkOptions struct {
	json         bool
	first        bool
	all          bool
	noDuplicates bool
	databases    uint64
	hints        bool
	quiet        bool
}

func (o *checkOptions) kept() int {
	if o.all {
		return mostFindings
	}
	return keptFindings
}

func (o *checkOptions) shown() int {
	if o.all {
		return math.MaxInt
	}
	return shownFindings
}

func newCheck(e *env) *cobra.Command {
	var opt checkOptions
	cmd := &cobra.Command{
		Use:   "check PATH...",
		Short: "Check files: would a server load them, and lose nothing?",
		Long: `Check reads each file whole and judges it as the newest server of its family (Redis or Valkey) would that checks everything
(sanitize-dump-payload yes). A file is clean only if that server would load all of it and lose nothing: no key twice, no
collection dropped for being empty. Where redis-check-rdb would say otherwise, the report tells.

Every fault is looked for as far as the file can still be followed; the first 20 are printed (1000 with --json), the rest counted.`,
		Example: `  kvfsck check dump.rdb
  kvfsck check --json backups/*.rdb.gz
  ssh server cat /var/lib/redis/dump.rdb | kvfsck check -q - && echo good`,
		Args: checkArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return check(cmd.Context(), e, args, &opt) },
	}
	f := cmd.Flags()
	f.BoolVar(&opt.json, "json", false, "print one JSON document, "+report.Schema)
	f.BoolVar(&opt.first, "first", false, "stop at the first fault for which redis-check-rdb gives up")
	f.BoolVar(&opt.all, "all", false, "list every finding (up to 100000 a file)")
	f.BoolVar(&opt.noDuplicates, "no-duplicates", false, "do not look for keys that stand twice")
	f.Uint64Var(&opt.databases, "databases", 16, "how many databases the server is configured for; a file that selects another is refused (0: any number)")
	f.BoolVar(&opt.hints, "hints", false, "compare the file's own counts of keys with the keys present")
	f.BoolVarP(&opt.quiet, "quiet", "q", false, "print nothing; the exit status tells")
	cmd.MarkFlagsMutuallyExclusive("first", "all")
	cmd.MarkFlagsMutuallyExclusive("json", "quiet")
	return cmd
}

func checkArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New(`check needs a PATH, or "-" for the standard input`)
	}
	if i := slices.Index(args, input.Stdin); i >= 0 && slices.Contains(args[i+1:], input.Stdin) {
		return errors.New(`"-" can be given once only: there is one standard input`)
	}
	return nil
}

// statuses is the exit status of each verdict.
var statuses = map[report.Verdict]status{
	report.Clean:      exitClean,
	report.Damaged:    exitDamaged,
	report.Unreadable: exitOperational,
}

// check checks files one after the other. Text is printed as it comes, a document at the end.
func check(ctx context.Context, e *env, paths []string, opt *checkOptions) error {
	var doc report.Document
	code := status(exitClean)
	for _, path := range paths {
		t, head := checkOne(ctx, e, path, opt)
		if err := ctx.Err(); err != nil {
			return err
		}
		code |= statuses[t.Verdict]
		switch {
		case opt.json:
			doc.Targets = append(doc.Targets, t)
		case t.Verdict == report.Unreadable:
			e.complain("%s", t.Error)
		case !opt.quiet:
			out := bufio.NewWriter(e.stdout)
			(&checkText{w: out, t: &t, head: head, shown: opt.shown()}).print()
			if err := out.Flush(); err != nil {
				return output(err)
			}
		}
	}
	if opt.json {
		if err := doc.Write(e.stdout); err != nil {
			return output(err)
		}
	}
	if code != exitClean {
		return code
	}
	return nil
}

// checkOne checks a file and returns what was found out and its first bytes.
func checkOne(ctx context.Context, e *env, path string, opt *checkOptions) (t report.Target, head []byte) {
	t = report.Target{Kind: report.KindRDB, Verdict: report.Unreadable, Findings: []report.Finding{}}
	in, err := input.Open(ctx, path, e.stdin)
	if err == nil {
		defer in.Close()
		head, err = in.Peek(headSize)
	}
	head = slices.Clone(head)
	var corrupt *input.CorruptError
	switch {
	case err == nil:
		p := newProgress(e, in, !opt.json && !opt.quiet)
		t = kindOf(head).check(ctx, in, opt, p.update)
		p.done()
	case errors.As(err, &corrupt):
		t = report.RDB(&rdb.Report{}, err, false)
	default:
		t.Error = err.Error()
	}
	if t.Verdict == report.Unreadable {
		if err == nil {
			err = errors.New(t.Error)
		}
		t.Error = explain(path, err)
	}
	t.Path, t.Compression = report.Bytes(path), []string{}
	if in != nil {
		if in.Size >= 0 {
			size := report.Int(in.Size)
			t.Size = &size
		}
		t.Compression = append(t.Compression, in.Layers...)
	}
	return t, head
}

// checkRDB checks a snapshot.
func checkRDB(ctx context.Context, in *input.Input, opt *checkOptions, update func()) report.Target {
	rep, err := rdb.Verify(ctx, in, rdb.VerifyOptions{
		KeepGoing:     !opt.first,
		MaxFaults:     opt.kept(),
		DuplicateKeys: !opt.noDuplicates,
		Databases:     opt.databases,
		Hints:         opt.hints,
		Progress:      func(int64) { update() },
	})
	return report.RDB(rep, err, !opt.noDuplicates)
}
