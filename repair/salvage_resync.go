package repair

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// Resynchronisation. Reading failed at some place, and that is not the place of the damage:
//
//	known good | a1 a2 a3 ... | S ~~~~~~~~~ F ................... | h b1 b2 b3 ...
//	           w: some records   the record  where it failed        records again
//	           back              that failed
//
// A length that grew swallows records and fails inside the last of them, or leads to a place where bytes happen to read as a few records
// more. So everything from w on is open again. First an anchor is looked for: a chain of records that runs past S, that is not one
// with those that failed, and that no accident explains. Then the best reading of everything between w and the anchor is
// computed: records in a row, and gaps between rows, so that the evidence of all records less what every new row costs is
// greatest. A record that swallowed others loses to them, for they have more to show than it alone. At last the records beside gaps are
// judged one by one (salvage_judge.go): the reading may be the best and still have one too many.
const (
	calmBits       = 24 // what it costs to suppose damage where nothing failed
	calmLeast      = -8 // what may be said against a record there: files can be odd
	startBits      = 22 // what a new row costs: the places where it could begin, and caution
	headMin        = 14 // evidence that there must be for the beginning of a row: what has less with all before it is not believed
	headLeast      = 7  // the same where there is but one place, more by how many there are
	followBits     = 3  // a record where one must be
	gapBits        = 20 // what it costs that a row ends before the anchor: one more damage
	anchorBits     = 56 // evidence that a chain must have, beside the number of places tried
	anchorCount    = 3  // and records, or else ones that tell their own end
	anchorRun      = 8  // records of the anchor that are read before the rest is trusted
	lookBack       = 16 // records
	lookBackMin    = 2  // of these the size does not matter
	lookBackMax    = 1 << 20
	fillMost       = 256 << 10 // bytes of the anchor that are searched for records beside it
	learnFirst     = 24        // keys, so that those of the anchor are learnt first where fewer were seen
	zeroRun        = 64        // zero bytes that are passed over
	solidBits      = 5.5       // evidence from which a record counts where some are wanted
	luckMost       = 30        // evidence for records that may all the same be read by luck, behind one that was misread
	strongBits     = 24        // evidence of a record in a trusted chain that nothing inside it is looked for
	dyingBits      = 50        // evidence that a row must have that does not reach the anchor
	dyingPair      = 60        // the same of two records that do not tell their own end
	closedCount    = 6         // solid records of a chain that begins in what seems to be the rest of a value: a block of another place
	closedBits     = 100       // and evidence for them
	dyingLed       = 65.0      // the same with the head of the damaged record behind it
	dyingLedString = 78.0      // and of a row that begins with a string, which may be one of a collection
	dyingNear      = 26        // the same where the anchor is near
	nearMost       = 1 << 10   // bytes that may be open
)

// gap is the reading of one place where records were lost.
type gap struct {
	s         *salvager
	w         int64          // what is open begins
	failed    int64          // S
	stuck     map[int64]bool // records that led to S
	skipped   []span         // embedded dumps
	fieldRun  map[int64]int  // places where strings end that may be fields: how many of them
	chained   map[int64]bool // records of the anchor's chain, behind the strings that it begins with
	gapStart  int64          // where records are missing before the row that is judged
	damaged   int64          // the record just before that, if it is damaged; -1: it is not
	next      int64          // where the row behind the one that is judged begins, 0 if there is none
	asked     int            // how often it was tried to explain it
	closed    int64          // behind the rest of the record that failed, if that is known
	anchor    int64          // where the trusted chain is left to the ordinary reading; the end if there is none
	thin      bool           // of the record that was judged last there is nothing to be said but that it has little evidence
	clean     bool           // what is known of keys is not that of the strings read last
	fields    bool           // what was read since the last gap is fields of a hash
	behindKey bool           // the record that is judged is no field, as one before it in its row is none
	learnt    bool           // few keys were known before the gap
	filled    int64          // elements of the record that failed reach up to there
	hashes    []span         // fields of such whose heads were found, though they cannot be read
	elements  []span         // of records that are open, in which nothing is looked for
	found     bool
	last      bool    // the anchor is the end mark
	calm      float64 // what it costs to suppose damage though nothing failed
}

