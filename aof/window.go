package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// windowSize is the size of a reader's window in bytes, as long as no record is larger. Small enough for a cache, large enough
// that what happens once a window costs nothing.
const windowSize = 256 << 10

// window is a stretch of the input in memory:
//
//	           buf[0]      mark        pos            end       len(buf)
//	file ------|-----------|-----------|--------------|---------|
//	           | passed,   | the record | not yet read | free
//	           | droppable | being read |
//	           base                    offset()
//
// What lies behind mark stays in memory, so a record that is larger than the window makes it grow, by doubling and only as data
// arrives: a length that a file merely states never costs memory.
type window struct {
	src  io.Reader
	rerr error // what ended src
	buf  []byte
	mark int
	pos  int
	end  int
	base int64 // offset in the file of buf[0]
	size int   // of buf, as long as no record is larger
	gone int64 // how many zero bytes in a row were the last before buf[0]
}

func (w *window) reset(src io.Reader, offset int64, size int) {
	if len(w.buf) != size {
		w.buf = make([]byte, size)
	}
	*w = window{src: src, buf: w.buf, base: offset, size: size}
}

// offset returns the offset in the file of the next byte.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// release allows everything before pos to go.
func (w *window) release() {
	w.mark = w.pos
	if len(w.buf) > 16*w.size && w.end-w.pos <= w.size { // a giant has passed
		w.forget(w.pos)
		buf := make([]byte, w.size)
		w.end = copy(buf, w.buf[w.pos:w.end])
		w.base += int64(w.pos)
		w.buf, w.mark, w.pos = buf, 0, 0
	}
}

// more reads at least one more byte behind end. Slices of the window are void after it; offsets from mark are not.
func (w *window) more() bool {
	if w.rerr != nil {
		return false
	}
	if w.end == len(w.buf) && !w.makeRoom() {
		return false
	}
	for range 100 {
		n, err := w.src.Read(w.buf[w.end:])
		w.end += n
		if err != nil {
			w.rerr = err
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	w.rerr = io.ErrNoProgress
	return false
}

// ErrTooLarge is the error of a record that the address space of a 32-bit machine cannot hold. A reader that skims has no such limit.
var ErrTooLarge = errors.New("aof: record too large")

// makeRoom drops what lies before mark, and grows the window if that is not much.
func (w *window) makeRoom() bool {
	next := w.buf
	if 2*w.mark < len(w.buf) {
		if len(w.buf) > math.MaxInt/2 {
			w.rerr = ErrTooLarge
			return false
		}
		next = make([]byte, 2*len(w.buf))
	}
	w.forget(w.mark)
	w.end = copy(next, w.buf[w.mark:w.end])
	w.base += int64(w.mark)
	w.pos -= w.mark
	w.buf, w.mark = next, 0
	return true
}

// forget notes what diagnose wants to know of buf[:n], which is about to go.
func (w *window) forget(n int) {
	zeros := trailingZeros(w.buf[:n])
	if zeros == n {
		w.gone += int64(n)
	} else {
		w.gone = int64(zeros)
	}
}

// zerosBefore returns how many zero bytes in a row were the last passed.
func (w *window) zerosBefore() int64 {
	zeros := trailingZeros(w.buf[:w.pos])
	if zeros == w.pos {
		return w.gone + int64(zeros)
	}
	return int64(zeros)
}

// peek returns up to n bytes without passing them; fewer only if the input ends.
func (w *window) peek(n int) []byte {
	for w.end-w.pos < n && w.more() {
	}
	return w.buf[w.pos:min(w.end, w.pos+n)]
}

// line passes a line as C's fgets takes one with a buffer of limit+1 bytes: through the line feed, and at most limit bytes.
// It returns nil at the end of the input; eof says that the end came before a line feed or limit bytes. The slice holds until
// the next call of more.
func (w *window) line(limit int) (p []byte, eof bool) {
	for seen := 0; ; {
		have := min(w.end-w.pos, limit)
		if i := bytes.IndexByte(w.buf[w.pos+seen:w.pos+have], '\n'); i >= 0 {
			return w.pass(seen + i + 1), false
		}
		if have == limit {
			return w.pass(limit), false
		}
		seen = have
		if !w.more() {
			if seen == 0 {
				return nil, true
			}
			return w.pass(seen), true
		}
	}
}

func (w *window) pass(n int) []byte {
	w.pos += n
	return w.buf[w.pos-n : w.pos]
}

// keep passes n bytes that stay in the window, and returns how many there were.
func (w *window) keep(n int64) int64 {
	for int64(w.end-w.pos) < n {
		if !w.more() {
			got := w.end - w.pos
			w.pos = w.end
			return int64(got)
		}
	}
	w.pos += int(n)
	return n
}

// skip passes n bytes without keeping any, and returns how many there were.
func (w *window) skip(n int64) int64 {
	left := n
	for {
		have := int64(w.end - w.pos)
		if left <= have {
			w.pos += int(left)
			w.mark = w.pos
			return n
		}
		left -= have
		w.pos = w.end
		w.mark = w.pos
		if !w.more() {
			return n - left
		}
	}
}

// failed returns what ended the input if that was not its end.
func (w *window) failed() error {
	if w.rerr == nil || w.rerr == io.EOF {
		return nil
	}
	return fmt.Errorf("reading at offset %d: %w", w.base+int64(w.end), w.rerr)
}

// Read makes the window the reader of what is left of it.
func (w *window) Read(p []byte) (int, error) {
	if w.pos == w.end {
		w.mark = w.pos
		if !w.more() {
			return 0, w.rerr
		}
	}
	n := copy(p, w.buf[w.pos:w.end])
	w.pos += n
	w.mark = w.pos
	return n, nil
}
