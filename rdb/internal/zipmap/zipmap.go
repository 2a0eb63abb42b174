// Package zipmap reads, checks and writes zipmaps, the packed form of small
// hashes in Redis before 2.6, which every newer server still reads.
//
//	 0      1                                             size-1
//	┌──────┬────────┬───────┬────────┬──────┬───────┬──────┬───┬────┐
//	│count │ length │ field │ length │ free │ value │ free │ … │ FF │
//	│ u8   │        │       │        │ u8   │       │ bytes│   │    │
//	└──────┴────────┴───────┴────────┴──────┴───────┴──────┴───┴────┘
//
// A count of 254 means that the pairs must be walked to be counted. A length is
// one byte below 254, or FE and a u32 LE. After a value's length stands the
// number of unused bytes that follow the value, left over from a longer one.
//
// # What servers let pass
//
// The rules are those of zipmapValidateIntegrity. Three things may surprise
// (Redis 7.0, 8.6 and Valkey 9.1 agree on them):
//
//   - Where a value's length is expected, FF introduces the five-byte form as FE
//     does. Where a field's is expected it ends the map.
//   - The map may end before the last byte; only the last byte must be FF as
//     well. What lies between is ignored. See [Iter.Trailing].
//   - A length below 254 in the five-byte form is rejected by the newest
//     releases of all branches, but was not before (Redis 7.4.1). The walk goes
//     on after it, and [Iter.LongLength] tells of it.
package zipmap

