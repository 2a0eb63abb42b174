// Package ziplist reads, checks and writes ziplists, the packed sequence of
// strings and integers in which Redis kept small collections before 7.0, and
// which every newer server still reads.
//
//	 0        4        8       10                              size-1
//	┌────────┬────────┬───────┬─────────┬─────────┬────────────┬────┐
//	│ size   │ tail   │ count │ entry 0 │ entry 1 │     …      │ FF │
//	│ u32 LE │ u32 LE │ u16 LE│         │         │            │    │
//	└────────┴────────┴───────┴─────────┴─────────┴────────────┴────┘
//
// Tail is the offset of the last entry (of the terminator, if there are no
// entries); a count of 65535 means that the entries must be walked to be
// counted. Each entry begins with the size of the one before:
//
//	┌─────────┬──────────────────┬──────┐
//	│ prevlen │ encoding, length │ data │
//	└─────────┴──────────────────┴──────┘
//
// prevlen is one byte below 254, or FE and a u32 LE. The long form may hold a
// small number, because servers do not shrink it when the entry before gets
// smaller. The first entry's is 0.
//
//	00llllll                     string of l bytes
//	01llllll llllllll            string of l bytes
//	10······ l l l l             string of l bytes, l u32 BE; writers emit 80
//	C0 / D0 / E0                 integer of 16 / 32 / 64 bits, LE
//	F0 / FE                      integer of 24 / 8 bits, LE
//	F1…FD                        integer 0…12
//	other bytes from C1 on       no encoding
//
// The rules are those of ziplistValidateIntegrity in Redis 7.2 ziplist.c,
// which 8.6 and Valkey 9.1 have unchanged. Nothing is said there about the
// tail of an empty ziplist but that it lies within it.
package ziplist

