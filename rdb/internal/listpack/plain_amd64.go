//go:build !purego

package listpack

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/internal/cpu"
	"github.com/kvfsck/kvfsck/internal/dupset"
)

// readAhead is how many bytes behind a listpack assembly may read.
const readAhead = 16

// passEntries reports whether there are n plain entries, at least one, from p up to the last byte.
//
//go:noescape
func passEntries(b *byte, p, last, n int) bool

// passNames is passEntries for n names, at least one, or pairs: unlike is 0 if that is so, all have their shortest form, and none looks like another; odd is not 0 if a
// value is not a number. It needs AES and BMI2.
//
//go:noescape
func passNames(b *byte, p, last, n int, pairs bool, slots *[dupset.FewSlots]uint64, gen uint64) (kinds uint8, unlike, odd uint32)

// stated returns how many entries there are to be, 0 if that is not to be known or assembly not to be used.
func stated(b []byte) int {
	n := int(binary.LittleEndian.Uint16(b[4:]))
	if n == CountUnknown || cap(b)-len(b) < readAhead || !cpu.X86().AES || !cpu.X86().BMI2 {
		return 0
	}
	return n
}

func walkEntries(b []byte, p int) int {
	n := stated(b)
	switch {
	case n == 0:
		return walkEntriesGeneric(b, p)
	case !passEntries(&b[0], p, len(b)-1, n):
		return -1
	}
	return n
}

func walkNames(b []byte, p int, l Layout, few *dupset.Few) (n int, kinds uint8, odd bool) {
	n = stated(b)
	if n == 0 {
		return walkNamesGeneric(b, p, l, few)
	}
	names := n
	if l.Pairs {
		names /= 2
	}
	if names == 0 || l.Pairs && n%2 != 0 || names > dupset.MaxNames {
		return -1, 0, false
	}
	slots, gen := few.Table()
	kinds, unlike, notNumber := passNames(&b[0], p, len(b)-1, names, l.Pairs, slots, gen)
	if unlike != 0 {
		return -1, 0, false
	}
	return n, kinds, notNumber != 0
}
