//go:build !purego

package dupset

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/internal/cpu"
)

// placeRoom is how many bytes are read from where a string begins, at least.
const placeRoom = 16

// hashPlaces makes the hashes of n strings, at least one, all with placeRoom bytes to read, under these keys, and adds the space to each. It needs AES.
//
//go:noescape
func hashPlaces(b *byte, places *Place, n int, hashes *uint64, keys *[4][2]uint64, space uint64)

// hashPlaces hashes all strings in order, if the last one is short, and not too near to the end of b.
func (s *Seeded) hashPlaces(b []byte, places []Place, hashes []uint64, space uint64) bool {
	n := len(places)
	if last := places[n-1]; last.Len > MaxPlaceLen || int(last.At) > len(b)-placeRoom || !cpu.X86().AES {
		return false
	}
	hashPlaces(&b[0], &places[0], n, &hashes[0], &s.keys, space*mix0)
	return true
}

// hashWords is hashPlaces for one string of n bytes, of which these are the first and the last 16, less what is behind it.
//
//go:noescape
func hashWords(first0, first1, last0, last1 uint64, n int, keys *[4][2]uint64) uint64

// hashShort is [Seeded.Hash] for up to MaxPlaceLen bytes. It needs AES.
func (s *Seeded) hashShort(b []byte) uint64 {
	// In words, not in arrays: what is stored by words and loaded as a whole has to wait.
	le := binary.LittleEndian
	first0, first1 := uint64(0), uint64(0)
	n := len(b)
	switch {
	case n >= 16:
		return hashWords(le.Uint64(b), le.Uint64(b[8:]), le.Uint64(b[n-16:]), le.Uint64(b[n-8:]), n, &s.keys)
	case n >= 8:
		first0, first1 = le.Uint64(b), le.Uint64(b[n-8:])>>(8*(16-n))
	case n >= 4:
		first0 = uint64(le.Uint32(b)) | uint64(le.Uint32(b[n-4:]))<<(8*(n-4))
	default:
		for i, c := range b {
			first0 |= uint64(c) << (8 * i)
		}
	}
	return hashWords(first0, first1, first0, first1, n, &s.keys)
}

// canHashShort reports whether there is hashShort.
func canHashShort() bool { return cpu.X86().AES }
