package repair

import (
	"bytes"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// Where the RDB ends. That is the end of the input, unless something was appended; then the checksum stands before it. If the verifier came
// to an end mark, it is there. If not, a few tails can be told by their looks: a newline that an editor added, zeros of a file system, and
// the commands of an append-only file.

// maxEnds is how many ends are tried, each of which costs a walk.
const maxEnds = 6

// ends returns where the RDB may end, the end of the input first.
func (s *search) ends(rep *rdb.Report) ([]int64, error) {
	ends := []int64{s.size}
	if rep.Complete && rep.EOF.HasChecksum && rep.EOF.End() < s.size {
		ends = append(ends, rep.EOF.End())
	}
	tail := make([]byte, min(s.size, 2))
	if err := s.read(tail, s.size-int64(len(tail))); err != nil {
		return nil, err
	}
	var more []int64
	var err error
	switch newline := bytes.HasSuffix(tail, []byte("\n")); {
	case newline:
		more = []int64{s.size - 1, s.size - 2}
		if tail[0] != '\r' {
			more = more[:1]
			break
		}
		if !rep.Complete {
			err = s.scanCommands(func(at int64) { more = append(more, at) })
		}
	case !rep.Complete && bytes.HasSuffix(tail, []byte{0}):
		more, err = s.zeroTail()
	}
	return append(ends, more[:min(len(more), maxEnds-len(ends))]...), err
}

// scanCommands calls yield with every place where a command of an append-only file may follow an RDB: an end mark, eight bytes, and then "*"
// and a number.
func (s *search) scanCommands(yield func(at int64)) error {
	const head = 1 + crc64.Size + len("*1\r")
	buf := make([]byte, min(s.size, walkBlock))
	for at := int64(0); at+int64(head) <= s.size; at += int64(len(buf) - head + 1) {
		p := buf[:min(int64(len(buf)), s.size-at)]
		if err := s.read(p, at); err != nil {
			return err
		}
		for i := range len(p) - head + 1 {
			if p[i] != endMark {
				continue
			}
			star, digit, next := p[i+9], p[i+10], p[i+11]
			if star == '*' && digit >= '1' && digit <= '9' && (next == '\r' || next >= '0' && next <= '9') {
				yield(at + int64(i) + 1 + crc64.Size)
			}
		}
	}
	return s.ctx.Err()
}

// endMark is the opcode before the checksum.
const endMark = 0xFF

// zeroTail returns the ends that there may be in front of the zeros with which the input ends. The checksum can end in zeros too.
func (s *search) zeroTail() (ends []int64, err error) {
	last := s.size // behind the last byte that is not zero
	buf := make([]byte, min(s.size, walkBlock))
	for last > 0 {
		at := max(0, last-int64(len(buf)))
		p := buf[:last-at]
		if err := s.read(p, at); err != nil {
			return nil, err
		}
		rest := bytes.TrimRight(p, "\x00")
		if last = at + int64(len(rest)); len(rest) > 0 {
			break
		}
	}
	mark := make([]byte, 1)
	for end := max(last, crc64.Size+1); end < min(last+crc64.Size, s.size); end++ {
		if err := s.read(mark, end-crc64.Size-1); err != nil {
			return nil, err
		}
		if mark[0] == endMark {
			ends = append(ends, end)
		}
	}
	return ends, nil
}