import (
	"encoding/binary"
	"io"
	"strconv"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Wire constants.
const (
	headerSize = 10
	end        = 0xFF
	bigPrevLen = 0xFE // first byte of a prevlen of five bytes

	// MinSize is the size in bytes of an empty ziplist.
	MinSize = headerSize + 1
	// MaxSize is the size in bytes above which servers make no ziplist
	// (Redis 7.2 ziplist.c, ZIPLIST_MAX_SAFETY_SIZE). Larger ones are accepted.
	MaxSize = 1 << 30
	// CountUnknown is the header's count if there are too many entries to say.
	CountUnknown = 65535

	maxHead = 10 // bytes of the longest prevlen, encoding and length
)

// A Kind is a rule that a ziplist can break.
type Kind = packed.Kind

// A CorruptError says which rule a ziplist breaks, and where.
type CorruptError = packed.CorruptError

var encoding = packed.NewEncoding("ziplist")

// ErrCorrupt is wrapped by every error that is about the ziplist itself, as
// opposed to the reader it comes from.
var ErrCorrupt = encoding.Corrupt

// short has, for an encoding byte, the size in bytes of encoding and data
// together where this byte alone tells it; 0 where it does not.
var short = func() (t [256]uint8) {
	for b := range 0x40 {
		t[b] = uint8(1 + b)
	}
	t[0xC0], t[0xD0], t[0xE0], t[0xF0], t[0xFE] = 3, 5, 9, 4, 2
	for b := 0xF1; b <= 0xFD; b++ {
		t[b] = 1
	}
	return t
}()

// Iter walks the entries of one ziplist after the other and checks them on the
// way. The zero value is ready for [Iter.Reset]. It is not safe for use by
// several goroutines at once.
type Iter struct {
	c     packed.Cursor
	count int64 // stated by the header
	tail  int64 // stated by the header
	prev  int64 // size of the entry before Next
	enc   int   // index in B of the current entry's encoding, if Pos is not -1
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
	it.count, it.tail, it.prev = 0, 0, 0
	if c.Size() < MinSize {
		return c.FailHeader(packed.TooShort, 0, c.Size(), MinSize)
	}
	if !c.Need(headerSize) {
		return false
	}
	if n := int64(binary.LittleEndian.Uint32(c.B)); n != c.Size() {
		return c.FailHeader(packed.BadSize, 0, n, c.Size())
	}
	it.tail = int64(binary.LittleEndian.Uint32(c.B[4:]))
	if it.tail > c.Size()-1 {
		e := c.Fault(packed.BadTail, 4, -1, it.tail, c.Size()-1)
		e.Shallow = true // where it leads outside, servers see it at once
		return c.FailWith(e)
	}
	it.count = int64(binary.LittleEndian.Uint16(c.B[8:]))
	c.Next = headerSize
	return true
}

// advance is the step over one entry which follows one of prev bytes, has a
// prevlen of one byte, and whose encoding byte says the rest: it returns the
// index behind the entry, or 0 if the entry needs a closer look ([Iter.slow]).
func advance(b []byte, p int, prev int64) int {
	e := p + 1
	if uint(e) >= uint(len(b)) || prev >= bigPrevLen || int64(b[e-1]) != prev {
		return 0
	}
	n := int(short[b[e]])
	q := e + n
	if n == 0 || uint(q) > uint(len(b)) {
		return 0
	}
	return q
}

// Next moves on to the next entry. It is false at the end and when something
// is wrong; [Iter.Err] tells the two apart.
func (it *Iter) Next() bool {
	p := it.c.Next
	if q := advance(it.c.B, p, it.prev); q != 0 {
		it.c.Pos, it.enc, it.c.Next = p, p+1, q
		it.prev = int64(q - p)
		it.c.Index++
		return true
	}
	return it.slow()
}

// Drain walks the remaining entries without showing them, and returns Err.
func (it *Iter) Drain() error {
	c := &it.c
	for more := true; more; more = it.slow() {
		b, p, n, prev := c.B, c.Next, c.Index, it.prev
		for q := advance(b, p, prev); q != 0; q = advance(b, p, prev) {
			prev = int64(q - p)
			p = q
			n++
		}
		c.Next, c.Index, it.prev = p, n, prev
	}
	return c.Err()
}

// head is what stands before an entry's data.
type head struct {
	prevSize int   // bytes of prevlen
	prev     int64 // its value
	size     int   // bytes of prevlen, encoding and length
	data     int64 // bytes of data
}

// parseHead decodes a head; size is 0 if there is no such encoding. Bytes
// beyond b count as 0.
func parseHead(b []byte) (h head) {
	var x [maxHead]byte
	copy(x[:], b)
	h.prevSize, h.prev = 1, int64(x[0])
	if x[0] >= bigPrevLen {
		h.prevSize, h.prev = 5, int64(binary.LittleEndian.Uint32(x[1:]))
	}
	enc := x[h.prevSize:]
	switch {
	case short[enc[0]] != 0:
		h.size, h.data = h.prevSize+1, int64(short[enc[0]])-1
	case enc[0]&0xC0 == 0x40:
		h.size, h.data = h.prevSize+2, int64(enc[0]&0x3F)<<8|int64(enc[1])
	case enc[0]&0xC0 == 0x80:
		h.size, h.data = h.prevSize+5, int64(binary.BigEndian.Uint32(enc[1:]))
	}
	return h
}

// slow is Next for every entry and every end.
func (it *Iter) slow() bool {
	c := &it.c
	if c.Stopped() {
		return false
	}
	left := c.Left()
	if left == 0 {
		return it.finish()
	}
	if !c.Need(int(min(left, maxHead))) {
		return false
	}
	if c.B[c.Next] == end {
		return c.Fail(packed.EarlyEnd, c.NextOffset(), c.NextOffset(), c.Size()-1)
	}
	h := parseHead(c.B[c.Next:])
	switch at := c.NextOffset(); {
	case int64(h.prevSize) >= left:
		return c.Fail(packed.OutOfBounds, at, int64(h.prevSize)+1, left)
	case h.size == 0:
		return c.Fail(packed.BadEncoding, at+int64(h.prevSize), 0, 0)
	case int64(h.size) > left:
		return c.Fail(packed.OutOfBounds, at, int64(h.size), left)
	case int64(h.size)+h.data > left:
		return c.Fail(packed.OutOfBounds, at, int64(h.size)+h.data, left)
	case h.prev != it.prev:
		return c.Fail(packed.BadPrevLen, at, h.prev, it.prev)
	}
	it.prev = int64(h.size) + h.data
	if !c.Fits(it.prev) {
		c.Next += h.size
		return c.Swallow(h.data) && c.YieldLong()
	}
	if !c.Need(int(it.prev)) {
		return false
	}
	c.Pos, it.enc, c.Next = c.Next, c.Next+h.prevSize, c.Next+int(it.prev)
	c.Index++
	return true
}

// finish is the end of the entries: what follows, and is the header right?
func (it *Iter) finish() bool {
	c := &it.c
	b, ok := c.Tail()
	switch last := c.Size() - 1 - it.prev; {
	case !ok:
		return false
	case b != end:
		return c.Fail(packed.BadTerminator, c.Size()-1, int64(b), end)
	case c.Index >= 0 && it.tail != last:
		return c.FailHeader(packed.BadTail, 4, it.tail, last)
	case it.count != CountUnknown && it.count != c.Index+1:
		return c.FailHeader(packed.BadCount, 8, it.count, c.Index+1)
	}
	return c.Stop()
}

// Err returns nil if the walk has not ended or the ziplist is sound, a
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

// IsInt tells whether the current entry is stored as an integer.
func (it *Iter) IsInt() bool { return it.c.Pos >= 0 && it.c.B[it.enc] >= 0xC0 }

// Int returns the integer of the current entry, 0 if it is a string.
func (it *Iter) Int() int64 {
	if it.c.Pos < 0 {
		return 0
	}
	b := it.c.B[it.enc:it.c.Next]
	switch b[0] {
	case 0xFE:
		return int64(int8(b[1]))
	case 0xC0:
		return int64(int16(binary.LittleEndian.Uint16(b[1:])))
	case 0xF0:
		// The byte before the three becomes the lowest and is shifted out.
		return int64(int32(binary.LittleEndian.Uint32(b)) >> 8)
	case 0xD0:
		return int64(int32(binary.LittleEndian.Uint32(b[1:])))
	case 0xE0:
		return int64(binary.LittleEndian.Uint64(b[1:]))
	}
	if b[0] >= 0xC0 {
		return int64(b[0]&0x0F) - 1
	}
	return 0
}

// strHeads is the size of encoding and length by the encoding's top two bits.
var strHeads = [4]int{1, 2, 5, 0}

// Str returns the bytes of the current entry if it is a string and not
// [Iter.Long], otherwise nil. They are part of the blob or the buffer, and
// valid until the next call of Next.
func (it *Iter) Str() []byte {
	if it.c.Pos < 0 {
		return nil
	}
	b := it.c.B[it.enc:it.c.Next:it.c.Next]
	if b[0] >= 0xC0 {
		return nil
	}
	return b[strHeads[b[0]>>6]:]
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
	if _, sum, ok := it.c.Long(); ok {
		return sum
	}
	if it.IsInt() {
		return it.c.Seeds().SumInt(it.Int())
	}
	return it.c.Seeds().Sum(it.Str())
}

// Validate walks a ziplist and returns the number of its entries, or those
// before the fault and a [*CorruptError].
func Validate(b []byte) (count int, err error) {
	var it Iter
	it.Reset(b)
	err = it.Drain()
	return int(it.Index()) + 1, err
}

// ValidateShallow checks what servers check when they do not scan the entries:
// header and last byte.
func ValidateShallow(b []byte) error {
	var it Iter
	it.Reset(b)
	if it.Err() == nil && b[len(b)-1] != end {
		it.c.FailHeader(packed.BadTerminator, int64(len(b)-1), int64(b[len(b)-1]), end)
	}
	return it.Err()
}
