package intset

import "encoding/binary"

// Plain reports whether b is a sound intset. It is the quick way through nearly all; what it refuses is for [Iter] to judge.
func Plain(b []byte) bool {
	if len(b) <= headerSize {
		return false
	}
	width, count := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	b = b[headerSize:]
	if width != 2 && width != 4 && width != 8 || uint64(count)*uint64(width) != uint64(len(b)) {
		return false
	}
	n := int(width)
	for last := load(b, n); len(b) > n; {
		b = b[n:]
		v := load(b, n)
		if v <= last {
			return false
		}
		last = v
	}
	return true
}
