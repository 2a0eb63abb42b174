package stream

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
)

// Plain reports whether b is plainly a sound node, and how many of its records are not deleted. It is the quick way through nearly all nodes; what
// it refuses may be good and is for [Node.Walk] to judge. What it accepts, Walk accepts in either dialect, and the count in the header is right.
func Plain(b []byte) (live int64, ok bool) {
	p := listpack.Open(b)
	if p == 0 {
		return 0, false
	}
	most := int64(len(b)) // of anything that has entries; below what could overflow
	stated := int64(binary.LittleEndian.Uint16(b[4:]))
	b = b[:len(b)-1]
	count, p := number(b, p)
	deleted, p := number(b, p)
	fields, p := number(b, p)
	p = skip(b, p, fields)
	zero, p := number(b, p)
	if p == 0 || zero != 0 || uint64(count) > uint64(most) || uint64(deleted) > uint64(most) || fields < 0 {
		return 0, false
	}
	entries := fields + 4
	for n := count + deleted; n > 0; n-- {
		var flags, size int64
		if flags, p = number(b, p); p == 0 {
			return 0, false
		}
		p = integer(b, integer(b, p)) // the id
		values, own := fields, int64(0)
		if flags&FlagSameFields == 0 {
			if values, p = number(b, p); uint64(values) > uint64(most) {
				return 0, false
			}
			values, own = 2*values, 1
		}
		p = skip(b, p, values)
		if size, p = number(b, p); p == 0 || size != values+own+3 {
			return 0, false
		}
		entries += size + 1
		if flags&FlagDeleted == 0 {
			live++
		}
	}
	return live, p == len(b) && stated == entries && stated != listpack.CountUnknown
}

// number returns the integer at p, and where the next entry is; 0 for that if there is none, or if p is 0.
func number(b []byte, p int) (v int64, next int) {
	switch {
	case p == 0:
		return 0, 0
	case p+1 < len(b) && b[p] < 0x80 && b[p+1] == 1: // nearly always
		return int64(b[p]), p + 2
	}
	return listpack.IntAt(b, p)
}

// integer is number where the value does not count.
func integer(b []byte, p int) (next int) {
	if p == 0 || p < len(b) && listpack.IsString(b[p]) {
		return 0
	}
	return listpack.Short(b, p)
}

// skip passes n entries at p, if that is not 0, and returns where the next one is.
func skip(b []byte, p int, n int64) (next int) {
	for ; n > 0 && p != 0; n-- {
		q := listpack.Short(b, p)
		if q == 0 {
			q = listpack.Skip(b, p)
		}
		p = q
	}
	return p
}
