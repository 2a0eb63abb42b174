package ziplist

import (
	"encoding/binary"
	"errors"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// ErrTooLarge is returned when a ziplist would be larger than servers make one
// ([MaxSize]).
var ErrTooLarge = errors.New("ziplist: larger than 1 GiB")

// Writer builds ziplists as a server does that only ever appends: each prevlen
// and each entry in its smallest form. The zero value is ready for [Writer.Reset].
type Writer struct {
	b     []byte
	start int
	last  int // index of the last entry, or of where the first will be
	n     int
}

// Reset begins an empty ziplist behind the bytes of dst, which may be nil.
func (w *Writer) Reset(dst []byte) {
	w.start, w.n = len(dst), 0
	w.b = append(dst, make([]byte, headerSize)...)
	w.last = len(w.b)
}

// Add appends a string, as an integer if it is the canonical text of one.
func (w *Writer) Add(s []byte) {
	if v, ok := packed.ParseInt(s); ok {
		w.AddInt(v)
		return
	}
	w.AddString(s)
}

// prevLen begins an entry.
func (w *Writer) prevLen() {
	prev := len(w.b) - w.last
	w.last = len(w.b)
	w.n++
	if prev < bigPrevLen {
		w.b = append(w.b, byte(prev))
		return
	}
	w.b = binary.LittleEndian.AppendUint32(append(w.b, bigPrevLen), uint32(prev))
}

// AddInt appends an integer.
func (w *Writer) AddInt(v int64) {
	w.prevLen()
	u := uint64(v)
	switch {
	case v >= 0 && v <= 12:
		w.b = append(w.b, 0xF1+byte(u))
	case v >= -1<<7 && v < 1<<7:
		w.b = append(w.b, 0xFE, byte(u))
	case v >= -1<<15 && v < 1<<15:
		w.b = append(w.b, 0xC0, byte(u), byte(u>>8))
	case v >= -1<<23 && v < 1<<23:
		w.b = append(w.b, 0xF0, byte(u), byte(u>>8), byte(u>>16))
	case v >= -1<<31 && v < 1<<31:
		w.b = binary.LittleEndian.AppendUint32(append(w.b, 0xD0), uint32(u))
	default:
		w.b = binary.LittleEndian.AppendUint64(append(w.b, 0xE0), u)
	}
}

// AddString appends a string as a string, whatever it says.
func (w *Writer) AddString(s []byte) {
	w.prevLen()
	switch n := len(s); {
	case n < 1<<6:
		w.b = append(w.b, byte(n))
	case n < 1<<14:
		w.b = append(w.b, 0x40|byte(n>>8), byte(n))
	default:
		w.b = binary.BigEndian.AppendUint32(append(w.b, 0x80), uint32(n))
	}
	w.b = append(w.b, s...)
}

// Len is the number of entries so far.
func (w *Writer) Len() int { return w.n }

// Size is the number of bytes which the ziplist would have if it ended now.
func (w *Writer) Size() int { return len(w.b) - w.start + 1 }

// Finish ends the ziplist and returns the bytes given to Reset with the
// ziplist behind them. The only error is [ErrTooLarge].
func (w *Writer) Finish() ([]byte, error) {
	if w.Size() > MaxSize {
		return nil, ErrTooLarge
	}
	w.b = append(w.b, end)
	head := w.b[w.start:]
	binary.LittleEndian.PutUint32(head, uint32(len(head)))
	binary.LittleEndian.PutUint32(head[4:], uint32(w.last-w.start))
	binary.LittleEndian.PutUint16(head[8:], uint16(min(w.n, CountUnknown)))
	return w.b, nil
}
