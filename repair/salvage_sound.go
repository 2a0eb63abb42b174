package repair

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// A check of the file comes before a salvage, and where it found no fault it has read all that a salvage would read again. So the check tells of the runs of
// keys that it passes, and their names go at once to where duplicates are looked for; the walk passes over such runs in one step:
//
//	other records │  kept back  │ runs ───────────────────────────────┬─ kept back ──┬── fault
//	            walked          │ entered in the account as a whole   │    walked    │
//
// The walk is to know what the file is like, and damage can show late: so what stands before a fault is walked, and what stands behind it. Behind a gap,
// when it has come so far without another, the walk asks for a check of what follows.
const (
	runsLeast = 16 // runs that follow each other are worth a step; a check tells of one for each MiB
	runsKept  = 4  // that are kept back on each side
	runSize   = 1 << 20
)

// soundRuns are the runs of keys that a check told of.
type soundRuns struct {
	least, kept int
	keys        *keySet // has the names of those in all
	all         []keyRun
	last        keyRun       // that was told
	row         int          // how many there were that follow each other, up to that
	waiting     []waitingRun // the last of these
	rooms       [][]uint64   // for the hashes of others
}

// keyRun is a stretch of the file with nothing but sound keys of one database.
type keyRun struct {
	span
	db            uint64
	keys, expires int64
	types         []typeCount
	sums          []spanSum // of the parts of it
}

// spanSum is a stretch of the file and its checksum.
type spanSum struct {
	span
	sum uint64
}

// typeCount is how many keys of a type there are.
type typeCount struct {
	typ  rdb.Type
	keys int64
}

// waitingRun is a run, and the hashes of its keys.
type waitingRun struct {
	keyRun
	hashes []uint64
	sum    uint64
}

func newSoundRuns(o SalvageOptions) *soundRuns {
	o = o.withDefaults()
	return &soundRuns{least: o.runsLeast, kept: o.runsKept, keys: newKeySet(o)}
}

// close gives back what no salvage took.
func (r *soundRuns) close() {
	if r.keys != nil {
		r.keys.close()
		r.keys = nil
	}
}

// add takes a run that a check tells of. One with an expiry of which there may be doubt, or with keys of modules, is left to the walk.
func (r *soundRuns) add(k *rdb.KeyRun) {
	w := waitingRun{keyRun: keyRun{span: span{k.Offset, k.End()}, db: k.DB, keys: k.Keys, expires: k.Expires}, sum: k.Checksum}
	if r.row++; !r.last.leadsTo(&w.keyRun) || k.Count(rdb.TypeModule2) > 0 || k.Expires > 0 && (oddTime(k.FirstExpire) || oddTime(k.LastExpire)) {
		r.row, r.waiting = 0, r.waiting[:0]
	}
	if r.last = w.keyRun; r.row < r.kept {
		return
	}
	for t := range rdb.Type(opMeta) {
		if n := k.Count(t); n > 0 {
			w.types = append(w.types, typeCount{t, n})
		}
	}
	if n := len(r.rooms); n > 0 {
		w.hashes, r.rooms = r.rooms[n-1], r.rooms[:n-1]
	}
	w.hashes = append(w.hashes[:0], k.Hashes...)
	r.waiting = append(r.waiting, w)
	if r.row-r.kept < r.least+r.kept {
		return
	}
	ready := len(r.waiting) - r.kept
	for i := range r.waiting[:ready] {
		r.enter(&r.waiting[i])
	}
	r.waiting = slices.Delete(r.waiting, 0, ready)
}

// leadsTo reports whether a run follows another, in the same database.
func (k *keyRun) leadsTo(next *keyRun) bool { return k.end == next.start && k.db == next.db }

// enter makes a run one that a salvage passes.
func (r *soundRuns) enter(w *waitingRun) {
	r.rooms = append(r.rooms, r.keys.addRun(w.hashes))
	n := len(r.all)
	sum := spanSum{w.span, w.sum}
	if n == 0 || !r.all[n-1].leadsTo(&w.keyRun) {
		w.sums = []spanSum{sum}
		r.all = append(r.all, w.keyRun)
		return
	}
	k := &r.all[n-1]
	k.end, k.keys, k.expires, k.sums = w.end, k.keys+w.keys, k.expires+w.expires, append(k.sums, sum)
	for _, t := range w.types {
		i := slices.IndexFunc(k.types, func(u typeCount) bool { return u.typ == t.typ })
		if i < 0 {
			k.types = append(k.types, typeCount{typ: t.typ})
			i = len(k.types) - 1
		}
		k.types[i].keys += t.keys
	}
}

