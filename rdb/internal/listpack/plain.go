package listpack

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// Layout says what the entries of a listpack are to its owner, as far as [Plain] looks at it.
type Layout struct {
	Pairs   bool // elements have two entries, a name and a value, otherwise only a name
	Names   bool // no name may stand twice
	Numbers bool // values are numbers
}

// Plain reports whether b is plainly a sound listpack of whole elements, and how many entries it has. Plainly means that strings
// are below 4 KiB, that no name looks like an earlier one, that names have the one form that servers write, and that numbers that are stored as
// text begin with a digit. It is the quick way through nearly all listpacks; what it refuses may be good and is for [Iter] to judge. What
// it accepts, Iter accepts in either dialect.
//
// What is behind b, up to its capacity, may be looked at and does not count.
func Plain(b []byte, l Layout, few *dupset.Few) (n int, ok bool) {
	p := Open(b)
	if p == 0 {
		return 0, false
	}
	if l == (Layout{}) {
		n = walkEntries(b, p)
		return n, n >= 0 && countIs(b, n)
	}
	n, kinds, odd := walkNames(b, p, l, few)
	if n < 0 || odd && l.Numbers || kinds == intName|digitName && anyNumber(b[:len(b)-1], l.Pairs) {
		return 0, false
	}
	return n, countIs(b, n)
}

// walkEntriesGeneric returns how many entries there are from p up to the last byte, -1 if not all are plain.
func walkEntriesGeneric(b []byte, p int) (n int) {
	b = b[:len(b)-1]
	for ; p < len(b); n++ {
		if p = Skip(b, p); p == 0 {
			return -1
		}
	}
	return n
}

// walkNamesGeneric is walkEntriesGeneric for names or, in pairs, names and values. It returns kinds of the names, too, and whether a value is not a number. If a name
// has another form than the shortest, or looks like one that came before, that is not plain.
func walkNamesGeneric(b []byte, p int, l Layout, few *dupset.Few) (n int, kinds uint8, odd bool) {
	last := len(b) - 1
	names, text := few.Reset(), uint64(0)
	for ; p < last; n++ {
		q := Skip(b[:last], p)
		if q == 0 || len(names) == cap(names) {
			return -1, 0, false
		}
		f := &forms[b[p]]
		kinds |= f.kind(b[p+1])
		if f.span|uint64(f.least) != 0 && !f.shortest(b, p) {
			return -1, 0, false
		}
		// Names of one form are equal if all their bytes are.
		names = append(names, dupset.Name{At: p, Len: q - 1 - p})
		if p = q; !l.Pairs {
			continue
		}
		n++
		if q = Skip(b[:last], p); q == 0 {
			return -1, 0, false
		}
		text |= forms[b[p]].odd(b, p)
		p = q
	}
	if !few.NewNames(b, names) {
		return -1, 0, false
	}
	return n, kinds, text != 0
}

// countIs reports whether the header says that there are n entries, or does not say.
func countIs(b []byte, n int) bool {
	count := int(binary.LittleEndian.Uint16(b[4:]))
	return n == count || count == CountUnknown
}

// anyNumber reports whether a name that is stored as text may be an integer, in a listpack whose entries were found plain.
func anyNumber(b []byte, pairs bool) bool {
	for i, p := 0, headerSize; p < len(b); i++ {
		q := Skip(b, p)
		if c := b[p]; IsString(c) && (!pairs || i%2 == 0) {
			head, size := 1, int(c&0x3F)
			if c >= 0xE0 {
				head, size = 2, int(c&0x0F)<<8|int(b[p+1])
			}
			if text := b[p+head : p+head+size]; size > 0 && (text[0] == '-' || text[0]-'0' <= 9) && isNumber(text) {
				return true
			}
		}
		p = q
	}
	return false
}

// At returns the entry at p of a listpack that [Plain] accepted, and where the next one is: a string, which is part of b, or, where that is
// nil, an integer. The first entry is where [Open] says, the last ends at the last byte.
func At(b []byte, p int) (text []byte, v int64, next int) {
	c := b[p]
	switch n := p + int(short[c]); {
	case c < 0x80:
		return nil, int64(c), p + 2
	case c < 0xC0:
		return b[p+1 : n : n], 0, n + 1
	case n > p:
		return nil, intAt(b[p:n]), n + 1
	}
	n := p + 2 + int(c&0x0F)<<8 + int(b[p+1])
	return b[p+2 : n : n], 0, n + redisWidth(int64(n-p))
}

// Open returns where the first entry of b is, 0 if b is not framed as a listpack. With b less its last byte, [Skip] and [IntAt] pass entries
// that are plainly sound; both return where the next one is, or 0.
func Open(b []byte) int {
	if last := len(b) - 1; last < headerSize || uint64(binary.LittleEndian.Uint32(b)) != uint64(len(b)) || b[last] != end {
		return 0
	}
	return headerSize
}

// Short is Skip for entries of which the first byte tells the size, which are nearly all.
func Short(b []byte, p int) int { return advance(b, p) }

// Skip passes the entry at p.
func Skip(b []byte, p int) int {
	if q := advance(b, p); q != 0 {
		return q
	}
	return advanceLong(b, p)
}

// IntAt passes the entry at p if it is an integer.
func IntAt(b []byte, p int) (v int64, q int) {
	if q = advance(b, p); q == 0 || IsString(b[p]) {
		return 0, 0
	}
	return intAt(b[p:q]), q
}

// IsString reports whether an entry that begins so is a string.
func IsString(c byte) bool { return c&0xC0 == 0x80 || c&0xF0 == 0xE0 }

// advanceLong is advance for strings of two bytes of length.
func advanceLong(b []byte, p int) int {
	if p+2 > len(b) || b[p]&0xF0 != 0xE0 {
		return 0
	}
	size := 2 + int(b[p]&0x0F)<<8 + int(b[p+1])
	e := p + size
	switch {
	case size < 128 && e < len(b) && int(b[e]) == size:
		return e + 1
	case size >= 128 && e+1 < len(b) && int(b[e]) == size>>7 && int(b[e+1]) == size&0x7F|0x80:
		return e + 2
	}
	return 0
}

// isNumber reports whether b may be the text of an integer: a sign or a digit, then digits.
func isNumber(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, c := range b[1:] {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}
