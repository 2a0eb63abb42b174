package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/kvfsck/kvfsck/rdb"
)

// Strategy is a way to repair a file.
type Strategy string

const (
	// StrategyHeal undoes small damage exactly, where the file's checksum proves it: see [Heal].
	StrategyHeal Strategy = "heal"
	// StrategySalvage keeps every record that is certain: see [Salvage].
	StrategySalvage Strategy = "salvage"
	// StrategyTruncate keeps what stands before the first damage: see [Truncate].
	StrategyTruncate Strategy = "truncate"
)

// Strategies are all there are, in the order in which a plan prefers them: with proof first, then what keeps most.
var Strategies = []Strategy{StrategyHeal, StrategySalvage, StrategyTruncate}

// PlanOptions are settings of [NewPlan].
type PlanOptions struct {
	// Strategies are those that may be chosen; nil means all of them.
	Strategies []Strategy
	// Databases is how many databases the server is configured for; 0 means any number. In a file that is known to be damaged a larger one is a damaged number.
	Databases uint64
	// AskDatabases says that Databases is but an assumption: where keys of a larger one are kept, nothing is possible before it is said how many there are.
	AskDatabases bool
	Heal         HealOptions
	Salvage      SalvageOptions
	// Candidate is the number, from 1 on, of the one of Healing.Candidates to take though none is proven; 0 takes none. It must pass
	// the verifier. That there is no such one is an error.
	Candidate int
}

// Plan is what could be done about a file. Nothing has been written when it exists.
type Plan struct {
	Size   int64
	Report *rdb.Report // on the file as it is
	Fault  *rdb.FormatError
	Offers []Offer // one for each strategy asked for
	Chosen *Offer  // the one that [Plan.Apply] carries out; nil: nothing is to be done, or nothing can be

	src     io.ReaderAt
	state   fs.FileInfo // of src, when it was looked at; nil: not known
	opt     PlanOptions
	checked *checkedPart
}

// Sound reports whether there is nothing to repair: the newest server of the file's family loads all of it.
func (p *Plan) Sound() bool { return p.Fault == nil }

// Offer is what one strategy would come to.
type Offer struct {
	Strategy Strategy
	Possible bool
	Reason   string // why it is not possible, or what speaks for it, on one line
	Keys     int64  // that the repaired file has
	Lost     int64  // keys known of that it has not, or not whole
	Bytes    int64  // of the file that are not kept

	// Databases is how many databases a server needs for the keys, where it is configured for fewer and the offer is not possible for no other reason; 0 otherwise.
	Databases uint64
	// NoMore says that it is possible if it is known that the server has no more than it is configured for: then PlanOptions.AskDatabases is not to be set.
	NoMore bool

	Healing  *Healing   // of StrategyHeal
	Healed   *Candidate // of StrategyHeal, if it is possible: the one that is taken
	Salvaged *Salvaged  // of the others

	write func(w io.Writer) error
	size  func() (int64, error) // of what is written
}

// Partial reports whether something is lost that the file still showed traces of.
func (o *Offer) Partial() bool { return o.Lost > 0 || o.Salvaged != nil && o.Salvaged.LostBytes > 0 }

// NewPlan looks at an RDB of size bytes and finds out what each strategy would keep and lose. It reads the file several times and
// writes nothing. An error is one of the input.
func NewPlan(ctx context.Context, src io.ReaderAt, size int64, opt PlanOptions) (*Plan, error) {
	if err := cmp.Or(misSized(src, size), knownStrategies(opt.Strategies), opt.candidate()); err != nil {
		return nil, err
	}
	p := &Plan{Size: size, src: src, state: statOf(src), opt: opt}
	verify := p.verifyOptions()
	verify.DuplicatesOfWhole = true
	rep, known, err := checkFirst(ctx, src, size, verify, opt.Salvage)
	defer known.close()
	p.Report, p.checked = rep, known
	if err == nil {
		return p, nil
	}
	if !errors.As(err, &p.Fault) {
		return nil, err
	}
	if err := p.offers(ctx); err != nil {
		return nil, err
	}
	if !rep.Complete && !p.noneTwice() {
		if p.Report, err = rdb.Verify(ctx, io.NewSectionReader(src, 0, size), p.verifyOptions()); !errors.As(err, &p.Fault) {
			return nil, cmp.Or(err, ErrChanged)
		}
	}
	p.choose()
	return p, nil
}

