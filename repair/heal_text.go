package repair

import (
	"bufio"
	"io"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/crc64"
)

// Transfers that took the file for text and changed all of it by a rule that can be reversed. One pass over the reversed file and its
// register tells.

// transform is such a reversal.
type transform uint8

const (
	asIs       transform = iota
	undoCRLF             // CR LF -> LF
	undoLatin1           // UTF-8 -> Latin-1
)

// open returns the input with the transform applied.
func (t transform) open(r io.Reader) io.Reader {
	b := bufio.NewReaderSize(r, 64<<10)
	if t == undoCRLF {
		return &crlfReader{b}
	}
	return &latin1Reader{b}
}

// crlfReader leaves out every CR that an LF follows.
type crlfReader struct{ r *bufio.Reader }

func (c *crlfReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		b, err := c.r.ReadByte()
		if err != nil {
			return n, err
		}
		if b == '\r' {
			if next, _ := c.r.Peek(1); len(next) == 1 && next[0] == '\n' {
				continue
			}
		}
		p[n] = b
		n++
	}
	return n, nil
}

// latin1Reader writes code points up to 255 as one byte. Any other ends the input early.
type latin1Reader struct{ r *bufio.Reader }

func (l *latin1Reader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c, size, err := l.r.ReadRune()
		if err != nil {
			return n, err
		}
		if c > 255 || c == utf8.RuneError && size == 1 {
			return n, io.EOF
		}
		p[n] = byte(c)
		n++
	}
	return n, nil
}

// wholeText tests the transforms that may apply.
func (s *search) wholeText() error {
	for _, row := range []struct {
		kind  Damage
		rule  transform
		apply bool
	}{
		{DamageCRLF, undoCRLF, s.text.lf > 0 && s.text.lf == s.text.crlf}, // no LF came through without a CR
		{DamageLatin1, undoLatin1, true},
	} {
		if !s.wants(row.kind) {
			continue
		}
		s.tried(row.kind, 1, chance(1, 0), "")
		if !row.apply {
			continue
		}
		size, residue, err := s.residueOf(row.rule)
		if err != nil {
			return err
		}
		if residue == 0 && size < s.n {
			s.found(Candidate{Kind: row.kind, transform: row.rule, Size: size, Odds: chance(1, 0)})
		}
	}
	return nil
}

// residueOf returns the size of the transformed word and the register behind it.
func (s *search) residueOf(t transform) (size int64, residue uint64, err error) {
	r := t.open(io.NewSectionReader(s.src, 0, s.n))
	buf := make([]byte, 64<<10)
	for err == nil {
		if err = s.ctx.Err(); err != nil {
			return 0, 0, err
		}
		var n int
		n, err = r.Read(buf)
		residue = crc64.Update(residue, buf[:n])
		size += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	return size, residue, err
}
