package repair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// LogPlanOptions are settings of [NewLogPlan].
type LogPlanOptions struct {
	// Strategies are those that may be chosen; nil means all of them.
	Strategies []Strategy
	// AskDatabases says that Databases is but an assumption: where a SELECT is left out for its sake, nothing is possible before it is said how many there are.
	AskDatabases bool
	AOFSetOptions
}

// LogPlan is what could be done about an append-only file or set. Nothing has been written when it exists.
type LogPlan struct {
	Found    *aof.Report  // on the set as it is
	Salvaged *SalvagedSet // what is left of it
	Offers   []LogOffer   // one for each strategy asked for; none if there is nothing to do
	Chosen   *LogOffer    // the one that is carried out; nil: nothing is to be done, or nothing can be

	opt LogPlanOptions
}

// LogOffer is what one strategy would come to.
type LogOffer struct {
	Strategy Strategy
	Possible bool
	Reason   string // why it is not possible, or what speaks for it, on one line
	Commands int64  // that the repaired set has of the damaged one, the healed ones among them
	Healed   int64  // commands whose framing is corrected
	Lost     int64  // commands that are left out, as far as their number can be told
	LostKeys int64  // keys known of that are missing in damaged RDB parts
	Bytes    int64  // that are left out
	// Databases is how many databases a server needs for the log, where it is to be said how many it has; 0 otherwise.
	Databases uint64
	Result    *SalvagedSet
}

// Partial reports whether something is left out.
func (o *LogOffer) Partial() bool { return o.Lost > 0 || o.LostKeys > 0 || o.Bytes > 0 }

// NewLogPlan looks at a log and finds out what each strategy would keep and lose. The log is the file of that name in fsys, or if the
// name is empty the set whose directory, or whose server's data directory, is the root of fsys. It writes nothing. An error is one
// of the input, or [ErrNothingBefore].
//
// Of a log, [StrategyHeal] corrects the framing of commands where only one correction is possible, and is offered where that undoes
// all of the damage; [StrategySalvage] does so and leaves out what cannot be corrected; [StrategyTruncate] does what
// redis-check-aof --fix does.
func NewLogPlan(ctx context.Context, fsys fs.FS, name string, opt LogPlanOptions) (*LogPlan, error) {
	err := knownStrategies(opt.Strategies)
	if err != nil {
		return nil, err
	}
	p := &LogPlan{opt: opt}
	if name == "" {
		p.Salvaged, err = SalvageSet(ctx, fsys, opt.AOFSetOptions)
	} else {
		p.Salvaged, err = salvageAlone(ctx, fsys, name, opt.AOFOptions)
	}
	if err != nil {
		return nil, err
	}
	if p.Found, err = p.Salvaged.Set.Check(ctx, p.checkOptions()); err != nil {
		return nil, err
	}
	if p.Sound() {
		return p, nil
	}
	for _, s := range Strategies {
		if opt.Strategies != nil && !slices.Contains(opt.Strategies, s) {
			continue
		}
		o, err := p.offer(ctx, s)
		if err != nil {
			return nil, err
		}
		p.Offers = append(p.Offers, o)
	}
	p.choose()
	return p, nil
}

// checkOptions are how logs are judged before and after.
func (p *LogPlan) checkOptions() aof.CheckOptions {
	return aof.CheckOptions{AssumeModules: p.opt.KeepUnknown, Databases: p.opt.Databases, RDB: rdb.VerifyOptions{Databases: p.opt.Databases}}
}

// salvageAlone makes a set of a file on its own.
func salvageAlone(ctx context.Context, fsys fs.FS, name string, opt AOFOptions) (*SalvagedSet, error) {
	set, err := aof.OpenFile(fsys, name)
	if err != nil {
		return nil, err
	}
	s := &SalvagedSet{Set: set, Dir: set.Dir}
	return s, s.salvageFiles(ctx, fsys, set.Files, AOFSetOptions{AOFOptions: opt})
}

