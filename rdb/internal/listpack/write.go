package listpack

import (
	"encoding/binary"
	"errors"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// ErrTooLarge is returned when a listpack would be larger than servers make
// one ([MaxSize]).
var ErrTooLarge = errors.New("listpack: larger than 1 GiB")

// Writer builds listpacks as a server does: each entry in its smallest form.
// The zero value is ready for [Writer.Reset].
type Writer struct {
	// Dialect is whose backlen widths are written. Either stands for Redis here.
	Dialect Dialect

	b     []byte
	start int
	n     int
}

// Reset begins an empty listpack behind the bytes of dst, which may be nil.
func (w *Writer) Reset(dst []byte) {
	w.start, w.n = len(dst), 0
	w.b = append(dst, make([]byte, headerSize)...)
}

// Add appends a string, as an integer if it is the canonical text of one.
func (w *Writer) Add(s []byte) {
	if v, ok := packed.ParseInt(s); ok {
		w.AddInt(v)
		return
	}
	w.AddString(s)
}

// AddInt appends an integer.
func (w *Writer) AddInt(v int64) {
	from := len(w.b)
	u := uint64(v)
	switch {
	case v >= 0 && v < 128:
		w.b = append(w.b, byte(u))
	case v >= -1<<12 && v < 1<<12:
		w.b = append(w.b, 0xC0|byte(u>>8)&0x1F, byte(u))
	case v >= -1<<15 && v < 1<<15:
		w.b = append(w.b, 0xF1, byte(u), byte(u>>8))
	case v >= -1<<23 && v < 1<<23:
		w.b = append(w.b, 0xF2, byte(u), byte(u>>8), byte(u>>16))
	case v >= -1<<31 && v < 1<<31:
		w.b = binary.LittleEndian.AppendUint32(append(w.b, 0xF3), uint32(u))
	default:
		w.b = binary.LittleEndian.AppendUint64(append(w.b, 0xF4), u)
	}
	w.close(from)
}

// AddString appends a string as a string, whatever it says. Servers do so
// nowhere on purpose; tests and repairs that must keep bytes as they were do.
func (w *Writer) AddString(s []byte) {
	from := len(w.b)
	switch n := len(s); {
	case n < 1<<6:
		w.b = append(w.b, 0x80|byte(n))
	case n < 1<<12:
		w.b = append(w.b, 0xE0|byte(n>>8), byte(n))
	default:
		w.b = binary.LittleEndian.AppendUint32(append(w.b, 0xF0), uint32(n))
	}
	w.b = append(w.b, s...)
	w.close(from)
}

// close ends the entry that begins at index from with its backlen.
func (w *Writer) close(from int) {
	n := int64(len(w.b) - from)
	k := redisWidth(n)
	if w.Dialect == Valkey {
		k = valkeyWidth(n)
	}
	for more := byte(0); k > 0; k, more = k-1, 0x80 {
		w.b = append(w.b, byte(n>>(7*(k-1)))&0x7F|more)
	}
	w.n++
}

// Len is the number of entries so far.
func (w *Writer) Len() int { return w.n }

// Size is the number of bytes which the listpack would have if it ended now.
func (w *Writer) Size() int { return len(w.b) - w.start + 1 }

// Finish ends the listpack and returns the bytes given to Reset with the
// listpack behind them. The only error is [ErrTooLarge].
func (w *Writer) Finish() ([]byte, error) {
	if w.Size() > MaxSize {
		return nil, ErrTooLarge
	}
	w.b = append(w.b, end)
	head := w.b[w.start:]
	binary.LittleEndian.PutUint32(head, uint32(len(head)))
	binary.LittleEndian.PutUint16(head[4:], uint16(min(w.n, CountUnknown)))
	return w.b, nil
}
