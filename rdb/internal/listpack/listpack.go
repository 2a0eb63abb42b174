// Package listpack reads, checks and writes listpacks, the packed sequence of
// strings and integers in which Redis and Valkey keep small collections and
// the blocks of streams.
//
//	 0        4       6                                            size-1
//	┌────────┬───────┬─────────┬─────────┬─────────┬──────────────┬────┐
//	│ size   │ count │ entry 0 │ entry 1 │ entry 2 │      …       │ FF │
//	│ u32 LE │ u16 LE│         │         │         │              │    │
//	└────────┴───────┴─────────┴─────────┴─────────┴──────────────┴────┘
//
// A count of 65535 means that the entries must be walked to be counted. Each
// entry carries its length twice, so that it can be skipped from either side:
//
//	┌──────────────────┬──────┬─────────┐
//	│ encoding, length │ data │ backlen │   backlen = bytes of the two parts before it
//	└──────────────────┴──────┴─────────┘
//
//	0xxxxxxx                     integer 0…127
//	10llllll                     string of l bytes
//	110xxxxx xxxxxxxx            integer -4096…4095
//	1110llll llllllll            string of l bytes
//	F0 l l l l                   string of l bytes, l u32 LE
//	F1 / F2 / F3 / F4            integer of 16 / 24 / 32 / 64 bits, LE
//	F5…FE                        no encoding
//	FF                           the end
//
// The backlen has seven bits a byte, the most significant first, and bit 7 set
// in all bytes but the first: a reader going backwards stops at the byte
// without it. (Redis 8.6 listpack.c.)
//
// # Where the two families part
//
// How many bytes a backlen takes follows from its value, and the servers
// disagree about three values. Redis up to 8.6, and Valkey before it changed
// its mind, move on to the next width one step early:
//
//	value        Redis   Valkey 9.1
//	16383          3        2
//	2097151        4        3
//	268435455      5        4
//
// Each rejects the other's entries of exactly these sizes. See [Dialect].
//
// # What servers let pass
//
// The validation decodes the backlen by reading back from the entry's last
// byte, at most five bytes and however far they lead. It compares the number,
// not the bytes: an integer 0 followed by 81 is a sound entry, because 81
// points on to the 00 before it. Integers need not be in their smallest form,
// and a string may well be the text of an integer. This package accepts what
// the servers accept.
package listpack

import (
	"encoding/binary"
	"io"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
)

// Wire constants.
const (
	headerSize = 6
	end        = 0xFF

	// MinSize is the size in bytes of an empty listpack.
	MinSize = headerSize + 1
	// MaxSize is the size in bytes above which servers make no listpack
	// (Redis 7.2 listpack.c, LISTPACK_MAX_SAFETY_SIZE). Larger ones are accepted.
	MaxSize = 1 << 30
	// CountUnknown is the header's count if there are too many entries to say.
	CountUnknown = 65535

	maxHead    = 5 // bytes of the longest encoding and length
	maxBackLen = 5 // bytes
)

// A Kind is a rule that a listpack can break.
type Kind = packed.Kind

// A CorruptError says which rule a listpack breaks, and where.
type CorruptError = packed.CorruptError

var encoding = packed.NewEncoding("listpack")

// ErrCorrupt is wrapped by every error that is about the listpack itself, as
// opposed to the reader it comes from.
var ErrCorrupt = encoding.Corrupt

// Dialect is whose backlen widths are accepted. They differ for entries of
// exactly 16383, 2097151 and 268435455 bytes.
type Dialect uint8

const (
	// Either accepts both, entry by entry; [Iter.Only] tells what was met.
	Either Dialect = iota
	// Redis is for Redis up to 8.6 and for Valkey 7 and 8.
	Redis
	// Valkey is for Valkey 9.1.
	Valkey
)

// short has, for the first byte of an entry, the size in bytes of encoding and
// data together where this byte alone tells it; 0 where it does not. All sizes
// are below 128, so the backlen that follows has one byte and equals the size.
var short = func() (t [256]uint8) {
	for b := range t {
		switch {
		case b < 0x80:
			t[b] = 1
		case b < 0xC0:
			t[b] = uint8(1 + b&0x3F)
		case b < 0xE0:
			t[b] = 2
		}
	}
	t[0xF1], t[0xF2], t[0xF3], t[0xF4] = 3, 4, 5, 9
	return t
}()

// Iter walks the entries of one listpack after the other and checks them on
// the way. The zero value is ready for [Iter.Reset]. It is not safe for use by
// several goroutines at once.
type Iter struct {
	// Dialect may be set before Reset or ResetStream and stays set.
	Dialect Dialect

	c       packed.Cursor
	count   int64    // stated by the header
	foreign [2]int64 // 1 + index of the first entry that is good only for Redis, Valkey
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
	it.foreign = [2]int64{}
	c := &it.c
	if c.Size() < MinSize {
		return c.FailHeader(packed.TooShort, 0, c.Size(), MinSize)
	}
	if !c.Need(headerSize) {
		return false
	}
	if n := int64(binary.LittleEndian.Uint32(c.B)); n != c.Size() {
		return c.FailHeader(packed.BadSize, 0, n, c.Size())
	}
	it.count = int64(binary.LittleEndian.Uint16(c.B[4:]))
	c.Next = headerSize
	return true
}

// advance is the step over one entry whose first byte says all: it returns the
// index behind the entry, or 0 if the entry needs a closer look ([Iter.slow]).
//
// There is no case for a size of 0: e is p then, and b[p] is not 0.
func advance(b []byte, p int) int {
	if uint(p) >= uint(len(b)) {
		return 0
	}
	n := short[b[p]]
	e := p + int(n)
	if uint(e) >= uint(len(b)) || b[e] != n {
		return 0
	}
	return e + 1
}