// newGap is a gap where reading failed, with what is open from w on.
func (s *salvager) newGap(w, failed int64) *gap {
	return &gap{s: s, w: w, failed: failed, stuck: map[int64]bool{}, fieldRun: map[int64]int{}}
}

type span struct{ start, end int64 }

func inOrder(s []span) []span {
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return s
}

// resync finds out where the file goes on after reading failed in the record at s.pos.
func (s *salvager) resync(failed int64) error {
	g := s.newGap(failed, failed)
	g.stuck[failed] = true
	g.clean = s.cleanText()
	g.w = g.openFrom(failed)
	s.probe.forgetAll()
	large := g.afterLarge()
	if !large {
		s.probe.forgetAll()
		g.closed = g.torn()
		g.elements = g.rests()
		g.search(g.w)
	}
	if !large && g.found && s.census.keyText.strings < learnFirst {
		g.learnt, s.learntEver = true, true
		s.learnFrom(g.anchor)
		s.probe.forgetAll()
		g.closed = g.torn()
		g.search(g.w)
		if s.census.keyText.strings < learnFirst && g.learnAlike() {
			s.probe.forgetAll()
			g.search(g.w)
		}
	}
	if err := s.probe.view.err; err != nil {
		return err
	}
	path := s.judge(g.best(), g)
	s.replace(g, path)
	s.keysAtGap = s.census.keys
	return s.ctx.Err()
}

// failedType returns the type of the record that failed, if that is a key; else what no key has.
func (g *gap) failedType() rdb.Type {
	b := g.s.probe.view.at(g.failed, 64)
	if at := afterModifiers(b); at >= 0 {
		return rdb.Type(b[at])
	}
	return opEOF
}

// openFrom returns where the search begins: some records before the one that failed. These are noted in stuck.
func (g *gap) openFrom(failed int64) int64 {
	s, stuck := g.s, g.stuck
	w := failed
	fields := s.fieldsPossible() && s.probe.fieldAt(failed) && !g.afterKeys(failed) // what was read since the last gap may be fields too
	for i := len(s.recent) - 1; i >= 0; i-- {
		f := &s.recent[i]
		n := len(s.recent) - i
		if fields && f.end == w && f.likeField() {
			w = f.start
			stuck[w] = true
			continue
		} else if fields && f.end != w && w != failed {
			g.fields = true
		}
		fields = false
		rote := f.nameless || f.rote || n > 1 && s.recent[i+1].rote // with what may have led there
		if f.end != w && w != failed || n > lookBackMin && (n > lookBack && !rote || failed-f.start > lookBackMax) {
			break
		}
		w = f.start
		stuck[w] = true
	}
	return w
}