// Sound reports whether there is nothing to repair: no finding on the set is an error, and nothing is left out of it.
func (p *LogPlan) Sound() bool {
	s := p.Salvaged
	if s.Rebuilt || s.Blocked != "" || slices.ContainsFunc(p.Found.Findings, graveFinding) || p.KeysNeed() > 0 {
		return false
	}
	return !slices.ContainsFunc(s.Files, func(f SalvagedFile) bool { return !f.whole() })
}

func graveFinding(f aof.Finding) bool { return f.Severity() == rdb.Error }

// whole reports whether the file is kept byte for byte.
func (s *SalvagedAOF) whole() bool {
	return s.Sound || s.text == nil && !slices.ContainsFunc(s.Regions, func(r AOFRegion) bool { return !r.Kind.Kept() || len(r.Edits) > 0 || r.Select >= 0 })
}

// choose takes the first that is possible, in the order of [Strategies]: what corrects everything, else what keeps everything that is certain.
func (p *LogPlan) choose() {
	for i := range p.Offers {
		o := &p.Offers[i]
		if empties := o.Strategy == StrategyTruncate && o.Commands == 0 && o.Bytes > 0; o.Possible && (!empties || len(p.Offers) == 1) {
			p.Chosen = o
			return
		}
	}
}

func (p *LogPlan) offer(ctx context.Context, s Strategy) (LogOffer, error) {
	o := LogOffer{Strategy: s}
	if p.Salvaged.Blocked != "" {
		o.Reason = p.Salvaged.Blocked
		return o, nil
	}
	if n := p.KeysNeed(); n > 0 {
		o.Databases = n
		o.Reason = fmt.Sprintf("keys of database %d are in an RDB part, and the server is configured for %d: if it has more databases, say how many", n-1, p.opt.Databases)
		return o, nil
	}
	if n := p.needed(); p.opt.AskDatabases && n > 0 {
		o.Databases = n
		o.Reason = fmt.Sprintf("database %d is selected, and the server is taken to have %d: say how many it has; if it has not more, the SELECT is damaged, and is left out", n-1, p.opt.Databases)
		return o, nil
	}
	switch s {
	case StrategyTruncate:
		return o, p.truncated(ctx, &o)
	default:
		o.count(p.Salvaged)
	}
	switch {
	case s == StrategyHeal && (o.Partial() || len(p.Salvaged.Missing) > 0):
		o.Reason = "not all of the damage can be undone"
	case s == StrategyHeal && p.Salvaged.leftOver > 0:
		o.Possible, o.Reason = true, "nothing is left out of what the manifest lists"
	case s == StrategyHeal:
		o.Possible, o.Reason = true, "nothing is left out"
	default:
		o.Possible = o.Commands > 0 || o.Bytes == 0 || slices.ContainsFunc(p.Salvaged.Files, func(f SalvagedFile) bool { return f.Preamble > 0 })
		o.Reason = "every command that is certain"
		if n := len(p.Salvaged.Missing); n > 0 {
			o.Reason = fmt.Sprintf("every command that is certain, without those of %d files that are gone", n)
		}
		if !o.Possible {
			o.Reason = "no command of it can be recognised"
		}
	}
	return o, nil
}

// needed is how many databases a server needs for the SELECTs that are left out for the sake of those that it has; 0 if there are none.
func (p *LogPlan) needed() (n uint64) {
	for i := range p.Salvaged.Files {
		n = max(n, p.Salvaged.Files[i].Databases)
	}
	return n
}

// KeysNeed returns how many databases a server needs for the keys of RDB parts, if it is configured for fewer; else 0.
func (p *LogPlan) KeysNeed() (n uint64) {
	if p.opt.Databases == 0 {
		return 0
	}
	need := func(db uint64, keys int64) {
		if keys > 0 && db >= p.opt.Databases {
			n = max(n, db+1)
		}
	}
	for i := range p.Salvaged.Files {
		f := &p.Salvaged.Files[i]
		if f.RDB != nil {
			for _, d := range f.RDB.DBs {
				need(d.DB, d.Kept)
			}
			continue
		}
		for k := range p.Found.Files {
			if r := &p.Found.Files[k]; r.RDB != nil && r.File.Path == f.Path {
				for db, c := range r.RDB.DBs {
					need(db, c.Keys)
				}
			}
		}
	}
	return n
}

