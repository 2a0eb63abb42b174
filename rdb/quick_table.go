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

// quickTable checks the elements of a collection that is not packed: members, members and scores, or fields. Names of up to [fewNames] are compared as they
// come, those of more when all are there.
func (r *Reader) quickTable(b []byte, typ Type, p int) int {
	if !isTable(typ) {
		return 0
	}
	n, p := lengthAt(b, p)
	if p == 0 || n == 0 || n > uint64(len(b)-p) {
		return 0
	}
	if n <= fewNames {
		return r.quickFew(b, typ, p, int(n))
	}
	return r.quickMany(b, typ, p, int(n))
}

// quickFewGeneric is quickTable for n elements, at most [fewNames].
func (r *Reader) quickFewGeneric(b []byte, typ Type, p, n int) int {
	var kinds nameKinds
	names, p := r.quickNames(b, typ, p, n, &kinds, nil)
	if p == 0 || kinds.mixed() || !r.dec.few.NewNames(b, names) {
		return 0
	}
	return p
}

// quickMany is quickTable for many elements.
func (r *Reader) quickMany(b []byte, typ Type, p, n int) int {
	var kinds nameKinds
	cores := 1
	if r.passed != nil {
		cores = 2 // of which the other one has nothing else to do
	}
	many := r.dec.newMany(cores)
	defer many.Close()
	for ; n > 0; n -= fewNames {
		if p = r.addNames(b, typ, p, min(n, fewNames), &kinds, many); p == 0 {
			return 0
		}
		if r.passed != nil && !r.passed(p) {
			return 0
		}
	}
	if kinds.mixed() || !many.AllNew() {
		return 0
	}
	return p
}

// addNamesGeneric passes n elements, at most [fewNames], and adds their names to many. It returns the end of them, or 0.
func (r *Reader) addNamesGeneric(b []byte, typ Type, p, n int, kinds *nameKinds, many *dupset.Many) int {
	names, p := r.quickNames(b, typ, p, n, kinds, many)
	if p == 0 || !many.AddNames(b, names) {
		return 0
	}
	return p
}

// isTable reports whether quickTable knows the type.
func isTable(typ Type) bool { return typ == TypeSet || typ == TypeZset2 || typ == TypeHash }

// fewNames is how many names of a table are compared as they come.
const fewNames = 512

// nameKinds is what was seen of the names of a table.
type nameKinds struct {
	ints  uint8  // not 0: there are integers
	long  uint64 // not 0: of which one could be written in less
	texts bool   // there are texts of integers
}

// mixed reports whether names are not surely equal if and only if their bytes are.
func (k *nameKinds) mixed() bool { return k.long != 0 || k.ints != 0 && k.texts }

// quickNames passes n elements and returns where their names lie, with their heads, which tell an integer from a text of the same bytes. Those that are compressed or long it
// adds to many or, if there is none, looks up at once. The names hold until the next call.
func (r *Reader) quickNames(b []byte, typ Type, p, n int, kinds *nameKinds, many *dupset.Many) (names []dupset.Name, end int) {
	d := &r.dec
	names = d.few.Reset()
	ints, long, texts := kinds.ints, kinds.long, kinds.texts
	for ; n > 0; n-- {
		if p > len(b)-quickRoom {
			return nil, 0
		}
		if size := int(b[p]); size < 0x40 && size < len(b)-p { // nearly always
			names = append(names, dupset.Name{At: p, Len: 1 + size})
			if mayBeInt(b[p+1], size) != 0 {
				texts = texts || isInt(b[p+1:p+1+size])
			}
			p += 1 + size
		} else if f := &strForms[b[p]]; f.head != 0 {
			size = f.length(b, p)
			if size > len(b)-p || size > d.limit || f.tag == 0 && size < 2+0x40 { // which has a shorter head
				return nil, 0
			}
			ints |= f.tag
			long |= f.long(b, p)
			names = append(names, dupset.Name{At: p, Len: size})
			p += size
		} else {
			var isText bool
			if isText, p = d.quickName(b, p); p == 0 {
				return nil, 0
			}
			switch sum := dupset.QuickSum(d.longName, 0, len(d.longName)); {
			case many != nil:
				many.Add(sum)
			case !d.few.New(sum):
				return nil, 0
			}
			texts = texts || isText
		}
		switch typ {
		case TypeZset2:
			if p > len(b)-8 {
				return nil, 0
			}
			if v := math.Float64frombits(binary.LittleEndian.Uint64(b[p:])); v != v {
				return nil, 0
			}
			p += 8
		case TypeHash:
			if p = r.quickString(b, p, true); p == 0 {
				return nil, 0
			}
		}
	}
	*kinds = nameKinds{ints, long, texts}
	return names, p
}

// quickName makes d.longName the string at p, with its head, which is longer than those of [strForms], or compressed. It returns whether it is the text of an integer, and the
// end of it. Behind d.longName there are 16 bytes.
func (d *decoder) quickName(b []byte, p int) (isText bool, end int) {
	h, p := headAt(b, p)
	if p == 0 || h.size > uint64(len(b)-p) || h.size > uint64(d.limit) {
		return false, 0
	}
	end = p + int(h.size)
	text := b[p:end]
	switch h.form {
	case formLZF:
		d.arena.reset()
		if text = d.quickOut(text, &h); text == nil {
			return false, 0
		}
	case formPlain:
		if len(text) < 1<<14 {
			return false, 0
		}
	default:
		return false, 0
	}
	name := append(appendLength(d.longName[:0], uint64(len(text))), text...)
	d.longName = append(name, make([]byte, 16)...)[:len(name)]
	return isInt(text), end
}
