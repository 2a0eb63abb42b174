package repair

import "io"

// view is a part of the file in memory, moved to where it is wanted.
type view struct {
	src  io.ReaderAt
	size int64 // of the file
	from int64
	buf  []byte
	err  error // of the input, which ends the salvage
}

// viewSize is how much of the file a view shows. A record that is looked at as a whole fits, unless it is a large one.
const viewSize = 1 << 20

// at returns what stands at offset p: at least n bytes, unless the file ends before.
func (v *view) at(p int64, n int) []byte {
	if p < 0 || p >= v.size {
		return nil
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