// count adds up the accounts of the files.
func (o *LogOffer) count(s *SalvagedSet) {
	o.Result = s
	for i := range s.Later {
		o.Bytes += s.Later[i].Size
	}
	for i := range s.Files {
		f := &s.Files[i]
		o.Commands, o.Healed, o.Lost = o.Commands+f.Kept, o.Healed+f.Healed, o.Lost+f.Lost
		for _, r := range f.Regions {
			switch {
			case r.Kind.Kept(), r.Kind == AOFPreambleBad && f.RDBHealed != nil:
			case r.Kind == AOFPreambleBad && f.RDB != nil:
				o.LostKeys += f.RDB.DamagedKeys + f.RDB.DoubtfulKeys
				o.Bytes += f.RDB.LostBytes + f.RDB.ForeignBytes
			default:
				o.Bytes += r.End - r.Start
			}
		}
	}
}

// truncated offers what redis-check-aof --fix would do: cut the last file, if nothing else is wrong.
func (p *LogPlan) truncated(ctx context.Context, o *LogOffer) error {
	switch {
	case p.Salvaged.Rebuilt:
		o.Reason = "redis-check-aof needs a manifest without fault"
		return nil
	case p.opt.Until != 0:
		o.Reason = "a point in time is asked for"
		return nil
	}
	result := *p.Salvaged
	result.Files = slices.Clone(result.Files)
	for i := range result.Files {
		f := &result.Files[i]
		t, kept, left, err := p.truncateFile(ctx, f)
		var fault *aof.FormatError
		switch {
		case errors.As(err, &fault):
			o.Reason = fmt.Sprintf("%s: the RDB part is damaged, of which redis-check-aof repairs nothing", f.Path)
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", f.Path, err)
		case t.Fault != nil && i < len(result.Files)-1:
			o.Reason = fmt.Sprintf("%s is not the last file, and redis-check-aof cuts no other", f.Path)
			return nil
		case left != nil:
			o.Reason = fmt.Sprintf("%s: redis-check-aof would leave what no server takes: %v", f.Path, left)
			return nil
		}
		f.SalvagedAOF = t.account(kept)
	}
	o.count(&result)
	o.Possible, o.Reason = true, "everything before the first damage of the last file, nothing behind it"
	return nil
}

// truncateFile finds out where a file would be cut, and how many commands that leaves. left says what a server has against these.
func (p *LogPlan) truncateFile(ctx context.Context, f *SalvagedFile) (t *AOFTruncation, kept int64, left, err error) {
	src, size, closer, err := openAt(p.Salvaged.Set.FS, f.Path)
	if err != nil {
		return nil, 0, nil, err
	}
	defer closer.Close()
	if t, err = TruncateAOF(ctx, src, size, p.opt.AOFOptions); err != nil {
		return t, 0, nil, err
	}
	r, _, left := readAOF(ctx, src, t.Valid, aof.AsServer, p.opt.AOFOptions)
	var fault *aof.FormatError
	switch {
	case left == errCanonical:
		left = nil
	case left != nil && !errors.As(left, new(insaneError)) && !errors.As(left, &fault):
		return t, 0, nil, left
	}
	return t, r.Position().Commands, left, nil
}

// account is the truncation as a map of the file.
func (t *AOFTruncation) account(kept int64) *SalvagedAOF {
	out := &SalvagedAOF{Size: t.Size, Sound: t.Valid == t.Size, Preamble: t.Position.Preamble, Kept: kept, Cut: -1}
	add := func(kind AOFRegionKind, start, end, commands int64) {
		if start < end {
			out.Regions = append(out.Regions, AOFRegion{Kind: kind, Start: start, End: end, Commands: commands, Select: -1})
		}
	}
	add(AOFPreamble, 0, out.Preamble, 0)
	add(AOFIntact, out.Preamble, t.Valid, out.Kept)
	add(AOFLost, t.Valid, t.Size, 0)
	return out
}