// search looks for the anchor: the first chain that is trusted. One of which the first record passes over the failure without much for it may owe that to
// a length read by luck, and what it leads to is a chain without it too. So another one is looked for inside that record.
func (g *gap) search(from int64) {
	p := &g.s.probe
	g.fieldRun, g.chained, g.hashes = map[int64]int{}, nil, g.hashes[:0]
	g.noteZeroed()
	g.found, g.last, g.anchor, g.skipped = false, false, p.end, g.skipped[:0]
	var c, wide chain // wide begins with a record that passes over the failure
	defer func() {
		if !g.found && len(wide.starts) > 0 {
			g.accept(&wide)
		}
	}()
	forget := int64(0) // from where on that is worth it again
	passed := inOrder(append(g.verified(), g.elements...))
	for at, end := from, p.end; at < end; at++ {
		for len(passed) > 0 && at > passed[0].start {
			at = max(at, passed[0].end)
			passed = passed[1:]
		}
		b := p.view.at(at, 64)
		if len(b) == 0 {
			return
		}
		if at > g.failed && b[0] == 0 && p.view.zeros(at, zeroRun) == zeroRun {
			at += zeroRun - 4
			continue
		}
		if magicAt(b) && at > 0 && g.embedded(&at) {
			continue
		}
		if (at-from)&(1<<16-1) == 0 && g.s.tick(at) != nil {
			return
		}
		if len(p.known) == knownMost && at >= forget {
			p.forget(g.w+lookBackMax, at-fillMost)
			forget = at + fillMost
		}
		typ := rdb.Type(b[0])
		f := p.probe(at)
		if f == nil && typ == rdb.TypeHashTTL && at > g.failed {
			g.noteHash(at)
		}
		switch {
		case f == nil, g.stuck[at], g.inHash(f):
			continue
		case f.score < solidBits: // what it leads to by luck is found there, and the same goes for what it passes over
			continue
		case at > g.failed && at < g.closed && (f.likeField() || f.what != isKey || f.score < strongBits):
			continue
		}
		p.follow(at, &c, func(q int64) bool { return g.stuck[q] })
		if !g.trusted(&c, at-from+1) || at < g.closed && c.strong < 2 && (c.solid < closedCount || c.bits < closedBits) {
			continue
		}
		if at <= g.failed && f.end > g.failed && f.score < 2*strongBits {
			if len(wide.starts) == 0 {
				wide, end = c, f.end
				wide.starts = slices.Clone(c.starts)
				passed = inOrder(append(passed, p.rest(at)...))
			}
			continue
		}
		g.accept(&c)
		return
	}
}

// accept makes a trusted chain the anchor.
func (g *gap) accept(c *chain) {
	at := c.starts[0]
	g.closed = min(g.closed, at) // no elements look like this
	g.hold(at, c)
}

// verified returns the records that led to the failure and tell their own end: nothing is looked for inside them.
func (g *gap) verified() (v []span) {
	for i := range g.s.recent {
		f := &g.s.recent[i]
		if f.start >= g.w && f.verified {
			v = append(v, span{f.start, f.end})
		}
	}
	return v
}

// embedded passes a dump that stands inside a value. One that ends where the file ends is another file behind this one, unless it begins as this one
// does: then a part of it was written twice.
func (g *gap) embedded(at *int64) bool {
	if g.s.begunAnew(*at) {
		return false
	}
	end, ok := g.s.probe.dumpAt(*at)
	if !ok {
		return false
	}
	g.skipped = append(g.skipped, span{*at, end})
	*at = end - 1
	return true
}

// trusted reports whether no accident explains a chain, after so many places were tried.
func (g *gap) trusted(c *chain, tried int64) bool {
	return !c.joins && c.end > g.failed && (c.closed || !g.onlyFields(c)) && c.trusted(tried)
}

// trusted is the same of any chain.
func (c *chain) trusted(tried int64) bool {
	need := anchorBits + float64(bits.Len64(uint64(tried)))
	switch {
	case c.closed:
		return c.bits >= endBits
	case c.solid >= anchorCount || c.strong >= 2 || c.strong == 1 && c.bits >= need+8:
		return c.bits >= need
	}
	return false
}

// hold makes a chain the anchor, and tries the places beside its first records: better ones may begin there.
func (g *gap) hold(from int64, c *chain) {
	p := &g.s.probe
	g.found, g.chained = true, map[int64]bool{}
	for i, start := range c.starts {
		f := p.probe(start)
		if len(g.chained) > 0 || !f.likeField() {
			g.chained[start] = true
		}
		if g.anchor = f.end; f.what == isEnd {
			g.anchor, g.last = f.start, true
		} else if i > 0 && f.start > g.failed && (f.score >= strongBits || i >= anchorRun) {
			break
		}
	}
	for at := from + 1; at < min(g.anchor, from+fillMost); at++ {
		if magicAt(p.view.at(at, headerSize)) && g.embedded(&at) {
			continue
		}
		p.probe(at)
	}
}
