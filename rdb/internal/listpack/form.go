package listpack

import (
	"encoding/binary"
	"math/bits"
)

// form is what the first byte of an entry says of a name or a number. Where several forms follow each other no branch on them is foreseen.
type form struct {
	head    uint8  // of a string: the bytes before its text, otherwise 0
	integer uint8  // intName, or 0
	digit   uint8  // digitName for a string that may be the text of an integer, if it begins so
	least   uint8  // with a lower second byte there would have been a shorter form
	shift   uint8  // an integer of so many bits less than 64 follows
	span    uint64 // so many integers, from -span/2 on, have a shorter form
}

// Kinds of names whose equality their bytes do not show: an integer, and a string that may be the text of one.
const (
	intName = 1 << iota
	digitName
)

// maxIntText is the longest text of an integer.
const maxIntText = len("-9223372036854775808")

var forms = func() (t [256]form) {
	for c := range t {
		if IsString(byte(c)) {
			t[c].head = 1 + uint8(c)>>6&1
		}
		switch size := int(short[c]); {
		case size != 0 && !IsString(byte(c)):
			t[c].integer = intName
		case size > 1 && size <= 1+maxIntText:
			t[c].digit = digitName
		}
	}
	t[0xC0].least, t[0xE0].least = 0x80, 0x40
	for i, bits := range [...]uint8{13, 16, 24, 32} {
		f := &t[0xF1+i]
		f.span, f.shift = 1<<bits, 64-8*(short[0xF1+i]-1)
	}
	return t
}()

// kind is the kind of a name whose second byte is c.
func (f *form) kind(c byte) uint8 {
	// Of '-' to '9' the difference is negative, and the mask all ones.
	return f.integer | f.digit&uint8(int32(uint32(c-'-')-('9'+1-'-'))>>31)
}

// shortest reports whether the name at p has no shorter form.
func (f *form) shortest(b []byte, p int) bool {
	if p > len(b)-9 {
		b, p = append(make([]byte, 0, 16), b[p:min(p+9, len(b))]...)[:9], 0
	}
	v := int64(binary.LittleEndian.Uint64(b[p+1:])) << (f.shift & 63) >> (f.shift & 63)
	_, shorter := bits.Sub64(uint64(v)+f.span/2, f.span, 0)
	return shorter == 0 && b[p+1] >= f.least
}

// odd is not 0 if the entry at p is text that does not begin as a finite number does.
func (f *form) odd(b []byte, p int) uint64 {
	p += int(f.head)
	c, d := b[p], b[p+1]
	if c == '-' {
		c = d
	}
	return (9 - uint64(c-'0')) >> 63 & (-uint64(f.head) >> 63)
}
