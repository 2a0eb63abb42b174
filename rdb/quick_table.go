package rdb

import (
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// strForm is what the first byte of a string says of it where that is not simply its size: of a string with two bytes of that, or of an integer. No
// branch tells these apart, which would be foreseen wrong.
type strForm struct {
	head  uint8  // bytes of it; 0 for all other forms
	more  uint8  // a mask of the second byte, which adds to the size
	size  uint16 // bytes that follow the head
	tag   uint8  // of an integer: that it is one
	shift uint8  // leaves that many bits less of four bytes, with their sign
	span  uint32 // so many numbers from -span/2 on are written in less
}

var strForms = func() (t [256]strForm) {
	for c := range 0x40 {
		t[0x40|c] = strForm{head: 2, size: uint16(c) << 8, more: 0xFF}
	}
	t[0xC0|encInt8] = strForm{head: 1, size: 1, tag: 1, shift: 24}
	t[0xC0|encInt16] = strForm{head: 1, size: 2, tag: 1, shift: 16, span: 1 << 8}
	t[0xC0|encInt32] = strForm{head: 1, size: 4, tag: 1, span: 1 << 16}
	return t
}()

// length is how many bytes the string at p takes, with its head.
func (f *strForm) length(b []byte, p int) int { return int(f.head) + int(f.size) + int(b[p+1]&f.more) }

// long is 1 if the string at p is an integer that is not written in the shortest form, otherwise 0.
func (f *strForm) long(b []byte, p int) uint64 {
	v := int32(binary.LittleEndian.Uint32(b[p+1:])) << (f.shift & 31) >> (f.shift & 31)
	return (uint64(uint32(v)+f.span/2) - uint64(f.span)) >> 63
}

// isInt reports whether a name is the text of an integer that servers write as such, and not as text. Names that are integers can be told from
// those that are text by their bytes if none of these is.
func isInt(b []byte) bool {
	v, ok := packed.ParseInt(b)
	return ok && int64(int32(v)) == v
}

// maxIntText is the longest text of an integer that strings are written as.
const maxIntText = len("-2147483648")

// mayBeInt is not 0 if a string of n bytes that begins with c may be the text of an integer.
func mayBeInt(c byte, n int) uint32 {
	return (uint32(c-'-') - ('9' + 1 - '-')) & (uint32(n) - uint32(maxIntText+1)) >> 31
}

// quickTable checks the elements of a collection that is not packed, if they are few: members, members and scores, or fields.
func (r *Reader) quickTable(b []byte, typ Type, p int) int {
	if typ != TypeSet && typ != TypeZset2 && typ != TypeHash {
		return 0
	}
	n, p := lengthAt(b, p)
	if p == 0 || n == 0 || n > maxQuickTable {
		return 0
	}
	d := &r.dec
	names, texts := d.few.Reset(), false
	ints, long := uint8(0), uint64(0)
	for ; n > 0; n-- {
		if p > len(b)-quickRoom {
			return 0
		}
		if size := int(b[p]); size < 0x40 && size < len(b)-p { // nearly always
			names = append(names, dupset.Name{At: p + 1, Len: size})
			if mayBeInt(b[p+1], size) != 0 {
				texts = texts || isInt(b[p+1:p+1+size])
			}
			p += 1 + size
		} else if f := &strForms[b[p]]; f.head != 0 {
			at := p + int(f.head)
			if size = f.length(b, p) - int(f.head); size > len(b)-at || size > d.limit {
				return 0
			}
			ints |= f.tag
			long |= f.long(b, p)
			names = append(names, dupset.Name{At: at, Len: size})
			texts = texts || f.tag == 0 && isInt(b[at:at+size])
			p = at + size
		} else {
			var text []byte
			if text, p = d.quickName(b, p); p == 0 || !d.few.New(dupset.QuickSum(text, 0, len(text))) {
				return 0
			}
			texts = texts || isInt(text)
		}
		switch typ {
		case TypeZset2:
			if p > len(b)-8 {
				return 0
			}
			if v := math.Float64frombits(binary.LittleEndian.Uint64(b[p:])); v != v {
				return 0
			}
			p += 8
		case TypeHash:
			if p = r.quickString(b, p, true); p == 0 {
				return 0
			}
		}
	}
	if long != 0 || ints != 0 && texts || !d.few.NewNames(b, names) {
		return 0
	}
	return p
}

// maxQuickTable is how many names are worth trying; a table full of them would have to be gone through again.
const maxQuickTable = 512

// quickName returns the string at p, which is longer than those of [strForms], or compressed, and the end of it.
func (d *decoder) quickName(b []byte, p int) (name []byte, end int) {
	h, p := headAt(b, p)
	if p == 0 || h.size > uint64(len(b)-p) || h.size > uint64(d.limit) {
		return nil, 0
	}
	end = p + int(h.size)
	switch h.form {
	case formPlain:
		return b[p:end], end
	case formLZF:
		d.arena.reset()
		if name = d.quickOut(b[p:end], &h); name != nil {
			return name, end
		}
	}
	return nil, 0
}