// checkFirst is the check before a salvage with some options. What it found out for that is to be closed.
func checkFirst(ctx context.Context, src io.ReaderAt, size int64, opt rdb.VerifyOptions, salvage SalvageOptions) (*rdb.Report, *checkedPart, error) {
	r := newSoundRuns(salvage)
	opt.OnRun = r.add
	rep, err := rdb.Verify(ctx, io.NewSectionReader(src, 0, size), opt)
	c := partChecked(rep)
	if r.waiting = nil; c == nil || rep.Complete && rep.EOF.Valid() {
		r.close() // a salvage is to read all of it, and to tell that the checksum is right
		return rep, c, err
	}
	c.runs = r
	return rep, c, err
}

// askCheck has what follows checked, if the walk has come far enough behind the last gap, and if no check came so far before.
func (s *salvager) askCheck() error {
	o := &s.opt
	switch {
	case s.x.ahead == nil || s.truncate || o.walkAll || s.weak > 0 || s.unsure || s.x.slots || s.slots.known || o.workers == 1:
		return nil
	case s.pos < s.checkedTo || s.pos-s.alone < int64(o.runsKept)*runSize || s.probe.end-s.pos < int64(o.runsLeast+3*o.runsKept)*runSize:
		return nil
	}
	at := s.probe.position(s.pos)
	at.DB = s.lastDB()
	r := &soundRuns{least: o.runsLeast, kept: o.runsKept, keys: s.keys}
	rep, err := rdb.Verify(s.ctx, io.NewSectionReader(s.src, 0, s.probe.end), rdb.VerifyOptions{
		From: &at, KeepGoing: true, OnRun: r.add, Workers: max(2, runtime.GOMAXPROCS(0)), TempDir: o.TempDir, Progress: s.tell,
	})
	var fault *rdb.FormatError
	if s.checkedTo = rep.Size; err != nil && !errors.As(err, &fault) {
		s.checkedTo = s.probe.end // the walk will meet the reason, if it gets there
	}
	s.runs = r.all
	return s.ctx.Err()
}

// nextRun is where the next run begins that is to be passed in one step; there may be none.
func (s *salvager) nextRun() int64 {
	for len(s.runs) > 0 && s.runs[0].start < s.pos {
		s.runs = s.runs[1:]
	}
	if len(s.runs) == 0 {
		return 1<<63 - 1
	}
	return s.runs[0].start
}

// passRun passes the run that begins where the walk is, if there is one. It reports whether there was.
func (s *salvager) passRun() bool {
	if s.nextRun() != s.pos || s.runs[0].db != s.lastDB() || s.weak > 0 || s.unsure || s.truncate || s.x.slots || s.slots.known {
		return false
	}
	s.settle(0)
	k, g := &s.runs[0], s.seg()
	if g.db != k.db || s.done != k.start || len(g.pieces) == 0 {
		return false
	}
	g.keys += k.keys
	g.expires += k.expires
	if k.expires > 0 {
		g.unlisted = true
		s.census.willExpire = true
	}
	s.census.countRun(k)
	s.needsRun(k)
	s.mark(k.start, k.end, RegionIntact)
	s.out.sums = append(s.out.sums, k.sums...)
	g.pieces[len(g.pieces)-1].end = k.end
	s.pos, s.done = k.end, k.end
	s.x.stopAhead()
	at := s.probe.position(s.pos)
	s.x.ahead = newReadAhead(io.NewSectionReader(s.src, s.pos, s.probe.end-s.pos), &at, s.opt, s.opt.checked)
	return true
}

// countRun takes note of the types of a run's keys, of which there may be none elsewhere. How frequent the others are is known by then.
func (c *census) countRun(k *keyRun) {
	for _, t := range k.types {
		c.fields = c.fields || t.typ == rdb.TypeHashTTL || t.typ == rdb.TypeHashListpackTTL
		if c.types[t.typ] == 0 {
			c.types[t.typ] = uint32(max(1, int64(c.keys)*t.keys/k.keys))
		}
	}
}
