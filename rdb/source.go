package rdb

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/kvfsck/kvfsck/crc64"
)

// windowSize is the window's size. Small enough for a cache, large enough that what happens once a window costs nothing.
const windowSize = 256 << 10

// source is a byte window over a reader:
//
//	           buf[0]      folded       pos            end
//	file ------|-----------|------------|--------------|-------
//	           | passed, and in sum     | not yet read |
//	           base                     offset()
//
// Everything a parser takes is a slice of the window. While the source is pinned no byte of an older window is overwritten, so
// slices taken since stay valid, across any number of refills.
type source struct {
	buf      []byte
	pos, end int
	behind   int // bytes that are lent behind the end, where buf is all there is
	base     int64
	r        io.Reader // nil: buf is all there is
	rerr     error     // what ended r

	size    int    // of a window
	pinned  bool   // slices of buf are in use
	spare   []byte // a window that no slice points into
	retired []byte // a window left while pinned

	folded  int
	summing bool
	sum     uint64
	tee     *[]byte // takes all that is passed

	short int64 // offset of the primitive that errShort is about
}

// Causes that the primitives return; whoever knows the place makes a FormatError of them.
var (
	errShort   = errors.New("short read")
	errLength  = errors.New("no length")
	errString  = errors.New("no string")
	errTooLong = errors.New("too long a string") // beyond ReaderOptions.MaxString
)

func (s *source) reset(r io.Reader, size int) {
	*s = source{buf: make([]byte, size), r: r, size: size, summing: true}
}

// resetBytes makes b the whole input, whose first byte stands at offset base. The capacity behind it is not touched.
func (s *source) resetBytes(b []byte, base int64) {
	*s = source{buf: b[:len(b):len(b)], end: len(b), base: base, rerr: io.EOF, size: windowSize}
}

// lend makes the source know what is behind its end, of which nothing is to be read.
func (s *source) lend(buf []byte) {
	if n := len(buf) - s.end; n > 0 {
		s.buf, s.behind = buf, n
	}
}

func (s *source) offset() int64 { return s.base + int64(s.pos) }

// fold passes on what was read since it was last called.
func (s *source) fold() {
	p := s.buf[s.folded:s.pos]
	if s.summing {
		s.sum = crc64.Update(s.sum, p)
	}
	if s.tee != nil {
		*s.tee = append(*s.tee, p...)
	}
	s.folded = s.pos
}

// pin keeps slices of the window valid until unpin.
func (s *source) pin() { s.pinned = true }

func (s *source) unpin() {
	s.pinned = false
	if s.retired != nil {
		if s.spare == nil {
			s.spare = s.retired
		}
		s.retired = nil
	}
}

// shift makes room: it moves what is unread to the front of a window of at least n bytes.
func (s *source) shift(n int) {
	s.fold()
	tail, next := s.buf[s.pos:s.end], s.buf
	if s.pinned || len(next) < n || len(next) > s.size && n <= s.size {
		if next = s.spare; len(next) < n {
			next = make([]byte, max(n, s.size))
		}
		s.spare = nil
		if len(s.buf) == s.size {
			if s.pinned {
				s.retired = s.buf
			} else {
				s.spare = s.buf
			}
		}
	}
	copy(next, tail)
	s.buf = next
	s.base += int64(s.pos)
	s.pos, s.end, s.folded = 0, len(tail), 0
}

// fill makes the next n bytes of the input buf[pos:pos+n] and reports whether there are as many. A window grows beyond its size
// only as data arrives, at most to twice the bytes that are there.
func (s *source) fill(n int) bool {
	for s.end-s.pos < n && s.rerr == nil && s.r != nil {
		if n > len(s.buf)-s.pos && (s.pos > 0 || s.end == len(s.buf)) {
			have := s.end - s.pos
			s.shift(min(n, max(s.size, 2*have)))
		}
		s.read()
	}
	if s.end-s.pos < n {
		s.short = s.offset()
		return false
	}
	return true
}

