package repair

import (
	"bytes"

	"github.com/kvfsck/kvfsck/crc64"
)

// survey reads the word of n bytes once and sets all of s.word.
func (s *search) survey(n int64) error {
	s.word = word{n: n, marks: make([]uint64, 0, n/walkBlock+1)}
	s.planBlocks()
	s.meter.expect(n)
	buf := make([]byte, min(n, walkBlock))
	sum, last := uint64(0), byte(0)
	for at := int64(0); at < n; at += walkBlock {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(walkBlock, n-at)]
		if err := s.read(p, at); err != nil {
			return err
		}
		s.marks = append(s.marks, sum)
		s.text.add(last, p)
		last = p[len(p)-1]
		sum = s.markBlocks(sum, at, p)
		s.meter.did(int64(len(p)))
	}
	if n%walkBlock == 0 {
		s.marks = append(s.marks, sum) // position n
	}
	s.residue = sum
	var footer [crc64.Size]byte
	if err := s.read(footer[:], n-crc64.Size); err != nil {
		return err
	}
	s.before = crc64.Undo(sum, footer[:])
	return nil
}

// register returns A[i].
func (s *search) register(i int64) (uint64, error) {
	block := i / walkBlock
	p := make([]byte, i-block*walkBlock)
	if err := s.read(p, block*walkBlock); len(p) > 0 && err != nil {
		return 0, err
	}
	return crc64.Update(s.marks[block], p), nil
}

// textCounts is what of a file a transfer as text changes.
type textCounts struct {
	lf, crlf, cr int64
}

// add counts the bytes of p, before which last stands.
func (c *textCounts) add(last byte, p []byte) {
	c.cr += int64(bytes.Count(p, []byte{'\r'}))
	c.lf += int64(bytes.Count(p, []byte{'\n'}))
	c.crlf += int64(bytes.Count(p, []byte("\r\n")))
	if last == '\r' && p[0] == '\n' {
		c.crlf++
	}
}
