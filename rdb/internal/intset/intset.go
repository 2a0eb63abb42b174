// Package intset reads, checks and writes intsets, the sorted arrays in which
// Redis and Valkey keep small sets of integers.
//
//	 0        4        8                                    size
//	┌────────┬────────┬───────────┬───────────┬─────────────┐
//	│ width  │ count  │ element 0 │ element 1 │      …      │
//	│ u32 LE │ u32 LE │           │           │             │
//	└────────┴────────┴───────────┴───────────┴─────────────┘
//
// The width is that of every element in bytes: 2, 4 or 8. Elements are signed,
// little endian, and strictly ascending, so there can be no duplicates. A set
// that no longer needs its width keeps it: the width is not always the smallest
// possible one. An intset is never empty, because an empty set is no key.
//
// The rules are those of intsetValidateIntegrity (Redis 8.6 and Valkey 9.1
// intset.c).
package intset

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// headerSize is in bytes.
const headerSize = 8

// A Kind is a rule that an intset can break.
type Kind = packed.Kind

// A CorruptError says which rule an intset breaks, and where.
type CorruptError = packed.CorruptError

var encoding = packed.NewEncoding("intset")

// ErrCorrupt is wrapped by every error that is about the intset itself, as
// opposed to the reader it comes from.
var ErrCorrupt = encoding.Corrupt

// Iter walks the elements of one intset after the other and checks them on the
// way. The zero value is ready for [Iter.Reset]. It is not safe for use by
// several goroutines at once.
type Iter struct {
	c     packed.Cursor
	width int
	count int64
	value int64 // of the current element
}

// Reset starts on a blob that is in memory as a whole.
func (it *Iter) Reset(b []byte) {
	it.c.Open(encoding, b, 0)
	it.header()
}

// ResetStream starts on a blob of exactly size bytes that comes from r, through
// buf, which has at least [packed.MinBuffer] bytes or is replaced.
func (it *Iter) ResetStream(r io.Reader, size int64, buf []byte) {
	it.c.OpenStream(encoding, r, size, buf, 0)
	it.header()
}

func (it *Iter) header() bool {
	c := &it.c
	it.value, it.width, it.count = 0, 0, 0
	if c.Size() < headerSize {
		return c.FailHeader(packed.TooShort, 0, c.Size(), headerSize)
	}
	if !c.Need(headerSize) {
		return false
	}
	width := int64(binary.LittleEndian.Uint32(c.B))
	it.count = int64(binary.LittleEndian.Uint32(c.B[4:]))
	switch size := headerSize + it.count*width; {
	case width != 2 && width != 4 && width != 8:
		e := c.Fault(packed.BadEncoding, 0, -1, width, width)
		e.Shallow = true // servers look at it together with the size
		return c.FailWith(e)
	case size != c.Size():
		return c.FailHeader(packed.BadSize, 4, size, c.Size())
	case it.count == 0:
		return c.FailHeader(packed.Empty, 4, 0, 0)
	}
	it.width = int(width)
	c.Next = headerSize
	return true
}

