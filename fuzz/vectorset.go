package fuzz

import (
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// Of a vector set's head.
const (
	vectorLinks      = 16 // links of a node above the lowest level, where it may have twice as many
	vectorProjection = 1
	vectorAttributes = 2
)

// How a vector set stores its vectors.
const (
	vectorFloats = iota
	vectorBytes
	vectorBits
	numVectorForms
)

// vectorSet draws a vector set, in the items that its module saves (see package rdb, vectorLayout): few elements, each of which is linked with all others
// on the lowest level of the graph.
func (g *generator) vectorSet() rdb.Value {
	id, _ := rdb.NewModuleID("vectorset", 0)
	v := vectorItems{g: g, dim: dice.Pick(g.d, []int{1, 2, 3, 8, 64, 65}), form: g.d.N(numVectorForms)}
	names := g.text.distinct(g.d.N(2*vectorLinks), g.text.next)
	flags := dice.Pick(g.d, []int{0, 0, vectorAttributes, vectorProjection})
	v.number(v.dim, len(names), v.form|vectorLinks<<8, flags)
	if flags&vectorProjection != 0 {
		from := v.dim + g.d.N(5)
		v.number(from)
		v.text(v.floats(from * v.dim))
	}
	for i, name := range names {
		v.text(name)
		if flags&vectorAttributes != 0 {
			v.text(dice.Pick(g.d, [][]byte{nil, []byte(`{"year":1984}`), g.text.next()}))
		}
		v.text(v.vector())
		v.node(i, len(names))
	}
	return &rdb.Module{ID: id, Items: v.items}
}

// vectorItems collects what a module saves.
type vectorItems struct {
	g         *generator
	dim, form int
	items     []rdb.ModuleItem
}

func (v *vectorItems) number(numbers ...int) {
	for _, n := range numbers {
		v.items = append(v.items, rdb.ModuleItem{Kind: rdb.ModuleUInt, Int: uint64(n)})
	}
}

func (v *vectorItems) text(b []byte) {
	v.items = append(v.items, rdb.ModuleItem{Kind: rdb.ModuleString, String: append([]byte{}, b...)})
}

// floats draws numbers from -1 to 1.
func (v *vectorItems) floats(n int) []byte {
	b := make([]byte, 0, 4*n)
	for range n {
		f := float32(v.g.d.Between(-128, 128)) / 128
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func (v *vectorItems) vector() []byte {
	switch v.form {
	case vectorBytes:
		b := make([]byte, v.dim)
		for i := range b {
			b[i] = byte(v.g.d.Between(-127, 127))
		}
		return b
	case vectorBits:
		var b []byte
		for left := v.dim; left > 0; left -= 64 {
			b = binary.LittleEndian.AppendUint64(b, v.g.d.Uint64()>>(64-min(left, 64)))
		}
		return b
	}
	return v.floats(v.dim)
}

// node saves the i-th of n nodes, of which the newest is the first:
//
//	id, level | version<<24, links, most links, the ids linked, distance and place of the worst link, range and length of the vector
//
// Distances, ranges and lengths are float32, in the upper half and the lower.
func (v *vectorItems) node(i, n int) {
	const version, one = 1 << 24, 0x3f800000
	id := n - i
	v.number(n-1+6, id, version, n-1, 2*vectorLinks)
	for other := n; other > 0; other-- {
		if other != id {
			v.number(other)
		}
	}
	worst := uint64(0)
	if n > 1 {
		worst = one<<32 | uint64(v.g.d.N(n-1))
	}
	for _, bits := range []uint64{worst, one<<32 | one} {
		v.items = append(v.items, rdb.ModuleItem{Kind: rdb.ModuleUInt, Int: bits})
	}
}
