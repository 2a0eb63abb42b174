package repair

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/kvfsck/kvfsck/rdb"
)

// reading is the best reading of records that begin at or behind a place, and what it is worth.
type reading struct {
	all   []*record // candidates in order
	next  []int     // the record after each, len(all) for none
	row   []float64 // what the best row from each on is worth, beside what a new row costs
	fresh []float64 // what the best rows from each record or a later one on are worth
	first []int     // the record that they begin with
}

// from returns what is the best behind a gap that begins at an offset.
func (r *reading) from(at int64) (worth float64, first int) {
	i := sort.Search(len(r.all), func(k int) bool { return r.all[k].start >= at })
	return r.fresh[i], r.first[i]
}

// best returns the best reading of what lies between w and the anchor. Records that led to the failure can stand at its beginning only, in
// a row: where one of them was misread all that came after it was.
func (g *gap) best() []*record {
	old := g.old()
	r := g.rows()
	sum := 0.0
	for _, f := range old {
		sum += float64(f.score)
	}
	worth, at, keep := math.Inf(-1), len(r.all), len(old)
	luck := 0.0 // evidence for what would have been read by luck alone
	for i := len(old); i >= 0 && (luck <= luckMost || math.IsInf(worth, -1)); i-- {
		v, first := g.behind(old[:i], r)
		if i < len(old) {
			v -= g.calm
		}
		if sum+v > worth {
			worth, at, keep = sum+v, first, i
		}
		if i > 0 {
			sum -= float64(old[i-1].score)
			if i < len(old) {
				luck += max(0, float64(old[i].score))
			}
		}
	}
	path, rest := slices.Clone(old[:keep]), old[keep:]
	for ; at < len(r.all); at = r.next[at] {
		rest = g.between(&path, rest, r.all[at].start)
		path = append(path, r.all[at])
	}
	g.between(&path, rest, g.anchor)
	return path
}

// old returns the records from w on that led to the failure, without those that are fields of a hash. What came behind one of them that does not look like a record did not lead
// anywhere: it stands for itself.
func (g *gap) old() (old []*record) {
	at := g.w
	for g.stuck[at] && at < g.failed {
		f := g.s.probe.probe(at)
		if f == nil || f.what == isEnd {
			break
		}
		old = append(old, f)
		at = f.end
	}
	for start := range g.stuck {
		if start >= at && start < g.failed {
			delete(g.stuck, start)
		}
	}
	for n := len(old); g.fields && n > 0 && old[n-1].likeField(); n-- {
		old = old[:n-1]
	}
	return old
}

// behind returns the best behind records that are kept. The last of them counts for nothing where it will be left out.
func (g *gap) behind(kept []*record, r *reading) (worth float64, first int) {
	if len(kept) == 0 {
		return r.from(g.w)
	}
	last := kept[len(kept)-1]
	switch {
	case last.end > g.anchor:
		return math.Inf(-1), 0
	case last.end == g.anchor:
		return 0, len(r.all)
	}
	worth, first = r.from(last.end)
	for i := sort.Search(len(r.all), func(k int) bool { return r.all[k].start > last.end }); i < len(r.all) && !last.damaged; i++ {
		if v := r.row[i]; v > worth && r.all[i].score > 0 && g.s.probe.twice(last.end, r.all[i].start) {
			return v, i
		}
		if r.all[i].start > last.end+twiceMost {
			break
		}
	}
	g.behindKey = g.keyBefore(kept)
	defer func() { g.behindKey = false }()
	if (first == len(r.all) || r.all[first].start != last.end) && (g.swallowedBy(last, r) || !last.damaged && !g.s.endsThere(last, g)) {
		worth -= float64(last.score)
	}
	return worth, first
}

// swallowedBy reports whether a large record ends inside a strong one that leads to the anchor. One that is damaged is not kept, and another would not be if it had swallowed that: what it
// is worth must not weigh against that.
func (g *gap) swallowedBy(last *record, r *reading) bool {
	return last.end-last.start >= restLeast && slices.ContainsFunc(r.all, func(f *record) bool {
		return f.start > last.start && f.start < last.end && f.end == g.anchor && f.score >= strongBits
	})
}

// between adds to a reading, before the record that begins at an offset, those that led to the failure and that so many others confirm that
// they were not read by luck: reading came back to the right places before it failed again.
func (g *gap) between(path *[]*record, old []*record, before int64) (rest []*record) {
	from := g.w
	if n := len(*path); n > 0 {
		from = (*path)[n-1].end
	}
	var run []*record
	sum := 0.0
	for len(old) > 0 && old[0].end <= before {
		if f := old[0]; f.start > from && f.score >= solidBits {
			run = append(run, f)
			sum += float64(f.score)
		} else if sum < anchorBits {
			run, sum = run[:0], 0
		} else {
			break
		}
		old = old[1:]
	}
	if sum >= anchorBits && len(run) >= anchorCount {
		*path = append(*path, run...)
	}
	return old
}

