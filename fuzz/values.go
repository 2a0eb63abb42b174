package fuzz

import (
	"bytes"
	"math"
	"strconv"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// value draws a value of any kind that the target holds.
func (g *generator) value() rdb.Value {
	w := g.opt.Weights
	g.text.calm = false
	switch g.d.Weighted([]int{w.String, w.List, w.Set, w.SortedSet, w.Hash, w.Stream, w.Module, w.VectorSet}) {
	case 1:
		return g.list()
	case 2:
		return g.set()
	case 3:
		return g.sortedSet()
	case 4:
		return g.hash()
	case 5:
		return g.stream()
	case 6:
		return g.module()
	case 7:
		return g.vectorSet()
	}
	return rdb.String(g.text.next())
}

func (g *generator) edge() bool { return g.d.Percent(max(g.opt.Edge, 0)) }

// elements draws how many elements a collection has; now and then a number beside a default limit of packed encodings.
func (g *generator) elements() int {
	n := g.d.Size(g.opt.Elements)
	if g.edge() {
		n = dice.Pick(g.d, []int{1, 1, 1, 2, 2, 63, 64, 127, 128, 129, 512, 513})
	}
	g.text.calm = n > 50
	return n
}

func (g *generator) list() rdb.Value {
	if g.edge() {
		return g.oddList()
	}
	l := make(rdb.List, g.elements())
	for i := range l {
		l[i] = g.text.next()
	}
	return l
}

// oddList draws a list whose entries are all at one boundary: every integer, every length, or a chain of entries each of which decides
// how long the head of the next one is in a ziplist.
func (g *generator) oddList() rdb.Value {
	var l rdb.List
	switch g.d.N(3) {
	case 0:
		for _, v := range edgeIntegers {
			l = append(l, strconv.AppendInt(nil, v, 10))
		}
	case 1:
		for _, n := range edgeLengths {
			l = append(l, g.text.fill(n))
		}
	default:
		for range g.d.Between(3, 40) {
			l = append(l, g.text.fill(g.d.Between(245, 256)))
		}
	}
	dice.Shuffle(g.d, l)
	return l
}

func (g *generator) set() rdb.Value {
	next := g.text.next
	switch g.d.N(3) {
	case 0:
		width := dice.Pick(g.d, []int{8, 16, 32, 64})
		next = func() []byte { return strconv.AppendInt(nil, int64(g.d.Uint64())>>(64-width), 10) }
	case 1:
		if g.edge() {
			next = func() []byte { return strconv.AppendInt(nil, dice.Pick(g.d, edgeIntegers), 10) }
		}
	}
	return rdb.Set(g.text.distinct(g.elements(), next))
}

// edgeScores are scores that some encoding or some printing of numbers has trouble with.
var edgeScores = []uint64{
	math.Float64bits(1), 0x8000000000000000, // -0
	0x7FF0000000000000, 0xFFF0000000000000, // the infinities
	1, 0x8000000000000001, 0x000FFFFFFFFFFFFF, 0x0010000000000000, // subnormal, and the smallest normal
	0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, // the largest
	0x4340000000000000, 0x4340000000000001, 0x433FFFFFFFFFFFFF, 0x4330000000000000, // 2^53, the next, 2^53-1, 2^52
	0x43E0000000000000, 0xC3E0000000000000, 0x43D0000000000000, 0x43DFFFFFFFFFFFFF, // 2^63, -2^63, 2^62, the one before 2^63
	0x3FB999999999999A, 0x3FD3333333333333, 0x3FD5555555555555, 0x444B1AE4D6E2EF50, // 0.1, 0.3, 1/3, 1e21
	0x3EB0C6F7A0B5ED8D, 0x54B249AD2594C37D, 0x4197D78400000000, // 1e-6, 1e100, 1e8
}

func (g *generator) score() float64 {
	if g.edge() {
		return math.Float64frombits(dice.Pick(g.d, edgeScores))
	}
	switch g.d.N(4) {
	case 0:
		return float64(g.d.N(1000))
	case 1:
		return float64(g.d.Below(1<<40)) / 64
	case 2:
		return float64(g.text.integer())
	}
	for {
		if v := math.Float64frombits(g.d.Uint64()); !math.IsNaN(v) {
			return v
		}
	}
}

// sortedSet draws a sorted set. A score of -0 is there only where servers keep it: one that would be packed, though it is not, becomes so when it is
// loaded, and in that the score is 0.
func (g *generator) sortedSet() rdb.Value {
	limits := rdb.DefaultLimits()
	members := g.text.distinct(g.elements(), g.text.next)
	small := len(members) <= limits.ZsetEntries
	for _, m := range members {
		small = small && len(m) <= limits.ZsetValue
	}
	z := make(rdb.SortedSet, len(members))
	for i, m := range members {
		z[i] = rdb.ScoredMember{Member: m, Score: g.score()}
		if small && z[i].Score == 0 {
			z[i].Score = 0
		}
	}
	return z
}

func (g *generator) hash() rdb.Value {
	names := g.text.distinct(g.elements(), g.text.next)
	h := make(rdb.Hash, len(names))
	expires := g.opt.Target >= rdb.Version12 && g.d.Percent(max(g.opt.FieldExpire, 0))
	every := g.d.Between(1, 3)
	for i, name := range names {
		h[i] = rdb.HashField{Name: name, Value: g.text.next(), ExpireAt: rdb.NoExpire}
		if expires && g.d.N(every) == 0 {
			h[i].ExpireAt = g.fieldExpiry()
		}
	}
	return h
}

// fieldExpiry draws an expiry of the year 2100 or later, up to the greatest that Redis takes.
func (g *generator) fieldExpiry() int64 {
	if g.edge() {
		return dice.Pick(g.d, []int64{year2100, year9999, 1<<46 - 1, 1 << 46, 1<<48 - 1})
	}
	return year2100 + int64(g.d.Below(1<<40))
}

// moduleNames are of modules that do not exist.
var moduleNames = []string{"kvfsckXYZ", "test-type", "A_b-C_d-9"}

// module draws a value of a module.
func (g *generator) module() rdb.Value {
	return &rdb.Module{ID: g.moduleID(), Items: g.items()}
}

func (g *generator) moduleID() rdb.ModuleID {
	id, _ := rdb.NewModuleID(dice.Pick(g.d, moduleNames), g.d.N(1024))
	return id
}

func (g *generator) items() []rdb.ModuleItem {
	items := make([]rdb.ModuleItem, g.d.N(g.opt.Elements+1))
	for i := range items {
		it := &items[i]
		it.Kind = dice.Pick(g.d, []rdb.ModuleItemKind{rdb.ModuleSInt, rdb.ModuleUInt, rdb.ModuleFloat, rdb.ModuleDouble, rdb.ModuleString})
		switch it.Kind {
		case rdb.ModuleSInt, rdb.ModuleUInt:
			it.Int = uint64(g.text.integer())
		case rdb.ModuleFloat:
			it.Float = float64(g.d.N(1<<20)) / 8
			it.Int = uint64(math.Float32bits(float32(it.Float)))
		case rdb.ModuleDouble:
			it.Float = g.score()
			it.Int = math.Float64bits(it.Float)
		case rdb.ModuleString:
			it.String = bytes.Clone(g.text.next())
		}
	}
	return items
}

// metadata draws metadata of a class that servers which do not know it pass over.
func (g *generator) metadata() []rdb.KeyMeta {
	const ignorable = 1
	meta := make([]rdb.KeyMeta, g.d.Between(1, 3))
	for i := range meta {
		meta[i] = rdb.KeyMeta{Class: rdb.MetaClass(g.d.N(1<<16)<<16 | i<<8 | ignorable), Items: g.items()}
	}
	return meta
}