// knownStrategies is the error of a strategy that there is not.
func knownStrategies(strategies []Strategy) error {
	for _, s := range strategies {
		if !slices.Contains(Strategies, s) {
			return fmt.Errorf("repair: no strategy %q: there are %q", s, Strategies)
		}
	}
	return nil
}

// candidate is the error of one that cannot be taken whatever the file.
func (o *PlanOptions) candidate() error {
	switch {
	case o.Candidate < 0:
		return fmt.Errorf("repair: there is no candidate %d", o.Candidate)
	case o.Candidate > 0 && o.Strategies != nil && !slices.Contains(o.Strategies, StrategyHeal):
		return fmt.Errorf("repair: candidate %d is of a strategy that is not asked for", o.Candidate)
	}
	return nil
}

// offers asks all strategies. Healing has all processors to itself; the others read the file in one go each, side by side.
func (p *Plan) offers(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wanted []Strategy
	for _, s := range Strategies {
		if p.opt.Strategies == nil || slices.Contains(p.opt.Strategies, s) {
			wanted = append(wanted, s)
		}
	}
	p.Offers = make([]Offer, len(wanted))
	var asked sync.WaitGroup
	ask := func(i int) {
		o, err := p.offer(ctx, wanted[i])
		if p.Offers[i] = o; err != nil {
			cancel(err)
		}
	}
	for i, s := range wanted {
		if s == StrategyHeal {
			ask(i)
		} else {
			asked.Go(func() { ask(i) })
		}
	}
	asked.Wait()
	return context.Cause(ctx)
}

// noneTwice reports whether a salvage saw that no key stands twice, among those before the first fault either.
func (p *Plan) noneTwice() bool {
	return slices.ContainsFunc(p.Offers, func(o Offer) bool { return o.Salvaged != nil && o.Salvaged.DuplicateKeys == 0 })
}

// verifyOptions are how files are judged before and after.
func (p *Plan) verifyOptions() rdb.VerifyOptions {
	return rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, Databases: p.opt.Databases, TempDir: p.opt.Salvage.TempDir}
}

// choose takes the first that is possible, in the order of [Strategies]: what is proven, else what keeps everything that is certain. Truncate may have more keys than
// salvage, but then they are some that are doubted. Where a decision would make one possible, none behind it is taken in its place. A file behind which another one stands, and whole, is healed
// by taking out all before that; but not if salvage has more keys, unless it is asked for.
func (p *Plan) choose() {
	for i := range p.Offers {
		o := &p.Offers[i]
		if o.Healed != nil && o.Healed.beheads() && p.opt.Candidate == 0 && slices.ContainsFunc(p.Offers[i+1:], func(other Offer) bool {
			return other.Strategy == StrategySalvage && other.Possible && other.Keys > o.Keys
		}) {
			continue
		}
		if o.Possible {
			p.Chosen = o
		}
		if o.Possible || o.Databases > 0 {
			return
		}
	}
}

func (p *Plan) offer(ctx context.Context, s Strategy) (Offer, error) {
	switch s {
	case StrategyHeal:
		return p.offerHeal(ctx)
	case StrategySalvage:
		return p.offerSalvaged(ctx, s, p.opt.Salvage, Salvage)
	default:
		opt := p.opt.Salvage
		opt.Progress = nil // salvage tells how far it is
		return p.offerSalvaged(ctx, s, opt, Truncate)
	}
}

// outcomeReasons say why a file cannot be healed.
var outcomeReasons = map[HealOutcome]string{
	HealAmbiguous:    "several changes would explain the checksum, and nothing tells which is right",
	HealUnproven:     "a change would explain the checksum, but may be a coincidence",
	HealSound:        "the checksum is right",
	HealRightSum:     "the checksum was made over the damage",
	HealDisabled:     "the file was saved without a checksum",
	HealOldVersion:   "files of this version have no checksum",
	HealCutShort:     "the file ends early, and the checksum is gone with the end",
	HealNotRDB:       "neither the start nor the checksum is that of an RDB",
	HealNothingFound: "more damage than the checksum can locate",
}

