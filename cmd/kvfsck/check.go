package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
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
	modules      bool
	hints        bool
	quiet        bool
	jobs         int
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

PATH is a snapshot, an append-only file, the manifest of a set of them, its directory, or a server's data directory. Of the latter
both the log and the snapshot are checked, and it is said which of them a server loads. Of logs it is said what the newest servers of
both families do when they start, with aof-load-truncated yes (the default) and no, and what they would cut off which file.

Every fault is looked for as far as the file can still be followed; the first 20 are printed (1000 with --json), the rest counted.`,
		Example: `  kvfsck check dump.rdb
  kvfsck check /var/lib/redis
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
	f.BoolVar(&opt.modules, "modules", false, "take commands of a log that no server knows for those of modules")
	f.BoolVar(&opt.hints, "hints", false, "compare the file's own counts of keys with the keys present")
	f.IntVarP(&opt.jobs, "jobs", "j", 0, "how many values to check at once (0: as many as there are processors)")
	f.BoolVarP(&opt.quiet, "quiet", "q", false, "print nothing; the exit status tells")
	exclusive(cmd, "first", "all")
	exclusive(cmd, "json", "quiet")
	return cmd
}

// ready looks at the flags.
func (o *checkOptions) ready() error {
	if o.jobs < 0 {
		return fmt.Errorf("-j %d: give a number from 1, or 0 for as many as there are processors", o.jobs)
	}
	return nil
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

// checked is what was found out about a file or set.
type checked struct {
	report.Target
	head []byte // first bytes of a snapshot's content
	root string // where a set's files are
	text bool   // the ends of a log's lines were changed
}

// check checks files one after the other. Text is printed as it comes, a document at the end.
func check(ctx context.Context, e *env, paths []string, opt *checkOptions) error {
	if err := opt.ready(); err != nil {
		return err
	}
	defer boundMemory(checkMemory, opt.jobs)()
	var doc report.Document
	code := status(exitClean)
	for _, path := range paths {
		all := checkPath(ctx, e, path, opt)
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range all {
			code |= statuses[all[i].Verdict]
			doc.Targets = append(doc.Targets, all[i].Target)
		}
		if !opt.json {
			if err := printChecked(e, path, all, opt); err != nil {
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

// checkMemory and repairMemory are what a check and a repair need with two workers, in bytes: mostly tables that find duplicate keys.
const (
	checkMemory  = 50 << 20
	repairMemory = 180 << 20
)

// boundMemory has the garbage collected before it adds to what is needed: base, and a few for each further worker. A limit that the user has set stays.
// The result undoes it.
func boundMemory(base int64, jobs int) func() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	const each = 4 << 20
	before := debug.SetMemoryLimit(base + each*int64(max(jobs-2, 0)))
	return func() { debug.SetMemoryLimit(before) }
}

// printChecked prints what was found out about a path.
func printChecked(e *env, path string, all []checked, opt *checkOptions) error {
	out := bufio.NewWriter(e.stdout)
	if all[0].LoadedIf != "" && !opt.quiet {
		printDirectory(out, path, all)
	}
	for i := range all {
		c := &all[i]
		switch {
		case c.Verdict == report.Unreadable:
			e.complain("%s", c.Error)
		case opt.quiet:
		default:
			text := checkText{w: out, t: &c.Target, head: c.head, shown: opt.shown()}
			if c.Set != nil {
				(&logText{checkText: text, root: c.root, text: c.text}).print()
			} else {
				text.print()
			}
		}
	}
	return out.Flush()
}

// checkPath checks what a path names: of a data directory the log and the snapshot.
func checkPath(ctx context.Context, e *env, path string, opt *checkOptions) []checked {
	t, err := openTarget(ctx, e, path)
	defer t.close() // only read
	var corrupt *input.CorruptError
	switch {
	case errors.As(err, &corrupt) && t.set != nil: // what comes before the damage of the compression
		c := checkLog(ctx, e, t, opt)
		if c.Set != nil {
			c.Corrupt(corrupt, int64(c.Set.Bytes))
		}
		return []checked{c}
	case err != nil || t.set == nil && !t.dir:
		return []checked{checkSnapshot(ctx, e, t, err, opt)}
	}
	var all []checked
	if t.set != nil {
		all = append(all, checkLog(ctx, e, t, opt))
	}
	if t.snapshot != "" {
		inner := &target{path: joinPath(t.path, t.snapshot)}
		inner.in, err = openAsServer(ctx, inner.path)
		if err == nil {
			defer inner.close()
			if inner.head, err = inner.in.Peek(sniffSize); len(inner.head) > 0 {
				err = nil // it comes again behind what is good
			}
		}
		all = append(all, checkSnapshot(ctx, e, inner, err, opt))
		all[len(all)-1].LoadedIf = "appendonly no"
	}
	return all
}

// openAsServer opens the snapshot of a data directory, of which servers undo no compression but their own.
func openAsServer(ctx context.Context, path string) (*input.Input, error) {
	in, err := input.Open(ctx, path, nil)
	if err == nil && in.ByServers() {
		return in, nil
	}
	if err == nil {
		err = in.Close()
	} else if errors.As(err, new(*input.CorruptError)) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return input.OpenRaw(ctx, path, nil)
}

// checkSnapshot checks the file that a target has open. The error is what kept it from being so.
func checkSnapshot(ctx context.Context, e *env, in *target, err error, opt *checkOptions) checked {
	head := slices.Clone(in.head[:min(len(in.head), sniffSize)])
	t := report.Target{Kind: report.KindRDB, Verdict: report.Unreadable, Findings: []report.Finding{}}
	var corrupt *input.CorruptError
	switch {
	case err == nil:
		p := newProgress(e, in.in, !opt.json && !opt.quiet)
		t = checkRDB(ctx, in.in, opt, p.update)
		p.done()
	case errors.As(err, &corrupt):
		t = report.RDB(&rdb.Report{}, err, false)
		if in.set != nil {
			t.Kind = report.KindAOF
		}
	default:
		t.Error = err.Error()
	}
	if t.Verdict == report.Unreadable {
		if err == nil {
			err = errors.New(t.Error)
		}
		t.Error = explain(in.path, err)
	}
	in.describe(&t)
	return checked{Target: t, head: head}
}

// describe adds what is known of the file itself.
func (t *target) describe(to *report.Target) {
	to.Path, to.Compression = report.Bytes(t.path), []string{}
	if t.in == nil {
		return
	}
	if t.in.Size >= 0 {
		size := report.Int(t.in.Size)
		to.Size = &size
	}
	to.Compression = append(to.Compression, t.in.Layers...)
}

// checkLog checks an append-only file or set.
func checkLog(ctx context.Context, e *env, in *target, opt *checkOptions) checked {
	p := newLogProgress(e, in.set, !opt.json && !opt.quiet)
	rep, _ := in.set.Check(ctx, aof.CheckOptions{ // its error is that of the context, which the caller looks at
		AssumeModules: opt.modules,
		Databases:     opt.databases,
		RDB:           rdb.VerifyOptions{MaxFaults: opt.kept(), Databases: opt.databases, Hints: opt.hints, Workers: opt.jobs},
		Progress:      p.at,
	})
	p.done()
	if ctx.Err() != nil {
		return checked{}
	}
	t := report.AOF(rep, opt.kept())
	in.describe(&t)
	if t.Verdict == report.Unreadable {
		t.Error = explain(in.path, errors.New(t.Error))
	}
	if in.dir && (in.snapshot != "" || in.set.Manifest == nil || in.set.Dir != ".") {
		t.LoadedIf = "appendonly yes"
	}
	return checked{Target: t, root: in.root, text: t.Set != nil && in.isText(ctx, t.Set)}
}

// isText reports whether the ends of lines were changed in the first file of a set in which nothing can be read.
func (t *target) isText(ctx context.Context, set *report.Set) bool {
	unread := func(f report.SetFile) bool {
		return !f.RDB && f.Size != nil && *f.Size > 0 && f.ValidUpTo != nil && *f.ValidUpTo == 0
	}
	i := slices.IndexFunc(set.Files, unread)
	if i < 0 {
		return false
	}
	f, err := os.Open(joinPath(t.root, string(set.Files[i].File)))
	if err != nil {
		return false // the check says what is wrong with it
	}
	defer f.Close()
	text, err := repair.LineEndsChanged(ctx, f, int64(*set.Files[i].Size))
	return text && err == nil
}

// checkRDB checks a snapshot.
func checkRDB(ctx context.Context, in *input.Input, opt *checkOptions, update func()) report.Target {
	o := rdb.VerifyOptions{
		KeepGoing:     !opt.first,
		MaxFaults:     opt.kept(),
		DuplicateKeys: !opt.noDuplicates,
		Databases:     opt.databases,
		Hints:         opt.hints,
		Workers:       opt.jobs,
		Progress:      func(int64) { update() },
	}
	src := io.Reader(in)
	if plain := in.Plain(); plain != nil {
		src = plain
		o.Progress = func(n int64) {
			in.Pass(n)
			update()
		}
	}
	rep, err := rdb.Verify(ctx, src, o)
	return report.RDB(rep, err, !opt.noDuplicates)
}