// Next moves on to the next entry. It is false at the end and when something
// is wrong; [Iter.Err] tells the two apart.
func (it *Iter) Next() bool {
	p := it.c.Next
	if q := advance(it.c.B, p); q != 0 {
		it.c.Pos, it.c.Next = p, q
		it.c.Index++
		return true
	}
	return it.slow()
}

// Drain walks the remaining entries without showing them, and returns Err.
func (it *Iter) Drain() error {
	c := &it.c
	for more := true; more; more = it.slow() {
		b, p, n := c.B, c.Next, c.Index
		for q := advance(b, p); q != 0; q = advance(b, p) {
			p = q
			n++
		}
		c.Next, c.Index = p, n
	}
	return c.Err()
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
	head, data := parseHead(c.B[c.Next:])
	switch {
	case head == 0 && c.B[c.Next] == end:
		return c.Fail(packed.EarlyEnd, c.NextOffset(), c.NextOffset(), c.Size()-1)
	case head == 0:
		return c.Fail(packed.BadEncoding, c.NextOffset(), 0, 0)
	case int64(head) > left:
		return c.Fail(packed.OutOfBounds, c.NextOffset(), int64(head), left)
	}
	size := int64(head) + data
	lo, hi := it.widths(size)
	if size+int64(lo) > left {
		return c.Fail(packed.OutOfBounds, c.NextOffset(), size+int64(lo), left)
	}
	if size+int64(hi) > left {
		hi = lo
	}
	if c.Fits(size + int64(hi)) {
		if !c.Need(int(size) + hi) {
			return false
		}
		e := c.Next + int(size)
		k := it.backLen(e, size, lo, hi)
		if k == 0 {
			return false
		}
		c.Pos, c.Next = c.Next, e+k
		c.Index++
		return true
	}
	if !c.Need(head) {
		return false
	}
	c.Next += head
	if !c.Swallow(data) || !c.Need(hi) {
		return false
	}
	k := it.backLen(c.Next, size, lo, hi)
	if k == 0 {
		return false
	}
	c.Next += k
	return c.YieldLong()
}

// parseHead returns the size of encoding and length, 0 if there is no such
// encoding, and that of the data. Bytes beyond b count as 0.
func parseHead(b []byte) (head int, data int64) {
	if n := short[b[0]]; n != 0 {
		return 1, int64(n) - 1
	}
	var h [maxHead]byte
	copy(h[:], b)
	switch {
	case h[0] < 0xF0:
		return 2, int64(h[0]&0x0F)<<8 | int64(h[1])
	case h[0] == 0xF0:
		return 5, int64(binary.LittleEndian.Uint32(h[1:]))
	}
	return 0, 0
}

// widths is the least and the greatest number of bytes which a backlen of
// value n may take.
func (it *Iter) widths(n int64) (lo, hi int) {
	switch it.Dialect {
	case Redis:
		lo = redisWidth(n)
		return lo, lo
	case Valkey:
		lo = valkeyWidth(n)
		return lo, lo
	}
	return valkeyWidth(n), redisWidth(n)
}

func redisWidth(n int64) int {
	switch {
	case n <= 127:
		return 1
	case n < 16383:
		return 2
	case n < 2097151:
		return 3
	case n < 268435455:
		return 4
	}
	return 5
}

func valkeyWidth(n int64) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	case n < 1<<28:
		return 4
	}
	return 5
}

// backLen returns the width of the backlen at B[e:], which is lo or hi, and
// fails and returns 0 if it does not say size.
func (it *Iter) backLen(e int, size int64, lo, hi int) int {
	c := &it.c
	for k := lo; k <= hi; k++ {
		if readBack(c.B[:e+k]) != size {
			continue
		}
		if r, v := redisWidth(size), valkeyWidth(size); r != v {
			only := r - k // 0 or 1: Redis is the wider one
			if it.foreign[only] == 0 {
				it.foreign[only] = c.Index + 2
			}
		}
		return k
	}
	at := c.NextOffset() + int64(e-c.Next)
	c.Fail(packed.BadBackLen, at, readBack(c.B[:e+lo]), size)
	return 0
}

// readBack decodes the backlen that ends where b ends; -1 if it has no first
// byte within five.
func readBack(b []byte) (v int64) {
	stop := max(0, len(b)-maxBackLen)
	for i, shift := len(b)-1, 0; i >= stop; i, shift = i-1, shift+7 {
		v |= int64(b[i]&0x7F) << shift
		if b[i] < 0x80 {
			return v
		}
	}
	return -1
}

// finish is the end of the entries: what follows, and are they as many as stated?
func (it *Iter) finish() bool {
	c := &it.c
	b, ok := c.Tail()
	switch {
	case !ok:
		return false
	case b != end:
		return c.Fail(packed.BadTerminator, c.Size()-1, int64(b), end)
	case it.count != CountUnknown && it.count != c.Index+1:
		return c.FailHeader(packed.BadCount, 4, it.count, c.Index+1)
	}
	return c.Stop()
}

// Validate walks a listpack and returns the number of its entries, or those
// before the fault and a [*CorruptError]. It accepts either dialect.
func Validate(b []byte) (count int, err error) {
	var it Iter
	it.Reset(b)
	err = it.Drain()
	return int(it.Index()) + 1, err
}

// ValidateShallow checks what servers check when they do not sanitize
// payloads: header and last byte.
func ValidateShallow(b []byte) error {
	var it Iter
	it.Reset(b)
	if it.Err() == nil && b[len(b)-1] != end {
		it.c.FailHeader(packed.BadTerminator, int64(len(b)-1), int64(b[len(b)-1]), end)
	}
	return it.Err()
}