// load decodes the element at the start of b, which has width bytes at least.
func load(b []byte, width int) int64 {
	switch width {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// Next moves on to the next element. It is false at the end and when something
// is wrong; [Iter.Err] tells the two apart.
func (it *Iter) Next() bool {
	c := &it.c
	p, q := c.Next, c.Next+it.width
	if q > len(c.B) || p == q {
		if !it.more() {
			return false
		}
		p, q = c.Next, c.Next+it.width
	}
	v := load(c.B[p:q], it.width)
	if v <= it.value && c.Index >= 0 {
		return c.Fail(packed.Unsorted, c.NextOffset(), v, it.value)
	}
	it.value = v
	c.Pos, c.Next = p, q
	c.Index++
	return true
}

// more makes the next element visible, if there is one.
func (it *Iter) more() bool {
	c := &it.c
	if c.Stopped() {
		return false
	}
	if c.Left() == 0 {
		return c.Stop()
	}
	return c.Need(it.width)
}

// Drain walks the remaining elements without showing them, and returns Err.
func (it *Iter) Drain() error {
	for it.Next() {
	}
	return it.Err()
}

// Err returns nil if the walk has not ended or the intset is sound, a
// [*CorruptError] if it is not, and an error of the reader otherwise.
func (it *Iter) Err() error { return it.c.Err() }

// Offset is the place of the current element in the blob, in bytes; after an
// error, that of the fault.
func (it *Iter) Offset() int64 { return it.c.Offset() }

// Index is the number of the current element, from 0; -1 before the first Next.
// After the end it stays at the last element.
func (it *Iter) Index() int64 { return it.c.Index }

// Consumed is how many bytes a stream's reader has given so far, which after an
// error is what a caller must know to skip the rest.
func (it *Iter) Consumed() int64 { return it.c.Consumed() }

// Count is the number of elements, which the size of the blob confirms.
func (it *Iter) Count() int64 { return it.count }

// Width is the size of each element in bytes: 2, 4 or 8; 0 if the header is corrupt.
func (it *Iter) Width() int { return it.width }

// IsInt tells whether there is a current element: all of them are integers.
func (it *Iter) IsInt() bool { return it.c.Pos >= 0 }

// Int returns the current element, 0 if there is none.
func (it *Iter) Int() int64 {
	if it.c.Pos < 0 {
		return 0
	}
	return it.value
}

// Str returns nil: no element is a string.
func (it *Iter) Str() []byte { return nil }

// Text returns the current element's decimal text, for which scratch is
// overwritten, or nil if there is none.
func (it *Iter) Text(scratch []byte) []byte {
	if it.c.Pos < 0 {
		return nil
	}
	return strconv.AppendInt(scratch[:0], it.value, 10)
}

// Len is the length in bytes of the current element's text.
func (it *Iter) Len() int64 {
	if it.c.Pos < 0 {
		return 0
	}
	return int64(packed.TextLen(it.value))
}

// Long returns false: elements have at most 8 bytes.
func (it *Iter) Long() bool { return false }

// Fingerprint returns the sum of the current element's text under the seeds of
// [dupset.Process].
func (it *Iter) Fingerprint() dupset.Sum {
	if it.c.Pos < 0 {
		return it.c.Seeds().Sum(nil)
	}
	return it.c.Seeds().SumInt(it.value)
}

// Validate walks an intset and returns the number of its elements, or those
// before the fault and a [*CorruptError].
func Validate(b []byte) (count int, err error) {
	var it Iter
	it.Reset(b)
	err = it.Drain()
	return int(it.Index()) + 1, err
}

// ValidateShallow checks what servers check when they do not sanitize
// payloads: all but the order.
func ValidateShallow(b []byte) error {
	var it Iter
	it.Reset(b)
	return it.Err()
}

// Errors of [Append].
var (
	ErrUnsorted = errors.New("intset: elements are not strictly ascending")
	ErrTooMany  = errors.New("intset: more elements than an intset can count")
)

// Append appends to dst the intset of the elements, which must be strictly
// ascending, in the smallest width that holds them all. No elements give the
// empty intset, which servers have in memory but reject in files.
func Append(dst []byte, elements []int64) ([]byte, error) {
	if int64(len(elements)) > math.MaxUint32 {
		return dst, ErrTooMany
	}
	width := 2
	for i, v := range elements {
		if i > 0 && v <= elements[i-1] {
			return dst, ErrUnsorted
		}
	}
	if n := len(elements); n > 0 {
		width = max(widthOf(elements[0]), widthOf(elements[n-1]))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(width))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(elements)))
	for _, v := range elements {
		switch width {
		case 2:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(v))
		case 4:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		default:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
		}
	}
	return dst, nil
}

func widthOf(v int64) int {
	switch {
	case v == int64(int16(v)):
		return 2
	case v == int64(int32(v)):
		return 4
	}
	return 8
}
