package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/repair"
)

// exitRepaired is the status of a repair that was needed and done.
const exitRepaired = 1

// repairOptions are the flags of repair.
type repairOptions struct {
	out        string
	inPlace    bool
	dryRun     bool
	json       bool
	as         string
	strategies []string
	candidate  int
	partial    string
	lostDB     int64
	databases  uint64
	quarantine string

	knowsDatabases bool // databases was given

	until       string
	choice      int
	skipMissing bool
	doubtful    bool
	modules     bool

	given  func(but ...string) string // what was decided by flags, to be given again with the next command
	chosen []repair.Strategy          // of strategies; nil: all
	at     int64                      // of until; 0: none
}

func newRepair(e *env) *cobra.Command {
	var opt repairOptions
	cmd := &cobra.Command{
		Use:   "repair PATH (--out DST | --in-place | --dry-run)",
		Short: "Repair damaged files: heal them, or save what is still there",
		Long: `Repair looks at a damaged snapshot, append-only file, set of these or data directory, says what could be done about it, writes the
repaired files, reads them again as strictly as check does, and only then gives them their names. PATH is not touched; with --in-place
it is first kept beside itself, as PATH.damaged-TIME. DST is a file or, of a set or a data directory, a new folder.

The strategies, in the order of preference:
  heal      the exact bytes that were there. Of a snapshot, where its checksum proves them: flipped bits, bursts of up to three bytes,
            bytes lost or added, mangled line ends. Of a log, where the framing allows one correction only
  salvage   every record or command that is certain; what was lost is listed
  truncate  everything before the first damage; of a log what redis-check-aof --fix does

Of a data directory everything is repaired, or nothing is written. Only a snapshot of which nothing is left does not stand in the way of the log beside it,
which is what a server with appendonly yes loads: DST has the log alone then, in place such a snapshot stays as it is, and the exit status is 4.

Of a set a lost or bad manifest is made anew from the files that are there, if they allow one answer; if they allow several, they are
listed and --choice takes one. --until restores a log as it was at a point in time, by the timestamps that servers write into it with
aof-timestamp-enabled yes. One that cannot be true, as it is later than the file was changed or than the next two, does not end the log and is left out.

--as gives the result another form: a snapshot as the set of a server with appendonly yes (aof), a snapshot or a log as commands for
redis-cli --pipe (resp).

Exit status: 0 there was nothing to do, 1 repaired, 4 damaged and not repaired, 8 operational error, 16 usage error.`,
		Example: `  kvfsck repair dump.rdb --dry-run
  kvfsck repair dump.rdb --out repaired.rdb
  kvfsck repair dump.rdb --in-place --strategy heal
  kvfsck repair /var/lib/redis --out /var/lib/redis-repaired
  kvfsck repair appendonlydir --until 2026-03-01T12:00:00Z --out before-the-accident`,
		Args: onePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			opt.knowsDatabases = cmd.Flags().Changed("databases")
			opt.given = func(but ...string) string { return decisionsOf(cmd.Flags(), but...) }
			return runRepair(cmd.Context(), e, args[0], &opt)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opt.out, "out", "o", "", "write the repaired file or folder here")
	f.BoolVar(&opt.inPlace, "in-place", false, "replace what is damaged, and keep it beside")
	f.BoolVar(&opt.dryRun, "dry-run", false, "print the plan and write nothing")
	f.BoolVar(&opt.json, "json", false, "print one JSON document, "+report.Schema)
	f.StringVar(&opt.as, "as", "", "form of the output: rdb, aof, resp (default: that of PATH)")
	f.StringSliceVar(&opt.strategies, "strategy", []string{"auto"}, "which to consider: auto, heal, salvage, truncate")
	f.IntVar(&opt.candidate, "candidate", 0, "heal: take this one of the changes that are listed where none is proven")
	f.StringVar(&opt.partial, "partial", "drop", "collections damaged in the middle: drop them, or keep what stands before the damage")
	f.Int64Var(&opt.lostDB, "lost-db", -1, "the database of keys whose own is not known (default: that of the keys before them, or one of which keys are missing by the counts)")
	f.Uint64Var(&opt.databases, "databases", 16, "how many databases the server is configured for (0: any number)")
	f.StringVar(&opt.quarantine, "quarantine", "", "put the bytes that are not kept into this folder, with an index")
	f.StringVar(&opt.until, "until", "", "logs: leave out what is later; a time such as 2026-03-01T12:00:00Z, or in seconds since 1970")
	f.IntVar(&opt.choice, "choice", 0, "sets whose manifest is lost, or a line of it: take this one of the answers that are listed")
	f.BoolVar(&opt.skipMissing, "skip-missing", false, "sets: go on without files that are listed and gone")
	f.BoolVar(&opt.doubtful, "keep-doubtful", false, "logs: keep commands whose correction is likely and not proven")
	f.BoolVar(&opt.modules, "modules", false, "logs: take commands that no server knows for those of modules")
	exclusive(cmd, "out", "in-place", "dry-run")
	cmd.MarkFlagsOneRequired("out", "in-place", "dry-run")
	cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{"rdb", "aof", "resp"}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// decisionsOf writes the flags that say what to do, and not where to put it, but for some, as they were given, each behind a space.
func decisionsOf(flags *pflag.FlagSet, but ...string) string {
	but = append(but, "out", "in-place", "dry-run", "json", "quarantine")
	var b strings.Builder
	flags.Visit(func(f *pflag.Flag) {
		switch v, many := f.Value.(pflag.SliceValue); {
		case slices.Contains(but, f.Name):
		case many:
			fmt.Fprintf(&b, " --%s %s", f.Name, shellQuote(strings.Join(v.GetSlice(), ",")))
		case f.Value.Type() == "bool":
			b.WriteString(" --" + f.Name)
		default:
			fmt.Fprintf(&b, " --%s %s", f.Name, shellQuote(f.Value.String()))
		}
	})
	return b.String()
}

// ready reads what the flags say.
func (o *repairOptions) ready() (err error) {
	if o.chosen, err = strategiesOf(o.strategies); err != nil {
		return err
	}
	if o.as != "" && !slices.Contains([]string{"rdb", "aof", "resp"}, o.as) {
		return fmt.Errorf("no form %q: there are rdb, aof and resp", o.as)
	}
	if o.partial != "drop" && o.partial != "keep" {
		return fmt.Errorf("--partial %q: there are drop and keep", o.partial)
	}
	if o.lostDB < -1 || o.candidate < 0 || o.choice < 0 {
		return errors.New("--lost-db, --candidate and --choice are not negative")
	}
	if o.as != "" && o.inPlace {
		return errors.New("--as changes the form of the output, so it needs --out")
	}
	o.at, err = parseTime(o.until)
	return err
}

// strategiesOf reads --strategy; nil means all.
func strategiesOf(words []string) ([]repair.Strategy, error) {
	var out []repair.Strategy
	for _, w := range words {
		switch s := repair.Strategy(w); {
		case w == "auto":
			return nil, nil
		case slices.Contains(repair.Strategies, s):
			out = append(out, s)
		default:
			return nil, fmt.Errorf("no strategy %q: there are auto, heal, salvage and truncate", w)
		}
	}
	return out, nil
}

// timeForms are the ways to write a time, beside seconds since 1970. Without a zone it is UTC.
var timeForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// parseTime reads --until; nothing is 0.
func parseTime(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return n, nil
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, fmt.Errorf("--until %q is no time; write it like 2026-03-01T12:00:00Z or in seconds since 1970", s)
}

func (o *repairOptions) rdbOptions() repair.PlanOptions {
	return repair.PlanOptions{Strategies: o.chosen, Databases: o.databases, AskDatabases: !o.knowsDatabases, Salvage: o.salvageOptions(), Candidate: o.candidate}
}

func (o *repairOptions) salvageOptions() (s repair.SalvageOptions) {
	if o.lostDB >= 0 {
		db := uint64(o.lostDB)
		s.LostDB = &db
	}
	if o.partial == "keep" {
		s.Partial = repair.PartialKeep
	}
	return s
}

func (o *repairOptions) logOptions() repair.LogPlanOptions {
	p := repair.LogPlanOptions{Strategies: o.chosen}
	p.Doubtful, p.KeepUnknown, p.Until, p.RDB = o.doubtful, o.modules, o.at, o.salvageOptions()
	p.SkipMissing, p.Choice = o.skipMissing, o.choice
	p.Databases, p.AskDatabases = o.databases, !o.knowsDatabases
	if o.lostDB >= 0 {
		p.MoveLostDB, p.LostDB = true, int(o.lostDB)
	}
	return p
}

func runRepair(ctx context.Context, e *env, path string, opt *repairOptions) error {
	if err := opt.ready(); err != nil {
		return err
	}
	defer boundMemory(repairMemory, 0)()
	if path == input.Stdin {
		return errors.New("repair reads its input several times: give it by its path")
	}
	t, err := openTarget(ctx, e, path)
	defer t.close() // only read
	r := &repairing{path: path, opt: opt, target: t}
	defer r.close() // only read
	if err = r.run(ctx, e, err); errors.As(err, new(operational)) {
		return errors.Join(err, r.tellOfFailure(e, err))
	}
	return err
}

// run does it all, but for telling of an error.
func (r *repairing) run(ctx context.Context, e *env, openErr error) error {
	if openErr != nil && !(errors.As(openErr, &r.corrupt) && r.target.set != nil) {
		return operational{errors.New(explain(r.path, openErr))}
	}
	if err := r.find(e); err != nil {
		return err
	}
	if r.corrupt != nil {
		e.complain("%s: %v; what is looked at is what comes before", r.path, r.corrupt)
	}
	if err := r.checkOutput(); err != nil {
		return operational{err}
	}
	for _, p := range r.parts {
		bar := newStageProgress(e, p.path, !r.opt.json)
		err := p.plan(ctx, r.opt, bar)
		bar.done()
		switch {
		case err != nil:
			return operational{fmt.Errorf("%s: %w", p.path, err)}
		case p.candidates() < r.opt.candidate:
			return operational{fmt.Errorf("%s: there is no candidate %d: there are %d", p.path, r.opt.candidate, p.candidates())}
		case r.corrupt != nil && p.sound():
			return operational{fmt.Errorf("%s: what can be decompressed is sound as it is, and all that there is: write it out with the program that compressed it, as with gzip -dc", p.path)}
		}
	}
	if err := r.write(ctx, e); err != nil {
		var code status
		if errors.As(err, &code) {
			return err
		}
		return operational{err}
	}
	return r.tell(e)
}

// repairing is a run of repair.
type repairing struct {
	path    string
	opt     *repairOptions
	target  *target
	corrupt *input.CorruptError // of the compression around the file, which is looked at as far as it goes
	parts   []*repairPart
}

func (r *repairing) close() {
	for _, p := range r.parts {
		if p.src != nil {
			p.src.Close()
		}
	}
}

// checkOutput is an error if the output may not be written where it is to go, as far as is known by now.
func (r *repairing) checkOutput() error {
	out := r.opt.out
	there, err := os.Lstat(out)
	if err != nil {
		return nil // it is not there, or writing will tell
	}
	switch {
	case r.target.has(out):
		if in, err := os.Stat(r.path); err == nil && in.IsDir() != there.IsDir() {
			return fmt.Errorf("%s is one of the files that are looked at: name another one", out)
		}
		return fmt.Errorf("%s is what is damaged itself; to replace it use --in-place, which keeps a copy", out)
	case r.makesFolder():
		return fmt.Errorf("%s is there already, and what is written is a folder: name a new one", out)
	}
	return nil
}

// makesFolder reports whether the output is a folder.
func (r *repairing) makesFolder() bool {
	t := r.target
	switch r.opt.as {
	case "resp":
		return false
	case "aof":
		return t.dir || t.set == nil || t.set.ManifestPath != ""
	}
	return t.dir || t.set != nil && t.set.ManifestPath != ""
}

// find makes a list of what is to be repaired.
func (r *repairing) find(e *env) error {
	t, opt := r.target, r.opt
	compressed := t.in != nil && len(t.in.Layers) > 0
	stream := t.in != nil && t.in.Size < 0
	switch {
	case compressed && opt.inPlace:
		return errors.New("a compressed file cannot be repaired in place: use --out")
	case stream && opt.inPlace:
		return operational{fmt.Errorf("%s: only a regular file can be repaired in place: use --out", r.path)}
	case t.set != nil && opt.candidate != 0:
		return errors.New("--candidate is for one snapshot: name it")
	case t.set == nil && !t.dir && opt.choice != 0:
		return errors.New("--choice is for sets of append-only files")
	case t.set == nil && !t.dir && opt.at != 0:
		return errors.New("--until is for logs: a snapshot is of one time only")
	case t.dir && opt.as != "" && t.set != nil && t.snapshot != "":
		return errors.New("--as is for one snapshot or one log: name it")
	case t.set == nil && !t.dir:
		return r.addSnapshot(e, r.path, "", compressed || stream)
	case t.dir:
		if t.set != nil {
			r.addLog(t.root, "")
		}
		if t.snapshot != "" {
			return r.addSnapshot(e, joinPath(t.path, t.snapshot), t.snapshot, false)
		}
	case t.set.ManifestPath == "":
		r.addLog(t.root, t.set.Files[0].Path)
	default:
		r.addManifest()
	}
	return nil
}

// status is the exit status.
func (r *repairing) status() error {
	code := status(exitClean)
	for _, p := range r.parts {
		switch {
		case p.sound():
		case p.output == "":
			return status(exitDamaged)
		default:
			code = exitRepaired
		}
	}
	if code == exitClean {
		return nil
	}
	return code
}

// hopeless is a part about which nothing can be done and without which the others are not written, nil if there is none.
func (r *repairing) hopeless() *repairPart {
	for _, p := range r.parts {
		if !p.sound() && !p.possible() && !p.spent() {
			return p
		}
	}
	return nil
}

// write carries the plans out.
func (r *repairing) write(ctx context.Context, e *env) error {
	opt := r.opt
	if opt.dryRun || !slices.ContainsFunc(r.parts, func(p *repairPart) bool { return !p.sound() }) {
		return nil
	}
	if r.hopeless() != nil {
		return nil // of a folder all is repaired, or nothing
	}
	if opt.quarantine == "" {
		return r.writeOutput(ctx, e)
	}
	q, err := r.quarantine(opt.quarantine) // first, while all is where it was
	if err == nil {
		if err = r.writeOutput(ctx, e); err == nil || slices.ContainsFunc(r.parts, func(p *repairPart) bool { return p.output != "" }) {
			return err
		}
	}
	return errors.Join(err, q.drop())
}

func (r *repairing) writeOutput(ctx context.Context, e *env) error {
	opt := r.opt
	if opt.inPlace {
		stamp := ".damaged-" + time.Now().UTC().Format("20060102T150405Z")
		for _, p := range r.parts {
			if err := p.inPlace(ctx, stamp); err != nil {
				return err
			}
		}
		return nil
	}
	switch p := r.parts[0]; {
	case opt.as != "" && opt.as != p.form():
		return p.applyAs(ctx, e, opt.as, opt.out)
	case r.target.dir:
		return r.writeFolder(ctx, opt.out)
	default:
		return p.apply(ctx, opt.out)
	}
}

// safeLines is safe for a text of several lines.
func safeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = safe(lines[i])
	}
	return strings.Join(lines, "\n")
}
