//go:build !purego

package dupset

import "github.com/kvfsck/kvfsck/internal/cpu"

// addNames does what [newNamesGeneric] does, on n names, at least one, with 16 bytes to read from the beginning of each. It needs BMI2.
//
//go:noescape
func addNames(b *byte, names *Name, n int, slots *[fewSlots]uint64, gen uint64) bool

// sumNames puts the [QuickSum] of n names, at least one, into sums, on the same terms.
//
//go:noescape
func sumNames(sums *uint64, b *byte, names *Name, n int)

// inReach reports whether assembly may read the names.
func inReach(b []byte, names []Name) bool {
	last := names[len(names)-1]
	return last.At <= cap(b)-16 && last.At+last.Len <= len(b) && cpu.X86().BMI2
}

func newNames(f *Few, b []byte, names []Name) bool {
	if len(names) == 0 {
		return true
	}
	if !inReach(b, names) {
		return newNamesGeneric(f, b, names)
	}
	return addNames(&b[:1][0], &names[0], len(names), &f.slots, f.gen)
}

func quickSums(sums []uint64, b []byte, names []Name) {
	switch {
	case len(names) == 0:
	case !inReach(b, names):
		quickSumsGeneric(sums, b, names)
	default:
		_ = sums[len(names)-1]
		sumNames(&sums[0], &b[:1][0], &names[0], len(names))
	}
}
