package dupset

// Place is where a string lies in a buffer, in bytes.
type Place struct{ At, Len uint32 }

// MaxPlaceLen is the length of the longest strings that [Seeded.HashPlaces] hashes.
const MaxPlaceLen = 32

// HashPlaces gives each string of b, in the order in which they lie there and no longer than [MaxPlaceLen], the hash that [Seeded.Hash] and [InSpace] make of it; where a place is longer the hash
// stays as it is. What is behind a string, up to the capacity of b, may be looked at and does not count.
func (s *Seeded) HashPlaces(b []byte, places []Place, hashes []uint64, space uint64) {
	n := len(places)
	hashes = hashes[:n]
	b = b[:cap(b)]
	for n > 0 && !s.hashPlaces(b, places[:n], hashes, space) {
		// The last one may be too long, or lie too near to the end of b.
		n--
		if p := places[n]; p.Len <= MaxPlaceLen {
			hashes[n] = InSpace(s.Hash(b[p.At:p.At+p.Len]), space)
		}
	}
}
