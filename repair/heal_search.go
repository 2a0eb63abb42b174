package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// search is a run of Heal. It takes one place after the other for the end of the RDB; for each, all that depends on the end is in word.
type search struct {
	ctx   context.Context
	src   io.ReaderAt
	size  int64
	opt   HealOptions
	h     *Healing
	check func(*Candidate) error // runs the verifier on the healed file
	meter meter

	word

	mu    sync.Mutex // of what the goroutines of a walk put down
	cands []Candidate
	known map[string]bool // by key
}

// word is the RDB with its checksum, n bytes from the start of the input.
type word struct {
	n       int64
	residue uint64   // register after n bytes, 0 if nothing is wrong
	before  uint64   // register before the stored checksum
	marks   []uint64 // register before every multiple of walkBlock
	text    textCounts
	blocks  *registerTable // register before every multiple of blockAlign, where inserted blocks are looked for
	align   int64
}

// stage is a part of the search and the kinds that it finds.
type stage struct {
	kinds Damage
	last  bool // costs so much that it runs only where the others found nothing that passes the verifier
	run   func(*search) error
}

// walkKinds are those found in the walk over all positions.
const walkKinds = spliceKinds | DamageSwappedBytes | DamageTwoBits | DamageInsertedBlock

// stages is the table of what is done for every end, the cheap first.
var stages = []stage{
	{kinds: DamageFlippedBit, run: (*search).bit},
	{kinds: DamageCRLF | DamageLatin1, run: (*search).wholeText},
	{kinds: DamageLostCR, run: (*search).lostCRs},
	{kinds: walkKinds, run: (*search).walkAll},
	{kinds: DamageSwappedBlocks, run: (*search).swappedBlocks},
	{kinds: DamageTwoBits, run: (*search).twoBits, last: true},
}

const defaultHealMemory = 64 << 20

func newSearch(ctx context.Context, src io.ReaderAt, size int64, opt HealOptions) *search {
	if opt.MaxMemory <= 0 {
		opt.MaxMemory = defaultHealMemory
	}
	return &search{
		ctx: ctx, src: src, size: size, opt: opt, known: map[string]bool{},
		h: &Healing{Size: size, End: size}, meter: meter{report: opt.Progress},
	}
}

// timed begins to measure the search, and returns what ends that.
func (s *search) timed() func() {
	since := time.Now()
	return func() { s.h.Elapsed = time.Since(since) }
}

// wants reports whether any of the kinds is looked for.
func (s *search) wants(kinds Damage) bool { return s.opt.Kinds == 0 || s.opt.Kinds&kinds != 0 }

