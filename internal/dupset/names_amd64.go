//go:build !purego

package dupset

import "github.com/kvfsck/kvfsck/internal/cpu"

// addNames does what [newNamesGeneric] does, on n names, at least one, with 16 bytes to read from the beginning of each. It needs BMI2.
//
//go:noescape
func addNames(b *byte, names *Name, n int, slots *[FewSlots]uint64, gen uint64) bool

func newNames(f *Few, b []byte, names []Name) bool {
	if len(names) == 0 {
		return true
	}
	if last := names[len(names)-1]; last.At > cap(b)-16 || last.At+last.Len > len(b) || !cpu.X86().BMI2 {
		return newNamesGeneric(f, b, names)
	}
	return addNames(&b[:1][0], &names[0], len(names), &f.slots, f.gen)
}
