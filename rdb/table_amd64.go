//go:build !purego

package rdb

import (
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/internal/cpu"
	"github.com/kvfsck/kvfsck/internal/dupset"
)

// passTable passes elements of a table, n of them, at least one and at most [fewNames], of which kind says what is behind the name: 0 nothing, 1 a score, 2 a value. The names are
// looked up or, if slots is nil, their hashes go to sums. It stops where a string is not of tableForms, or near the end of what may be read: that is at an offset of b, with so many
// elements left, and if value is not 0 the value is there. It puts where names lie that may be the text of an integer into texts, so many bytes behind p, and returns how many these
// are. ints is not 0 if there are integers, unlike if a name is not in its shortest form, came before, or a score is not a number. It needs AES and BMI2.
//
//go:noescape
func passTable(b *byte, p, end, n, kind int, slots *[dupset.FewSlots]uint64, gen uint64, sums *uint64, texts *uint32, forms *[256]tableForm) (at, left, value, text int, ints, unlike uint32)

// tableSum is the hash of the n bytes at p, at least one, by which passTable knows a name with its head. There must be 16 bytes to read.
//
//go:noescape
func tableSum(p *byte, n int) uint64

// tableForm is what the first byte of a string says of it, as passTable reads it.
type tableForm struct {
	size  uint16 // bytes of it with its head, without what the second byte adds; 0 for what passTable stops at
	more  uint8  // a mask of the second byte
	tag   uint8  // of an integer: that it is one
	shift uint8
	least uint8 // with a lower second byte there would have been a shorter form
	digit uint8 // 1 if it may be the text of an integer
	_     uint8
	span  uint32 // as in strForm
	half  uint32
}

var tableForms = func() (t [256]tableForm) {
	for c := range t {
		f := &strForms[c]
		switch t[c] = (tableForm{size: uint16(f.head) + f.size, more: f.more, tag: f.tag, shift: f.shift, span: f.span, half: f.span / 2}); {
		case c < 0x40:
			if t[c].size = 1 + uint16(c); c > 0 && c <= maxIntText {
				t[c].digit = 1
			}
		case c == 0x40:
			t[c].least = 0x40
		}
	}
	return t
}()

// maxTableName is the longest name of which the head is in tableForms, with that.
const maxTableName = 2 + 1<<14 - 1

// hasTableKernel reports whether passTable may be used.
func (d *decoder) hasTableKernel() bool {
	return d.limit >= maxTableName && cpu.X86().AES && cpu.X86().BMI2
}

// quickFew is quickTable for n elements, at most [fewNames].
func (r *Reader) quickFew(b []byte, typ Type, p, n int) int {
	if !r.dec.hasTableKernel() {
		return r.quickFewGeneric(b, typ, p, n)
	}
	var kinds nameKinds
	slots, gen := r.dec.few.Table()
	if p = r.passElements(b, typ, p, n, &kinds, slots, gen, nil); kinds.mixed() {
		return 0
	}
	return p
}

// addNames is addNamesGeneric.
func (r *Reader) addNames(b []byte, typ Type, p, n int, kinds *nameKinds, many *dupset.Many) int {
	if !r.dec.hasTableKernel() {
		return r.addNamesGeneric(b, typ, p, n, kinds, many)
	}
	sums := many.Room(n)
	if p = r.passElements(b, typ, p, n, kinds, nil, 0, sums); p == 0 || !many.Filled(sums) {
		return 0
	}
	return p
}

// passElements passes n elements, at most [fewNames], and either looks their names up, of which none may have come before, or puts the hashes of these into sums. It returns the end of
// them, 0 if they are not plain.
func (r *Reader) passElements(b []byte, typ Type, p, n int, kinds *nameKinds, slots *[dupset.FewSlots]uint64, gen uint64, sums []uint64) (end int) {
	d := &r.dec
	kind := 0
	switch typ {
	case TypeZset2:
		kind = 1
	case TypeHash:
		kind = 2
	}
	for left := n; left > 0; left-- {
		var to *uint64
		if slots == nil {
			to = &sums[n-left]
		}
		at, l, value, text, ints, unlike := passTable(&b[0], p, len(b), left, kind, slots, gen, to, &d.maybeInts[0], &tableForms)
		if unlike != 0 {
			return 0
		}
		kinds.ints |= uint8(ints)
		for _, t := range d.maybeInts[:text] {
			name := b[p+int(t):]
			kinds.texts = kinds.texts || isInt(name[1:][:name[0]])
		}
		if p, left = at, l; left == 0 {
			break
		}
		if value == 0 {
			var isText bool
			if isText, p = d.quickName(b, p); p == 0 {
				return 0
			}
			kinds.texts = kinds.texts || isText
			sum := tableSum(&d.longName[0], len(d.longName))
			if slots == nil {
				sums[n-left] = sum
			} else if !d.few.New(sum) {
				return 0
			}
			if typ == TypeZset2 {
				if p > len(b)-8 || math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(b[p:]))) {
					return 0
				}
				p += 8
			}
		}
		if typ == TypeHash {
			if p = r.quickString(b, p, true); p == 0 {
				return 0
			}
		}
	}
	return p
}
