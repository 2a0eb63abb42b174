package loose

import (
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// listpack packs strings. Those that are integers become integers of any width that holds them, or stay text.
func (e *Encoder) listpack(items [][]byte) []byte { return e.listpackTuples(items, 0) }

// listpackTuples is listpack, but every tuple-th entry, counted from 1, is an integer and stored as one; 0 is none.
func (e *Encoder) listpackTuples(items [][]byte, tuple int) []byte {
	p := pack{e: e, b: make([]byte, 6)}
	for i, s := range items {
		n, ok := integer(s)
		if ok && (e.D.Coin() || tuple > 0 && (i+1)%tuple == 0) {
			p.int(n)
		} else {
			p.string(s)
		}
	}
	return p.finish()
}

// pack builds a listpack.
type pack struct {
	e *Encoder
	b []byte
	n int
}

// int appends an integer, in a width of at least its own.
func (p *pack) int(v int64) {
	from := len(p.b)
	widths := []bool{v >= 0 && v < 128, v >= -1<<12 && v < 1<<12, v == int64(int16(v)), v >= -1<<23 && v < 1<<23, v == int64(int32(v)), true}
	i := 0
	for !widths[i] || i < 5 && p.e.D.N(4) == 0 {
		i++
	}
	u := uint64(v)
	switch i {
	case 0:
		p.b = append(p.b, byte(u))
	case 1:
		p.b = append(p.b, 0xC0|byte(u>>8)&0x1F, byte(u))
	case 5:
		p.b = binary.LittleEndian.AppendUint64(append(p.b, 0xF4), u)
	default:
		p.b = append(p.b, 0xF1+byte(i-2))
		p.b = append(p.b, binary.LittleEndian.AppendUint64(nil, u)[:i]...)
	}
	p.close(from)
}

// string appends a string, with a length in any form that holds it.
func (p *pack) string(s []byte) {
	from := len(p.b)
	form := p.e.D.N(3)
	switch n := len(s); {
	case form == 0 && n < 1<<6:
		p.b = append(p.b, 0x80|byte(n))
	case form <= 1 && n < 1<<12:
		p.b = append(p.b, 0xE0|byte(n>>8), byte(n))
	default:
		p.b = binary.LittleEndian.AppendUint32(append(p.b, 0xF0), uint32(n))
	}
	p.b = append(p.b, s...)
	p.close(from)
}

// close ends an entry with its size, in groups of seven bits, the highest first. Redis takes another byte a little before it has to;
// Valkey 9.1 does not.
func (p *pack) close(from int) {
	n := len(p.b) - from
	early := 1
	if p.e.Target.Family() == rdb.Valkey {
		early = 0
	}
	width := 1
	for limit := 1 << 7; n >= limit-early*min(width-1, 1) && width < 5; limit <<= 7 {
		width++
	}
	for i := width - 1; i >= 0; i-- {
		b := byte(n>>(7*i)) & 0x7F
		if i < width-1 {
			b |= 0x80
		}
		p.b = append(p.b, b)
	}
	p.n++
}

func (p *pack) finish() []byte {
	p.b = append(p.b, 0xFF)
	binary.LittleEndian.PutUint32(p.b, uint32(len(p.b)))
	binary.LittleEndian.PutUint16(p.b[4:], uint16(min(p.n, math.MaxUint16)))
	return p.b
}

// ziplist packs strings. The size of the entry before may be stored in five bytes though one would do.
func (e *Encoder) ziplist(items [][]byte) []byte {
	b := make([]byte, 10)
	last, before := len(b), 0
	for _, s := range items {
		last = len(b)
		if before < 254 && e.D.N(4) != 0 {
			b = append(b, byte(before))
		} else {
			b = binary.LittleEndian.AppendUint32(append(b, 0xFE), uint32(before))
		}
		if v, ok := integer(s); ok && e.D.Coin() {
			b = e.ziplistInt(b, v)
		} else {
			b = e.ziplistString(b, s)
		}
		before = len(b) - last
	}
	b = append(b, 0xFF)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], uint32(last))
	binary.LittleEndian.PutUint16(b[8:], uint16(min(len(items), math.MaxUint16)))
	return b
}

func (e *Encoder) ziplistInt(b []byte, v int64) []byte {
	heads := []byte{0xF1, 0xFE, 0xC0, 0xF0, 0xD0, 0xE0}
	sizes := []int{0, 1, 2, 3, 4, 8}
	fits := []bool{v >= 0 && v <= 12, v == int64(int8(v)), v == int64(int16(v)), v >= -1<<23 && v < 1<<23, v == int64(int32(v)), true}
	i := 0
	for !fits[i] || i < 5 && e.D.N(4) == 0 {
		i++
	}
	if i == 0 {
		return append(b, heads[0]+byte(v))
	}
	return append(append(b, heads[i]), binary.LittleEndian.AppendUint64(nil, uint64(v))[:sizes[i]]...)
}

func (e *Encoder) ziplistString(b, s []byte) []byte {
	form := e.D.N(3)
	switch n := len(s); {
	case form == 0 && n < 1<<6:
		b = append(b, byte(n))
	case form <= 1 && n < 1<<14:
		b = append(b, 0x40|byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0x80), uint32(n))
	}
	return append(b, s...)
}

// zipmap packs fields and values in turn; fewer than 254 fields. Behind values there may be bytes that are free.
func (e *Encoder) zipmap(items [][]byte) []byte {
	b := []byte{byte(len(items) / 2)}
	length := func(n int) {
		if n < 254 {
			b = append(b, byte(n))
		} else {
			b = binary.LittleEndian.AppendUint32(append(b, 254), uint32(n))
		}
	}
	for i, s := range items {
		length(len(s))
		if i%2 == 0 {
			b = append(b, s...)
			continue
		}
		free := e.D.N(5)
		b = append(append(append(b, byte(free)), s...), make([]byte, free)...)
	}
	return append(b, 0xFF)
}