func (p *Plan) offerHeal(ctx context.Context) (Offer, error) {
	o := Offer{Strategy: StrategyHeal}
	h, err := Heal(ctx, p.src, p.Size, p.opt.Heal)
	if err != nil {
		return o, err
	}
	o.Healing = h
	best := h.Best()
	if n := p.opt.Candidate; best == nil && n > h.Verified() {
		return o, fmt.Errorf("repair: there is no candidate %d: there are %d", n, h.Verified())
	}
	reason := "proven by the checksum"
	if n := p.opt.Candidate; best == nil && n > 0 && n <= h.Verified() {
		best, reason = &h.Candidates[n-1], fmt.Sprintf("candidate %d, as was asked for", n)
	}
	if best == nil {
		o.Reason = outcomeReasons[h.Outcome]
		return o, nil
	}
	o.Possible, o.Keys, o.Healed = true, best.Report.Keys, best
	o.Bytes = best.Removed() + p.Size - best.End
	o.Reason = fmt.Sprintf("%v at offset %d: %s, odds of a coincidence %.1g", best.Kind, best.Offset(), reason, best.Odds)
	for db, n := range best.Report.DBs {
		o.needs(db, n.Keys, p.opt.Databases)
	}
	o.Possible = o.Databases == 0
	o.size = func() (int64, error) { return best.Size, nil }
	o.write = func(w io.Writer) error {
		_, err := io.Copy(w, best.Open(p.src))
		return err
	}
	return o, nil
}

func (p *Plan) offerSalvaged(ctx context.Context, s Strategy, opt SalvageOptions, salvage func(context.Context, io.ReaderAt, int64, SalvageOptions) (*Salvaged, error)) (Offer, error) {
	o := Offer{Strategy: s}
	opt.databases, opt.noMore = p.opt.Databases, !p.opt.AskDatabases
	if opt.checked = p.checked; s == StrategyTruncate {
		opt.checked = p.checked.withoutRuns()
	}
	got, err := salvage(ctx, p.src, p.Size, opt)
	if err != nil {
		return o, err
	}
	o.Salvaged, o.Keys, o.Bytes = got, got.Keys, got.LostBytes+got.ForeignBytes
	o.Lost = got.DamagedKeys + got.DoubtfulKeys
	o.Possible = got.Keys > 0 || got.Complete
	for _, d := range got.DBs {
		o.needs(d.DB, d.Kept, p.opt.Databases)
	}
	switch {
	case o.Databases > 0:
		o.Possible, o.NoMore = false, p.opt.AskDatabases && s == StrategySalvage && got.damaged
	case !o.Possible:
		o.Reason = "no record of the file can be recognised"
	case s == StrategyTruncate:
		o.Reason = "everything before the first damage, nothing behind it"
	default:
		o.Reason = salvageReason(got)
	}
	o.size = got.size
	o.write = func(w io.Writer) error {
		_, err := got.WriteTo(w)
		return err
	}
	return o, nil
}

// needs notes that a database has keys; a server that is configured for fewer databases, 0 being any number, does not load them.
func (o *Offer) needs(db uint64, keys int64, configured uint64) {
	if keys == 0 || configured == 0 || db < max(configured, o.Databases) {
		return
	}
	o.Databases = db + 1
	o.Reason = fmt.Sprintf("keys of database %d are kept, and the server is configured for %d: if it has more databases, say how many", db, configured)
}

// salvageReason says what salvage would do.
func salvageReason(s *Salvaged) string {
	switch {
	case s.Gaps == 0 && s.DuplicateBytes > 0 && s.LostBytes == s.DuplicateBytes && !s.sumWrong:
		return "every record can be read: of those with one name the last is kept"
	case s.Gaps == 0 && s.DuplicateBytes > 0 && s.LostBytes == s.DuplicateBytes:
		return "every record can be read: of those with one name the last is kept, and damaged is the checksum, or the inside of a string"
	case s.Gaps == 0 && s.LostBytes == 0 && !s.ChecksumRight:
		return "every record can be read: what is damaged is the checksum, or the inside of a string"
	case s.Gaps == 0 && s.DuplicateKeys > 0:
		return "every record that is certain, and of keys that stand twice the last"
	case s.Gaps == 0:
		return "every record that is certain"
	case s.Gaps == 1:
		return "every record that is certain, before and behind the damage"
	default:
		return fmt.Sprintf("every record that is certain, across %d places where some are lost", s.Gaps)
	}
}