import (
	"encoding/binary"
	"io"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Wire constants.
const (
	headerSize = 1
	end        = 0xFF
	bigLength  = 0xFE // first byte of a length of five bytes

	// MinSize is the least number of bytes a zipmap can have.
	MinSize = headerSize + 1
	// CountUnknown is the header's count if there are too many pairs to say.
	CountUnknown = 254

	maxHead = 6 // bytes of the longest length and the free byte
)

// A Kind is a rule that a zipmap can break.
type Kind = packed.Kind

// A CorruptError says which rule a zipmap breaks, and where.
type CorruptError = packed.CorruptError

var encoding = packed.NewEncoding("zipmap")

// ErrCorrupt is wrapped by every error that is about the zipmap itself, as
// opposed to the reader it comes from.
var ErrCorrupt = encoding.Corrupt

// Iter walks the fields and values, in turn, of one zipmap after the other and
// checks them on the way. The zero value is ready for [Iter.Reset]. It is not
// safe for use by several goroutines at once.
type Iter struct {
	c        packed.Cursor
	count    int64 // of pairs, stated by the header
	str      int   // index in B of the current entry's string
	strLen   int   // and its length
	long     *CorruptError
	trailing int64
}

// Reset starts on a blob that is in memory as a whole.
func (it *Iter) Reset(b []byte) {
	it.c.Open(encoding, b, 1)
	it.header()
}

// ResetStream starts on a blob of exactly size bytes that comes from r, through
// buf, which has at least [packed.MinBuffer] bytes or is replaced. An element
// which finds no room there is hashed on its way through; see [Iter.Long].
func (it *Iter) ResetStream(r io.Reader, size int64, buf []byte) {
	it.c.OpenStream(encoding, r, size, buf, 1)
	it.header()
}

func (it *Iter) header() bool {
	c := &it.c
	it.count, it.long, it.trailing = 0, nil, 0
	if c.Size() < MinSize {
		return c.FailHeader(packed.TooShort, 0, c.Size(), MinSize)
	}
	if !c.Need(headerSize) {
		return false
	}
	it.count = int64(c.B[0])
	c.Next = headerSize
	return true
}

// Next moves on to the next field or value. It is false at the end and when
// something is wrong; [Iter.Err] tells the two apart.
func (it *Iter) Next() bool {
	c := &it.c
	if c.Stopped() {
		return false
	}
	value := c.Index&1 == 0 // the entry before was a field
	left := c.Left()
	if left == 0 && !value {
		return it.finish()
	}
	if left > 0 && !c.Need(int(min(left, maxHead))) {
		return false
	}
	b := c.B[c.Next:]
	if !value && b[0] == end {
		it.trailing = left
		return c.Skip(left) && it.finish()
	}
	head, n, free := parseHead(b, value)
	need := int64(head) + n + free
	if int64(head) > left {
		// What a length says that is not there itself is no news.
		need = int64(head)
	}
	if need > left {
		return c.Fail(packed.OutOfBounds, c.NextOffset(), need, left)
	}
	if it.long == nil && head > 2 && n < bigLength {
		it.long = c.Fault(packed.LongLength, c.NextOffset(), c.Index+1, n, bigLength)
	}
	if !c.Fits(need) {
		c.Next += head
		return c.Swallow(n) && c.Skip(free) && c.YieldLong()
	}
	if !c.Need(int(need)) {
		return false
	}
	c.Pos, it.str, it.strLen = c.Next, c.Next+head, int(n)
	c.Next += int(need)
	c.Index++
	return true
}

// parseHead returns the size of what stands before the string, the string's
// length, and the number of bytes free behind it. Bytes beyond b count as FF,
// which is what follows the body.
func parseHead(b []byte, value bool) (head int, n, free int64) {
	x := [maxHead]byte{end, end, end, end, end, end}
	copy(x[:], b)
	head, n = 1, int64(x[0])
	if x[0] >= bigLength {
		head, n = 5, int64(binary.LittleEndian.Uint32(x[1:]))
	}
	if value {
		free = int64(x[head])
		head++
	}
	return head, n, free
}

// finish is the end of the pairs: what follows, and are they as many as stated?
func (it *Iter) finish() bool {
	c := &it.c
	pairs := (c.Index + 1) / 2
	b, ok := c.Tail()
	switch {
	case !ok:
		return false
	case b != end:
		return c.Fail(packed.BadTerminator, c.Size()-1, int64(b), end)
	case pairs == 0:
		e := c.Fault(packed.Empty, 0, -1, 0, 0)
		e.Shallow = false // unlike intsets, zipmaps are walked to find out
		return c.FailWith(e)
	case it.count != CountUnknown && it.count != pairs:
		return c.FailHeader(packed.BadCount, 0, it.count, pairs)
	}
	return c.Stop()
}

// Drain walks the remaining entries without showing them, and returns Err.
func (it *Iter) Drain() error {
	for it.Next() {
	}
	return it.Err()
}

// Err returns nil if the walk has not ended or the zipmap is sound, a
// [*CorruptError] if it is not, and an error of the reader otherwise.
func (it *Iter) Err() error { return it.c.Err() }

// LongLength returns the first length below 254 in the five-byte form, nil if
// none was met so far. It is not part of [Iter.Err].
func (it *Iter) LongLength() *CorruptError { return it.long }

// Trailing is how many bytes lie between an end before the last byte and the
// last byte, that end included; 0 if there is none. Known after the end.
func (it *Iter) Trailing() int64 { return it.trailing }

// Offset is the place of the current entry in the blob, in bytes; after an
// error, that of the fault.
func (it *Iter) Offset() int64 { return it.c.Offset() }

// Index is the number of the current entry, from 0; -1 before the first Next.
// Fields are even, values odd. After the end it stays at the last entry.
func (it *Iter) Index() int64 { return it.c.Index }

// Consumed is how many bytes a stream's reader has given so far, which after an
// error is what a caller must know to skip the rest.
func (it *Iter) Consumed() int64 { return it.c.Consumed() }

// Count is the number of pairs which the header states; [CountUnknown] if it
// does not.
func (it *Iter) Count() int64 { return it.count }

// IsField tells whether the current entry is a field rather than a value.
func (it *Iter) IsField() bool { return it.c.Index >= 0 && it.c.Index&1 == 0 }

// IsInt returns false: all entries are strings.
func (it *Iter) IsInt() bool { return false }

// Int returns 0: no entry is an integer.
func (it *Iter) Int() int64 { return 0 }

// Str returns the bytes of the current entry if it is not [Iter.Long],
// otherwise nil. They are part of the blob or the buffer, and valid until the
// next call of Next.
func (it *Iter) Str() []byte {
	if it.c.Pos < 0 {
		return nil
	}
	n := it.str + it.strLen
	return it.c.B[it.str:n:n]
}

// Text returns what [Iter.Str] returns; scratch is there to have the method
// all packed encodings have.
func (it *Iter) Text(_ []byte) []byte { return it.Str() }

// Len is the length in bytes of the current entry.
func (it *Iter) Len() int64 {
	if n, _, ok := it.c.Long(); ok {
		return n
	}
	return int64(len(it.Str()))
}

// Long tells whether the current entry is an element that did not fit into a
// stream's buffer: it has been checked and hashed, but its bytes are gone.
func (it *Iter) Long() bool {
	_, _, ok := it.c.Long()
	return ok
}

// Fingerprint returns the sum of the current entry under the seeds of
// [dupset.Process].
func (it *Iter) Fingerprint() dupset.Sum {
	if _, sum, ok := it.c.Long(); ok {
		return sum
	}
	return it.c.Seeds().Sum(it.Str())
}

// Validate walks a zipmap and returns the number of its pairs, or of the whole
// pairs before the fault and a [*CorruptError]. A zipmap whose only fault is
// a length below 254 in the five-byte form gives the kind [packed.LongLength].
func Validate(b []byte) (pairs int, err error) {
	var it Iter
	it.Reset(b)
	err = it.Drain()
	if err == nil && it.long != nil {
		err = it.long
	}
	return int((it.Index() + 1) / 2), err
}

// ValidateShallow checks what servers check when they do not scan the entries:
// the size and the last byte.
func ValidateShallow(b []byte) error {
	var it Iter
	it.Reset(b)
	if it.Err() == nil && b[len(b)-1] != end {
		it.c.FailHeader(packed.BadTerminator, int64(len(b)-1), int64(b[len(b)-1]), end)
	}
	return it.Err()
}

// Writer builds zipmaps without free bytes. No server makes them any more; tests
// and generators of old files do. The zero value is ready for [Writer.Reset].
type Writer struct {
	b     []byte
	start int
	n     int
}

// Reset begins an empty zipmap behind the bytes of dst, which may be nil.
func (w *Writer) Reset(dst []byte) {
	w.start, w.n = len(dst), 0
	w.b = append(dst, 0)
}

// Add appends a pair. It is the caller's business that fields are unique.
func (w *Writer) Add(field, value []byte) {
	w.length(len(field))
	w.b = append(w.b, field...)
	w.length(len(value))
	w.b = append(w.b, 0)
	w.b = append(w.b, value...)
	w.n++
}

func (w *Writer) length(n int) {
	if n < bigLength {
		w.b = append(w.b, byte(n))
		return
	}
	w.b = binary.LittleEndian.AppendUint32(append(w.b, bigLength), uint32(n))
}

// Finish ends the zipmap and returns the bytes given to Reset with the zipmap
// behind them.
func (w *Writer) Finish() []byte {
	w.b[w.start] = byte(min(w.n, CountUnknown))
	w.b = append(w.b, end)
	return w.b
}
