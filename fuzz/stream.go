package fuzz

import (
	"bytes"
	"math"
	"slices"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// now is when streams of ordinary ids were written: in November 2023. Generators have no clock.
const now = 1700000000000

// stream draws a stream, with what the target's type of it holds.
func (g *generator) stream() rdb.Value {
	s := &rdb.Stream{}
	n := g.elements()
	if g.edge() {
		n = 0
	}
	ids := g.ids(n + g.d.N(4)) // some of them are of entries that were deleted
	gone := map[rdb.StreamID]bool{}
	for len(ids)-len(gone) > n {
		gone[dice.Pick(g.d, ids)] = true
	}
	g.entries(s, ids, gone)
	s.Length = uint64(len(s.Entries))
	if len(ids) > 0 {
		s.LastID = ids[len(ids)-1]
	}
	g.counters(s, ids, gone)
	for _, name := range g.sortedNames(g.d.N(4)) {
		s.Groups = append(s.Groups, g.group(s, name, ids))
	}
	if g.opt.Target == rdb.Version13 {
		g.idmp(s)
	}
	return s
}

// ids draws n ids in ascending order, none twice.
func (g *generator) ids(n int) []rdb.StreamID {
	id := rdb.StreamID{MS: now + uint64(g.d.N(1<<30)), Seq: uint64(g.d.N(2))}
	if g.edge() {
		id = dice.Pick(g.d, []rdb.StreamID{{MS: 0, Seq: 1}, {MS: 1, Seq: 0}, {MS: math.MaxInt64, Seq: math.MaxInt64}, {MS: 1 << 62, Seq: 0}})
	}
	ids := make([]rdb.StreamID, 0, n)
	for range n {
		ids = append(ids, id)
		switch g.d.N(4) {
		case 0:
			id.Seq++
		case 1:
			id = rdb.StreamID{MS: id.MS + 1, Seq: 0}
		case 2:
			id = rdb.StreamID{MS: id.MS + uint64(g.d.Size(1000)), Seq: uint64(g.d.N(3))}
		default:
			id = rdb.StreamID{MS: id.MS + 1<<g.d.N(32), Seq: g.d.Uint64() >> g.d.N(63)}
		}
	}
	if n > 0 && g.edge() {
		ids[n-1] = rdb.StreamID{MS: math.MaxUint64, Seq: math.MaxUint64}
	}
	return ids
}

// entries gives every id that is not gone an entry. Most have the fields of the one before, as nodes store these once.
func (g *generator) entries(s *rdb.Stream, ids []rdb.StreamID, gone map[rdb.StreamID]bool) {
	var names [][]byte
	for _, id := range ids {
		if gone[id] {
			continue
		}
		if names == nil || g.d.N(5) == 0 {
			names = make([][]byte, g.d.Between(1, 4))
			for i := range names {
				names[i] = g.text.next()
			}
		}
		fields := make([][]byte, 0, 2*len(names))
		for _, name := range names {
			fields = append(fields, name, g.text.next())
		}
		s.Entries = append(s.Entries, rdb.StreamEntry{ID: id, Fields: fields})
	}
}

// counters fills in what a stream counts, as far as the target stores it; otherwise with what a reader takes for it.
func (g *generator) counters(s *rdb.Stream, ids []rdb.StreamID, gone map[rdb.StreamID]bool) {
	if len(s.Entries) > 0 {
		s.FirstID = s.Entries[0].ID
	}
	s.Added = s.Length
	if g.opt.Target < rdb.Version10 {
		return
	}
	for _, id := range ids {
		if gone[id] {
			s.MaxDeleted = id
		}
	}
	s.Added += uint64(len(gone))
	if g.edge() {
		s.Added += g.d.Uint64() >> 1
	}
}

func (g *generator) sortedNames(n int) [][]byte {
	names := g.text.distinct(n, g.text.next)
	slices.SortFunc(names, bytes.Compare)
	return names
}

// group draws a consumer group. What is pending belongs to one consumer each; its entry may be gone.
func (g *generator) group(s *rdb.Stream, name []byte, ids []rdb.StreamID) rdb.StreamGroup {
	grp := rdb.StreamGroup{Name: name}
	if len(ids) > 0 {
		grp.LastID = dice.Pick(g.d, ids)
	}
	if grp.HasRead = g.opt.Target >= rdb.Version10; grp.HasRead {
		grp.EntriesRead = g.d.Below(s.Added + 1)
		if g.d.Coin() {
			grp.EntriesRead = rdb.EntriesReadUnknown
		}
	}
	for _, name := range g.sortedNames(g.d.N(4)) {
		c := rdb.StreamConsumer{Name: name, SeenMS: g.past()}
		c.ActiveMS = c.SeenMS
		if g.opt.Target >= rdb.Version11 {
			c.ActiveMS = dice.Pick(g.d, []int64{-1, c.SeenMS, g.past()})
		}
		grp.Consumers = append(grp.Consumers, c)
	}
	if len(grp.Consumers) == 0 {
		return grp
	}
	for _, id := range ids {
		if g.d.N(3) != 0 {
			continue
		}
		grp.Pending = append(grp.Pending, rdb.StreamPending{ID: id, DeliveredMS: g.past(), Count: g.deliveries()})
		c := &grp.Consumers[g.d.N(len(grp.Consumers))]
		c.Pending = append(c.Pending, id)
	}
	return grp
}

func (g *generator) past() int64 {
	if g.edge() {
		return dice.Pick(g.d, []int64{0, 1, now})
	}
	return now + int64(g.d.N(1<<30))
}

func (g *generator) deliveries() uint64 {
	if g.edge() {
		return dice.Pick(g.d, []uint64{0, 63, 64, 16383, 16384, math.MaxUint32, math.MaxUint32 + 1, math.MaxInt64})
	}
	return uint64(g.d.Between(1, 5))
}

// idmp draws what a stream remembers of producers (Redis 8.6).
func (g *generator) idmp(s *rdb.Stream) {
	s.IDMP = rdb.IDMP{Present: true, DurationS: 100, MaxEntries: 100}
	if g.d.Coin() {
		return
	}
	s.IDMP = rdb.IDMP{
		Present: true, DurationS: uint64(dice.Pick(g.d, []int{1, 100, 86400})), MaxEntries: uint64(dice.Pick(g.d, []int{20, 100, 10000})),
		Added: uint64(g.d.N(1 << 20)), Duplicates: uint64(g.d.N(1 << 20)),
	}
	for _, id := range g.sortedNames(g.d.N(3)) {
		p := rdb.IDMPProducer{ID: id}
		for _, iid := range g.text.distinct(g.d.Between(1, 20), g.text.next) {
			// Servers forget what is older than the duration, soon after loading; of entries to come they cannot.
			p.Entries = append(p.Entries, rdb.IDMPEntry{IID: iid, ID: rdb.StreamID{MS: year2100 + uint64(g.d.N(1<<30)), Seq: uint64(g.d.N(3))}})
		}
		s.Producers = append(s.Producers, p)
	}
}
