package repair

import "io"

// view is a part of the file in memory, moved to where it is wanted.
type view struct {
	src  io.ReaderAt
	size int64 // of the file
	from int64
	buf  []byte
	err  error // of the input, which ends the salvage

	lent   []byte // a part of the file that is in memory anyway, for what asks for little
	lentAt int64
	bridge [2 * lentMost]byte // what stands on both sides of where it begins
	before int                // bytes of that before it
	whole  int64              // where in it a record begins that is all that is looked at; 0: none
}

// viewSize is how much of the file a view shows. A record that is looked at as a whole fits, unless it is a large one.
const viewSize = 1 << 20

// at returns what stands at offset p: at least n bytes, unless the file ends before.
func (v *view) at(p int64, n int) []byte {
	if p < 0 || p >= v.size {
		return nil
	}
	if b := v.borrow(p, n); b != nil {
		return b
	}
	want := int(min(int64(n), v.size-p))
	if p >= v.from && p+int64(want) <= v.from+int64(len(v.buf)) {
		return v.buf[p-v.from:]
	}
	v.move(p, want)
	if p >= v.from+int64(len(v.buf)) {
		return nil
	}
	return v.buf[p-v.from:]
}

// lentMost is for how many bytes that are asked for less than a view will do. What asks for more looks at all that it gets.
const lentMost = 96

// borrow returns what stands at offset p if that is in memory anyway.
func (v *view) borrow(p int64, n int) []byte {
	i := p - v.lentAt
	switch {
	case len(v.lent) < lentMost:
	case i >= 0 && i+int64(n) <= int64(len(v.lent)) && n <= lentMost, i >= 0 && p == v.whole && p > 0:
		return v.lent[i:]
	case i >= -int64(v.before) && i < 0 && i+int64(n) <= lentMost:
		return v.bridge[lentMost+i:]
	}
	return nil
}

// lend shows what is in memory, as long as it is, and what stands before it.
func (v *view) lend(b []byte, at int64, before []byte) {
	if at == v.lentAt && len(b) == len(v.lent) {
		return
	}
	v.lent, v.lentAt, v.before = b, at, 0
	if len(b) >= lentMost {
		v.before = min(len(before), lentMost)
		copy(v.bridge[lentMost-v.before:], before[len(before)-v.before:])
		copy(v.bridge[lentMost:], b)
	}
}

// giveBack ends that.
func (v *view) giveBack() { v.lend(nil, 0, nil) }

// move makes the view begin a little before p, so that looking back costs nothing.
func (v *view) move(p int64, n int) {
	const before = 64 << 10
	from := max(0, p-before)
	size := int(min(max(int64(viewSize), p-from+int64(n)), v.size-from))
	if cap(v.buf) < size || cap(v.buf) > 4*viewSize && size <= viewSize {
		v.buf = make([]byte, size)
	}
	v.buf, v.from = v.buf[:size], from
	got, err := v.src.ReadAt(v.buf, from)
	if got < size {
		v.buf = v.buf[:got]
		if err != io.EOF && v.err == nil {
			v.err = err
		}
	}
}

// zeros returns how many zero bytes stand at p, at most n.
func (v *view) zeros(p int64, n int) (count int) {
	b := v.at(p, n)
	for count < len(b) && count < n && b[count] == 0 {
		count++
	}
	return count
}

// zerosBefore returns how many zero bytes stand before p, at most n.
func (v *view) zerosBefore(p int64, n int) (count int) {
	from := max(0, p-int64(n))
	b := v.at(from, int(p-from))
	if int64(len(b)) < p-from {
		return 0
	}
	b = b[:p-from]
	for count < len(b) && b[len(b)-1-count] == 0 {
		count++
	}
	return count
}
