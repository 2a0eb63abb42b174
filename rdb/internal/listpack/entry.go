package listpack

import (
	"encoding/binary"
	"strconv"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Err returns nil if the walk has not ended or the listpack is sound, a
// [*CorruptError] if it is not, and an error of the reader otherwise.
func (it *Iter) Err() error { return it.c.Err() }

// Offset is the place of the current entry in the blob, in bytes; after an
// error, that of the fault.
func (it *Iter) Offset() int64 { return it.c.Offset() }

// Index is the number of the current entry, from 0; -1 before the first Next.
// After the end it stays at the last entry.
func (it *Iter) Index() int64 { return it.c.Index }

// Consumed is how many bytes a stream's reader has given so far, which after an
// error is what a caller must know to skip the rest.
func (it *Iter) Consumed() int64 { return it.c.Consumed() }

// Count is the number of entries which the header states; [CountUnknown] if it
// does not. It is believed by nobody: bound what you allocate by the blob's size.
func (it *Iter) Count() int64 { return it.count }

// Only returns the indexes of the first entries which only Redis or only
// Valkey accepts, -1 if there were none so far. Under [Either], a listpack is
// good for Redis if it is sound and valkey is -1, and the other way round.
func (it *Iter) Only() (redis, valkey int64) { return it.foreign[0] - 1, it.foreign[1] - 1 }

// IsInt tells whether the current entry is stored as an integer.
func (it *Iter) IsInt() bool {
	if it.c.Pos < 0 {
		return false
	}
	b := it.c.B[it.c.Pos]
	return b < 0x80 || b&0xE0 == 0xC0 || b > 0xF0
}

// Int returns the integer of the current entry, 0 if it is a string.
func (it *Iter) Int() int64 {
	if it.c.Pos < 0 {
		return 0
	}
	return intAt(it.c.B[it.c.Pos:it.c.Next])
}

// intAt returns the integer of the entry b, 0 if it is a string.
func intAt(b []byte) int64 {
	switch {
	case b[0] < 0x80:
		return int64(b[0])
	case b[0]&0xE0 == 0xC0:
		return int64(int16(uint16(b[0])<<11|uint16(b[1])<<3) >> 3)
	case b[0] == 0xF1:
		return int64(int16(binary.LittleEndian.Uint16(b[1:])))
	case b[0] == 0xF2:
		// The byte before the three becomes the lowest and is shifted out.
		return int64(int32(binary.LittleEndian.Uint32(b)) >> 8)
	case b[0] == 0xF3:
		return int64(int32(binary.LittleEndian.Uint32(b[1:])))
	case b[0] == 0xF4:
		return int64(binary.LittleEndian.Uint64(b[1:]))
	}
	return 0
}

// Str returns the bytes of the current entry if it is a string and not
// [Iter.Long], otherwise nil. They are part of the blob or the buffer, and
// valid until the next call of Next.
func (it *Iter) Str() []byte {
	if it.c.Pos < 0 {
		return nil
	}
	b := it.c.B[it.c.Pos:it.c.Next]
	if b[0]&0xC0 == 0x80 {
		n := 1 + int(b[0]&0x3F)
		return b[1:n:n]
	}
	if b[0] < 0xE0 || b[0] > 0xF0 {
		return nil
	}
	head, data := parseHead(b)
	n := head + int(data)
	return b[head:n:n]
}

// Text returns the current entry as bytes: the string as [Iter.Str] does, or
// the integer's decimal text, for which scratch is overwritten.
func (it *Iter) Text(scratch []byte) []byte {
	if it.IsInt() {
		return strconv.AppendInt(scratch[:0], it.Int(), 10)
	}
	return it.Str()
}

// Len is the length in bytes of the current entry's text.
func (it *Iter) Len() int64 {
	if n, _, ok := it.c.Long(); ok {
		return n
	}
	if it.IsInt() {
		return int64(packed.TextLen(it.Int()))
	}
	return int64(len(it.Str()))
}

// Long tells whether the current entry is an element that did not fit into a
// stream's buffer: it has been checked and hashed, but its bytes are gone.
func (it *Iter) Long() bool {
	_, _, ok := it.c.Long()
	return ok
}

// Fingerprint returns the sum of the current entry's text under the seeds of
// [dupset.Process].
func (it *Iter) Fingerprint() dupset.Sum {
	if it.IsInt() {
		return it.c.Seeds().SumInt(it.Int())
	}
	if _, sum, ok := it.c.Long(); ok {
		return sum
	}
	return it.c.Seeds().Sum(it.Str())
}