// read appends to the window what one Read gives.
func (s *source) read() {
	var n int
	n, s.rerr = readSome(s.r, s.buf[s.end:])
	s.end += n
}

// readSome is Read, but that it is an error if that gives neither bytes nor an error, again and again.
func readSome(r io.Reader, p []byte) (n int, err error) {
	for range 100 {
		if n, err = r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// take returns the next n bytes.
func (s *source) take(n int) ([]byte, error) {
	if s.end-s.pos < n && !s.fill(n) {
		return nil, errShort
	}
	p := s.buf[s.pos : s.pos+n : s.pos+n]
	s.pos += n
	return p, nil
}

// takeLent is take with the capacity up to the end of the window, for reading.
func (s *source) takeLent(n int) ([]byte, error) {
	if s.end-s.pos < n && !s.fill(n) {
		return nil, errShort
	}
	p := s.buf[s.pos : s.pos+n : s.end]
	s.pos += n
	return p, nil
}

// skip passes n bytes without keeping them.
func (s *source) skip(n uint64) error {
	if n <= uint64(s.end-s.pos) {
		s.pos += int(n)
		return nil
	}
	start := s.offset()
	for {
		have := uint64(s.end - s.pos)
		if n <= have {
			s.pos += int(n)
			return nil
		}
		n -= have
		s.pos = s.end
		if !s.fill(1) {
			s.short = start
			return errShort
		}
	}
}

// Read makes the source the reader of what is left of it.
func (s *source) Read(p []byte) (int, error) {
	if s.end == s.pos && !s.fill(1) {
		if s.rerr != nil {
			return 0, s.rerr
		}
		return 0, io.EOF
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	return n, nil
}

func (s *source) byte() (byte, error) {
	if s.pos >= s.end && !s.fill(1) {
		return 0, errShort
	}
	b := s.buf[s.pos]
	s.pos++
	return b, nil
}

func (s *source) uint64() (uint64, error) {
	p, err := s.take(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(p), nil
}

// length reads a length:
//
//	00xxxxxx                    6 bits
//	01xxxxxx yyyyyyyy           14 bits, big endian
//	10000000 and 4 bytes        32 bits, big endian
//	10000001 and 8 bytes        64 bits, big endian
//	11xxxxxx                    enc: the form of a string, not a length
//
// (Redis rdb.c, rdbLoadLenByRef)
func (s *source) length() (v uint64, enc bool, err error) {
	if s.pos >= s.end && !s.fill(1) {
		return 0, false, errShort
	}
	b := s.buf[s.pos]
	if b < 0x40 {
		s.pos++
		return uint64(b), false, nil
	}
	return s.longLength(b)
}

func (s *source) longLength(b byte) (v uint64, enc bool, err error) {
	rest := 0
	switch {
	case b >= 0xC0:
		s.pos++
		return uint64(b & 0x3F), true, nil
	case b < 0x80:
		rest = 1
	case b == len32:
		rest = 4
	case b == len64:
		rest = 8
	default:
		s.pos++
		return 0, false, errLength
	}
	if s.end-s.pos <= rest && !s.fill(1+rest) {
		s.short = s.offset() + 1 // the first byte was there
		return 0, false, errShort
	}
	p := s.buf[s.pos+1 : s.pos+1+rest]
	s.pos += 1 + rest
	switch rest {
	case 1:
		return uint64(b&0x3F)<<8 | uint64(p[0]), false, nil
	case 4:
		return uint64(binary.BigEndian.Uint32(p)), false, nil
	default:
		return binary.BigEndian.Uint64(p), false, nil
	}
}

// limited reads at most n bytes of a source.
type limited struct {
	s *source
	n uint64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.n == 0 {
		return 0, io.EOF
	}
	if uint64(len(p)) > l.n {
		p = p[:l.n]
	}
	n, err := l.s.Read(p)
	l.n -= uint64(n)
	return n, err
}