// rows computes the best rows of records from every place on.
func (g *gap) rows() *reading {
	r := &reading{}
	for _, f := range g.s.probe.known {
		if f.start >= g.w && f.end <= g.anchor && f.what != isEnd && !g.stuck[f.start] && !g.isSkipped(f) {
			r.all = append(r.all, f)
		}
	}
	slices.SortFunc(r.all, func(a, b *record) int { return cmp.Compare(a.start, b.start) })
	leads := func(f *record) bool { return f.end == g.anchor }
	led := slices.ContainsFunc(r.all, leads)
	r.all = g.outer(g.withoutFields(r.all))
	n := len(r.all)
	row := make([]float64, n) // the best from a record on
	r.row = row
	r.next, r.fresh, r.first = make([]int, n), make([]float64, n+1), make([]int, n+1)
	r.first[n] = n
	if g.found && !g.last && (!led || slices.ContainsFunc(r.all, leads)) {
		r.fresh[n] = math.Inf(-1) // a reading must reach the anchor in a row, unless what leads there was taken for fields
	}
	for i := n - 1; i >= 0; i-- {
		f := r.all[i]
		j := sort.Search(n, func(k int) bool { return r.all[k].start >= f.end })
		worth, to := r.fresh[j]-gapBits, r.first[j]
		if f.end == g.anchor && g.found {
			worth, to = 0, n
		} else if j < n && r.all[j].start == f.end && row[j]+follows(r.all[j]) > worth {
			worth, to = row[j]+follows(r.all[j]), j
		}
		row[i], r.next[i] = float64(f.score)+worth, to
		r.fresh[i], r.first[i] = r.fresh[i+1], r.first[i+1]
		if v := row[i] - startBits; f.score > 0 && v > r.fresh[i] {
			r.fresh[i], r.first[i] = v, i
		}
	}
	return r
}

// follows is what it is worth beside its own evidence that a record begins just where another ended: something would be there, but mostly
// nothing that can be read. A key unlike all others is no reason to believe that two records around it are damaged.
func follows(f *record) float64 {
	if f.score < hopelessBits {
		return 0
	}
	return followBits + max(0, -float64(f.score))
}

// outer takes out records that lie inside a strong one which leads to the anchor in a row, unless they do so too: what a value holds may look
// like records, but they come to nothing. So are strings with which a strong collection ends: its last elements read as a key and its value.
func (g *gap) outer(all []*record) []*record {
	if !g.found {
		return all
	}
	leads := map[int64]bool{g.anchor: true}
	for i := len(all) - 1; i >= 0; i-- {
		if leads[all[i].end] {
			leads[all[i].start] = true
		}
	}
	last := g.lastElements(all, leads)
	end, strong := int64(0), int64(0) // of the strong record; the same if it is a collection
	return slices.DeleteFunc(all, func(f *record) bool {
		inside := f.start < end && f.end <= end
		if last[f.start] {
			return true
		}
		if inside && (!leads[f.start] || f.end == strong && f.likeField()) {
			return true
		}
		if leads[f.start] && f.score >= strongBits && !(f.end > end && g.swallows(f, all)) {
			if f.end > end && f.what == isKey && f.typ != rdb.TypeString && !f.damaged {
				strong = f.end
			}
			end = max(end, f.end)
		}
		return false
	})
}

// swallows reports whether a string rather took rows of records with it as its length grew, though it leads on: there are so many in it, and no dump, which would hold some.
func (g *gap) swallows(f *record, all []*record) bool {
	const least = 8
	if n := f.end - f.start; f.typ != rdb.TypeString || f.verified || n < blockLeast || n > swallowMost+longKey || !g.s.spend(n) {
		return false
	}
	first := sort.Search(len(all), func(k int) bool { return all[k].start > f.start })
	begins := map[int64]bool{}
	n, sum := 0, float32(0)
	for i := sort.Search(len(all), func(k int) bool { return all[k].start >= f.end }) - 1; i >= first; i-- {
		r := all[i]
		if r.end > f.end || r.score < solidBits || r.damaged || r.nameless {
			continue
		}
		if begins[r.start] = true; begins[r.end] {
			n++
			sum += r.score
		}
	}
	return n >= least && sum >= 2*f.score+anchorBits && !g.s.probe.magicIn(f.start, f.end)
}

// lastElements returns the strings that are rather the last elements of a plain collection, and where they begin: both lead to the anchor, it holds no other record that does, and beside what
// the value tells, which is the same for both, there is no more evidence for the string.
func (g *gap) lastElements(all []*record, leads map[int64]bool) map[int64]bool {
	var collections []*record
	begun := map[int64]int64{} // where the last record begins that ends at an offset
	for _, f := range all {
		if f.score < solidBits {
			continue
		}
		if begun[f.end] = f.start; leads[f.start] && f.what == isKey && !f.damaged && elementSize[f.typ] != nil {
			collections = append(collections, f)
		}
	}
	if len(collections) == 0 {
		return nil
	}
	found := map[int64]bool{}
	for _, f := range all {
		if !f.likeField() || f.damaged || !leads[f.start] {
			continue
		}
		told := float32(elementBits)
		if f.verified {
			told = lzfBits
		}
		for _, c := range collections {
			before, behindOne := begun[f.start]
			if c.end == f.end && c.start < f.start && c.score+told >= f.score && (!behindOne || before <= c.start) {
				found[f.start] = true
			}
		}
	}
	return found
}

// isSkipped reports whether a record lies in what is known to be something else.
func (g *gap) isSkipped(f *record) bool {
	at := f.start
	if at > g.failed && at < g.closed {
		return true
	}
	for _, sp := range g.skipped {
		if at >= sp.start && at < sp.end {
			return true
		}
	}
	return false
}
