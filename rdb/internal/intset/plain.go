package intset

import "encoding/binary"

// Plain reports whether b is a sound intset. It is the quick way through nearly all; what it refuses is for [Iter] to judge.
func Plain(b []byte) bool {
	if len(b) <= headerSize {
		return false
	}
	width, count := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	b = b[headerSize:]
	if uint64(count)*uint64(width) != uint64(len(b)) {
		return false
	}
	sorted := true
	switch width {
	case 2:
		v := int16(binary.LittleEndian.Uint16(b))
		for b = b[2:]; len(b) >= 2; b = b[2:] {
			next := int16(binary.LittleEndian.Uint16(b))
			sorted = sorted && v < next
			v = next
		}
	case 4:
		v := int32(binary.LittleEndian.Uint32(b))
		for b = b[4:]; len(b) >= 4; b = b[4:] {
			next := int32(binary.LittleEndian.Uint32(b))
			sorted = sorted && v < next
			v = next
		}
	case 8:
		v := int64(binary.LittleEndian.Uint64(b))
		for b = b[8:]; len(b) >= 8; b = b[8:] {
			next := int64(binary.LittleEndian.Uint64(b))
			sorted = sorted && v < next
			v = next
		}
	default:
		return false
	}
	return sorted
}
