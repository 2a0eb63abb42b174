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
	w := plainWalk{b: b[:len(b)-1], p: p}
	count, deleted, fields := w.number(), w.number(), w.number()
	w.skip(fields)
	if w.number() != 0 || uint64(count) > maxPlain || uint64(deleted) > maxPlain {
		return 0, false
	}
	for n := count + deleted; n > 0 && !w.bad; n-- {
		flags := w.number()
		w.skip(2) // the id, which is to be numbers
		w.bad = w.bad || !w.numbers
		size := fields + 3
		if flags&FlagSameFields != 0 {
			w.skip(fields)
		} else {
			n := w.number()
			size = 2*n + 4
			w.skip(2 * n)
		}
		if w.number() != size {
			return 0, false
		}
		if flags&FlagDeleted == 0 {
			live++
		}
	}
	stated := int64(binary.LittleEndian.Uint16(b[4:]))
	return live, !w.bad && w.p == len(w.b) && stated == w.n && stated != listpack.CountUnknown
}

// maxPlain is how many records a plain node has at most; servers close a node at far fewer.
const maxPlain = 1 << 20

// plainWalk walks the entries of a listpack. Once something is not plain it is bad and stays where it is.
type plainWalk struct {
	b       []byte
	p       int
	n       int64 // entries passed
	numbers bool  // the ones last skipped were
	bad     bool
}

// number passes an entry that is an integer, not text.
func (w *plainWalk) number() int64 {
	v, q := listpack.IntAt(w.b, w.p)
	if q == 0 {
		w.bad = true
		return -1
	}
	w.p = q
	w.n++
	return v
}

// skip passes n entries.
func (w *plainWalk) skip(n int64) {
	if w.bad = w.bad || n < 0; w.bad {
		return
	}
	w.numbers = true
	for w.n += n; n > 0; n-- {
		q := listpack.Skip(w.b, w.p)
		if q == 0 {
			w.bad = true
			return
		}
		w.numbers = w.numbers && !listpack.IsString(w.b[w.p])
		w.p = q
	}
}
