package repair

import (
	"bytes"
	"encoding/binary"
)

// Strings in which servers count different things (HyperLogLog) have a form of their own: a head, and registers as one block or as runs of them, of
// which there are so many. It tells where such a string ends.
const (
	counterHead      = 16
	counterRegisters = 16384
	counterDense     = counterHead + counterRegisters*6/8
)

// brokenCounter reports whether a string begins as a counter does and is none.
func (p *prober) brokenCounter(f *record) bool {
	if f.end-f.start > 2*counterDense {
		return false
	}
	v := p.stringOf(f)
	name := v[:min(len(v), 6)] // in which a byte may be wrong, missing or too much
	like := bytes.HasPrefix(name, []byte("HY")) || bytes.HasPrefix(name, []byte("H")) && bytes.Contains(name, []byte("LL"))
	return like && !counter(v)
}

// counter reports whether v is a counter.
func counter(v []byte) bool {
	if len(v) < counterHead || !bytes.HasPrefix(v, []byte("HYLL")) {
		return false
	}
	const dense, sparse = 0, 1
	if v[4] == dense {
		return len(v) == counterDense
	}
	n := 0
	for i := counterHead; i < len(v); i++ {
		switch c := v[i]; {
		case c >= 0x80: // registers of a value
			n += int(c&3) + 1
		case c < 0x40: // that are zero
			n += int(c) + 1
		case i+1 < len(v): // many that are
			n += int(binary.BigEndian.Uint16(v[i:])&0x3FFF) + 1
			i++
		default:
			return false
		}
	}
	return v[4] == sparse && n == counterRegisters
}