// over runs the stages, or the last ones, with every one of the ends.
func (s *search) over(ends []int64, last bool) error {
	for i, n := range ends {
		if n <= crc64.Size {
			continue
		}
		if err := s.survey(n); err != nil {
			return err
		}
		if i == 0 {
			s.h.End, s.h.Stored, s.h.Computed = n, s.stored(), s.computed()
		}
		if s.residue == 0 || s.stored() == 0 {
			s.h.Outcome = s.settled(s.h.Outcome)
			if err := s.blind(); err != nil {
				return err
			}
			continue
		}
		for _, st := range stages {
			if st.last != last || !s.wants(st.kinds) {
				continue
			}
			if err := st.run(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// settled returns what is to be said of a word in which nothing is to be looked for, unless something was said before.
func (s *search) settled(before HealOutcome) HealOutcome {
	switch {
	case before != "":
		return before
	case s.residue == 0 && s.stored() != 0: // that of zeros is 0
		return HealRightSum
	default:
		return HealDisabled
	}
}

// stored returns the checksum stored in the word. The registers before and after its eight bytes differ by just these.
func (s *search) stored() uint64 { return s.computed() ^ crc64.Unshift(s.residue, crc64.Size) }

// computed returns the checksum of the bytes before the stored one.
func (s *search) computed() uint64 { return s.before }

// read fills p from an offset of the input.
func (s *search) read(p []byte, at int64) error {
	n, err := s.src.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(p), at, err)
}

// chance returns the odds that one of so many tests succeeds by accident if each leaves the given number of bits of 64 free.
func chance(tests float64, free int) float64 {
	return min(1, math.Ldexp(tests, free-64))
}

// tried notes what was looked for, once for all ends.
func (s *search) tried(kind Damage, tests int64, odds float64, skipped string) {
	if !s.wants(kind) {
		return
	}
	for i := range s.h.Tried {
		if t := &s.h.Tried[i]; t.Kind == kind {
			t.Tests, t.Odds = t.Tests+tests, min(1, t.Odds+odds)
			if skipped != "" {
				t.Skipped = skipped
			}
			return
		}
	}
	s.h.Tried = append(s.h.Tried, TriedKind{kind, tests, odds, skipped})
}

// limits of how many candidates are kept, and how many are verified.
const (
	maxFound    = 1 << 10
	maxVerified = 32
)

// faultSlack is how far behind the place of a fault its cause may begin: the fault is reported where an item begins or ends.
const faultSlack = 16

// found takes a candidate of the word.
func (s *search) found(c Candidate) { s.foundAs(c.Kind, c) }

// foundAs takes a candidate of the word that is of another kind too. One of them must have been asked for.
func (s *search) foundAs(kind Damage, c Candidate) {
	kind |= c.Kind
	s.relabel(&c)
	if s.wants(kind | c.Kind) {
		s.foundUpTo(s.n, c)
	}
}

// foundUpTo takes a candidate with its end, if it is new and not certain to leave the fault where it is.
func (s *search) foundUpTo(end int64, c Candidate) {
	c.End = end
	if c.transform == asIs {
		c.Size = sizeOf(end, c.Edits)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := c.key()
	switch {
	case s.known[key]:
	case len(s.cands) >= maxFound, s.h.Fault != nil && c.Offset() > s.h.Fault.Offset+faultSlack:
		s.h.Discarded++
	default:
		s.known[key] = true
		s.cands = append(s.cands, c)
	}
}

// judge verifies the candidates found since it was last called and puts all in order.
func (s *search) judge() error {
	slices.SortStableFunc(s.cands, func(a, b Candidate) int { return cmp.Compare(a.Odds, b.Odds) })
	if extra := len(s.cands) - maxVerified; extra > 0 {
		s.h.Discarded += extra
		s.cands = s.cands[:maxVerified]
	}
	s.meter.expect(int64(len(s.cands)) * s.size)
	h := s.h
	for _, c := range s.cands {
		if err := s.verify(&c); err != nil {
			return err
		}
		same := func(o Candidate) bool { return o.Verified && c.Verified && o.Size == c.Size && o.sum == c.sum }
		if slices.ContainsFunc(h.Candidates, same) {
			h.Discarded++
			continue
		}
		h.Candidates = append(h.Candidates, c)
	}
	s.cands = nil
	slices.SortStableFunc(h.Candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a.Odds, b.Odds))
	})
	return nil
}

// rank is 1 for what the verifier accepts, else 0.
func rank(c Candidate) int {
	if c.Verified {
		return 1
	}
	return 0
}

// conclude names the outcome, and takes the end from the best candidate.
func (s *search) conclude() {
	h := s.h
	verified := h.Verified()
	switch {
	case verified == 0:
		if h.Outcome == "" {
			h.Outcome = HealNothingFound
		}
		return
	case verified > 1:
		h.Outcome = HealAmbiguous
	case h.Candidates[0].Odds > h.Candidates[0].mostOdds():
		h.Outcome = HealUnproven
	default:
		h.Outcome = Healed
	}
	h.End = h.Candidates[0].End
}

// workers is how many goroutines a search uses.
func workers() int { return runtime.GOMAXPROCS(0) }

// meter passes on how much of the work is done.
type meter struct {
	mu          sync.Mutex
	report      func(done, total int64)
	done, total int64
}

// expect adds to the work.
func (m *meter) expect(n int64) { m.add(0, n) }

// did counts work as done.
func (m *meter) did(n int64) { m.add(n, 0) }

func (m *meter) add(done, total int64) {
	if m.report == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = m.done+done, m.total+total
	m.report(m.done, max(m.done, m.total))
}

// verify runs the verifier on a candidate. The error is one of reading or of the context.
func (s *search) verify(c *Candidate) error {
	err := s.check(c)
	s.meter.did(s.size)
	if fe := (*rdb.FormatError)(nil); err != nil && !errors.As(err, &fe) {
		return fmt.Errorf("verifying a candidate: %w", err)
	}
	c.Err, c.Verified = err, err == nil
	return s.ctx.Err()
}
