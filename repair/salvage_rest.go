package repair

import (
	"math"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// A torn collection of very many elements. Nearly all of it is intact, and where elements are told by their sizes they are followed, over the damage, as far as they go:
//
//	head │ elements ......... │ damage │ elements ........................ │ the next record, which may read as some more of them │
//	                                                                       ^ the end of an element
//
// Reading it may have failed at the damage, or not at all: where bytes are missing, or zeros read as elements, it reads on into what follows, and may have swallowed a record, be it as
// large, that others do not lead to. So the ends of the last elements that are like the others are looked at first, and those where the count of the head is used up (afterLarge).
//
// If that leads to nothing, the search looks through all of the file as ever, but for what is surely inside such a collection (rest): to try each byte of it as the beginning of a record
// takes minutes for 100 MB. There must be more elements there by the count of the head, less those that may have been lost:
//
//	head │ look │ elements ......... │ look │ damage │ look │ elements ......... │ look │ those that may have been lost │ the end
//	            └──── passed ────────┘             └────── passed ───────┘
//
// If records stood where elements are followed, there would be some in what is looked through before.
const (
	restLeast  = 1 << 20   // bytes that are worth it
	restCount  = 1 << 10   // elements that the head must tell of
	restLook   = 64 << 10  // bytes beside damage that are looked through, more where elements are large
	restLarge  = 24        // elements that these are at least
	restRow    = 64        // elements in a row that show where they go on
	restKnown  = 256       // elements after which it is known that they are elements
	restGap    = 1 << 20   // bytes in which that is looked for
	restHidden = 256 << 10 // bytes that may be missing at a damage
	restMost   = 256 << 10 // bytes of an element
	restTried  = 512       // ends of elements at which records are looked for, the last ones
	restAbout  = 2048      // elements more or less than the head tells of, likewise
	restNear   = 8         // ends of elements at the last of which a record is followed whatever the evidence
	restChains = 64        // chains that may follow each other over the failure
)

// elementMin is how many bytes an element of a type has at least.
func elementMin(t rdb.Type) int64 {
	switch t {
	case rdb.TypeZset2:
		return 1 + 8
	case rdb.TypeHash2:
		return 2 + 8
	case rdb.TypeZset, rdb.TypeListQuicklist2:
		return 2
	}
	return 1
}

// elementRow follows the elements of a collection.
type elementRow struct {
	p       *prober
	typ     rdb.Type
	at      int64
	left    int64 // elements that there must still be
	passed  int64 // elements, and of how many bytes
	bytes   int64
	longest int    // of one
	empty   [2]int // names without a byte, of which there is one at most; strings of a hash count one by one, as which of them are names is not known behind damage
}

// next passes an element that begins b, and returns its size, 0 if there is none that is like the others.
func (r *elementRow) next(b []byte) int {
	n, phase := 0, 0
	if r.typ == rdb.TypeHash {
		n, phase = stringSize(b), int(r.passed&1)
	} else {
		n = elementSize[r.typ](b)
	}
	if n <= 0 || n > len(b) || n > restMost || r.passed >= restRow && n > 4*r.longest+64 {
		return 0
	}
	if r.typ == rdb.TypeListQuicklist && !packedString(b[:n]) || r.typ == rdb.TypeListQuicklist2 && b[0] == nodePacked && !packedString(b[1:n]) {
		return 0
	}
	if b[0] == 0 && r.typ != rdb.TypeList && r.typ != rdb.TypeListQuicklist {
		if r.empty[phase]++; r.empty[phase] > 1 && (r.typ != rdb.TypeHash || r.empty[1-phase] > 1) {
			return 0
		}
	}
	r.at += int64(n)
	r.longest = max(r.longest, n)
	r.bytes += int64(n)
	r.passed++
	r.left--
	return n
}

// here returns what stands there, as far as an element can reach.
func (r *elementRow) here() []byte {
	b := r.p.view.at(r.at, restMost)
	return b[:max(0, min(int64(len(b)), r.p.end-r.at))]
}

// follow passes elements for as long as there must be more of them.
func (r *elementRow) follow() {
	for b := r.here(); r.left > 0; {
		n := r.next(b)
		if n == 0 {
			return
		}
		if b = b[n:]; len(b) < restMost && r.at+int64(len(b)) < r.p.end {
			b = r.here()
		}
	}
}

// goesOn goes to where elements go on behind damage. It is false if that is not near.
func (r *elementRow) goesOn() bool {
	q := *r
	for at := r.at + 1; at < min(r.at+restGap, r.p.end); at++ {
		q = *r
		q.at, q.empty = at, [2]int{}
		b := q.here()
		for n := 1; n > 0 && q.passed < r.passed+restRow; b = b[n:] {
			n = q.next(b)
		}
		if q.passed == r.passed+restRow {
			r.left -= (at-r.at)/elementMin(r.typ) + 1 + restHidden*max(1, r.passed)/max(1, r.bytes)
			r.at, r.empty = at, [2]int{}
			return true
		}
	}
	return false
}

// rests returns the stretches of the record that failed, and of those that led to it, in which nothing is looked for.
func (g *gap) rests() (passed []span) {
	for i := range g.s.recent {
		if f := &g.s.recent[i]; f.start >= g.w && f.end-f.start >= restLeast {
			passed = append(passed, g.s.probe.rest(f.start)...)
		}
	}
	return append(passed, g.s.probe.rest(g.failed)...)
}

// rest returns these stretches of the record at an offset.
func (p *prober) rest(at int64) (passed []span) {
	r, ok := p.elementsAt(at)
	for ok {
		from := r.at
		r.follow()
		look := max(restLook, restLarge*int64(r.longest))
		if s := (span{from + look, r.at - look}); s.start < s.end {
			passed = append(passed, s)
		}
		ok = r.left > 0 && r.goesOn()
	}
	return passed
}

// elementsAt is before the first element of the record at an offset, if that says that it is a large collection.
func (p *prober) elementsAt(at int64) (r elementRow, ok bool) {
	if p.end-at < restLeast {
		return r, false
	}
	b := p.view.at(at, probeAhead)
	b = b[:max(0, min(int64(len(b)), p.end-at))]
	var f record
	p.x.r.ResumeBytes(b, p.position(at))
	if !p.x.head(&f) || f.what != isKey || f.start != at || elementSize[f.typ] == nil || p.census.table[f.typ] != current {
		return r, false
	}
	value := p.x.entry.ValueOffset
	count, n, enc, shortest := lengthForm(p.view.at(value, 16))
	if n == 0 || enc || !shortest || count < restCount || count > uint64(p.end-value) {
		return r, false
	}
	if f.typ == rdb.TypeHash {
		count *= 2
	}
	return elementRow{p: p, typ: f.typ, at: value + int64(n), left: int64(count)}, true
}

// afterLarge looks for the anchor behind a large collection that is torn, be it the record that failed or one before it that read on into others. The rest of its elements is followed, and
// their end is one of the places that lead to where they are no longer like the others; behind damage it may be anywhere before they go on.
func (g *gap) afterLarge() bool {
	starts := []int64{g.failed}
	for i := len(g.s.recent) - 1; i >= 0; i-- {
		f, p := &g.s.recent[i], &g.s.probe
		if f.end-f.start < restLeast || !f.damaged && (p.largeAt(f.end) || p.soundHead(f.end, p.view.at(f.end, 1<<10)) >= tailMin) {
			continue // or it ends where it says
		}
		starts = append(starts, f.start)
	}
	for _, start := range starts {
		if r, ok := g.s.probe.elementsAt(start); ok && g.behindElements(start, r) {
			return true
		}
	}
	return false
}

// behindElements is afterLarge for one collection, of which r is before the first element.
func (g *gap) behindElements(start int64, r elementRow) bool {
	p := &g.s.probe
	count := r.left
	var ends []int64 // of elements, the last ones
	for {
		r.left = math.MaxInt64
		var near []int64 // of those behind which there should be no more
		ends, near = r.followEnds(ends[:0], count)
		known := r.known(start, count)
		if ends = append(near, ends[max(0, len(ends)-restTried):]...); !known {
			ends = nil
		}
		for i, at := range slices.Backward(ends) {
			p.eager = i >= len(ends)-restNear || p.largeAt(at)
			for j := i - 1; j >= 0 && i-j <= restRow; j-- { // it may be one of some that follow each other
				if f := p.probe(ends[j]); f != nil && f.end == at && f.score >= solidBits {
					at, i = ends[j], j
				}
			}
			found := g.anchorAt(start, at)
			if p.eager = false; found {
				g.filled = at
				return true
			}
		}
		from := r.at
		if !r.goesOn() {
			return false
		}
		for at := from + 1; at < r.at && known; at++ {
			if g.anchorAt(start, at) {
				return true
			}
		}
		if g.s.tick(r.at) != nil || p.view.err != nil {
			return false
		}
	}
}

// known reports whether enough elements were passed of the record at start, which tells of so many, to say that it is what it seems to be: there is room for
// all of them, half as many again having been lost.
func (r *elementRow) known(start, count int64) bool {
	rest := float64(r.p.end - start)
	return r.passed >= restKnown && float64(r.bytes)/float64(r.passed)*float64(count) <= 1.5*rest+restHidden
}

// followEnds is follow, and returns where the last elements end, of those that end not more than restLook before, and those where about so many have passed.
func (r *elementRow) followEnds(ends []int64, count int64) (last, near []int64) {
	for b := r.here(); ; {
		n := r.next(b)
		if n == 0 {
			for len(ends) > 0 && ends[0] < r.at-restLook {
				ends = ends[1:]
			}
			return ends, near
		}
		if r.passed >= count-restAbout && r.passed <= count+restAbout {
			near = append(near, r.at)
		}
		if len(ends) == cap(ends) && len(ends) > 0 && ends[0] < r.at-restLook {
			keep := slices.IndexFunc(ends, func(at int64) bool { return at >= r.at-restLook })
			if keep < 0 {
				keep = len(ends)
			}
			ends = ends[:copy(ends, ends[keep:])]
		}
		ends = append(ends, r.at)
		if b = b[n:]; len(b) < restMost && r.at+int64(len(b)) < r.p.end {
			b = r.here()
		}
	}
}

// anchorAt makes the chain of records at an offset the anchor if it is trusted, the collection that begins at start being torn.
func (g *gap) anchorAt(start, at int64) bool {
	p := &g.s.probe
	f := p.probe(at)
	if f == nil || at <= start || f.what == isEnd || f.score < solidBits {
		return false
	}
	failed := g.failed
	g.failed = start
	var c, more chain
	p.follow(at, &c, func(int64) bool { return false })
	need := 0.0
	switch {
	case c.closed && p.largeAt(at):
		need = endBits + headMin
	case c.closed: // the last elements can read as a record
		need = endBits + strongBits
	}
	ok := c.bits >= need && g.trusted(&c, at-start)
	for n, end := 0, c.end; ok && end <= failed && !c.closed; n, end = n+1, more.end { // it passes over the failure, or is a part of that collection
		p.follow(end, &more, func(int64) bool { return false })
		ok = more.end > end && n < restChains
	}
	if !ok {
		g.failed = failed
		return false
	}
	for other := range p.known { // inside the collection
		if other >= start && other < at {
			delete(p.known, other)
		}
	}
	g.w, g.closed = start, 0
	g.stuck = map[int64]bool{start: true}
	g.fieldRun, g.skipped, g.elements = map[int64]int{}, nil, nil
	g.last, g.anchor = false, p.end
	g.accept(&c)
	return true
}

// largeAt reports whether a large collection seems to begin at an offset: there is a head of one, and some elements.
func (p *prober) largeAt(at int64) bool {
	r, ok := p.elementsAt(at)
	if !ok || hasControl(p.x.key) {
		return false
	}
	r.left = restRow
	r.follow()
	return r.left == 0
}

// manyMore reports whether behind a large collection many more elements stand that are like its own.
func (p *prober) manyMore(f *record) bool {
	if f.end-f.start < restLeast {
		return false
	}
	r, ok := p.elementsAt(f.start)
	if !ok {
		return false
	}
	for r.follow(); r.left > 0 && r.at < f.end; r.follow() { // one may be larger than the others
		r.longest = restMost
		if r.next(r.here()) == 0 {
			return false
		}
	}
	if r.at != f.end {
		return false
	}
	r.left = restRow
	r.follow()
	return r.left == 0
}
