package repair

import (
	"bytes"
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// What the checksum does not see: the register is empty at the start, and zeros leave it empty. However many stand before the first byte, the
// checksum is right. In a file the magic tells where it begins. A payload of DUMP has none, and may begin with a zero itself: the type of
// strings. There the value is all the evidence.

// blind looks for zeros before the magic of a file whose residue is 0 and that does not begin with the magic.
func (s *search) blind() error {
	if s.residue != 0 || s.h.Fault == nil || s.h.Fault.Code != rdb.CodeSignature {
		return nil
	}
	buf := make([]byte, min(s.n, walkBlock))
	for at := int64(0); at < s.n; at += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), s.n-at)]
		if err := s.read(p, at); err != nil {
			return err
		}
		zeros := len(p) - len(bytes.TrimLeft(p, "\x00"))
		if zeros == len(p) {
			continue
		}
		if at += int64(zeros); at > 0 && s.magicAt(at) {
			c := Candidate{Kind: DamageInsertedBlock, Odds: chance(1, 64-8*len("REDIS")), Edits: []Edit{{Remove: at}}}
			if at <= leastWidth {
				c.Kind = DamageExtraBytes
			}
			s.tried(c.Kind, 1, c.Odds, "")
			s.found(c)
		}
		return nil
	}
	return nil
}

// magicAt reports whether an RDB begins at an offset.
func (s *search) magicAt(at int64) bool {
	p := make([]byte, len("VALKEY"))
	n, _ := io.ReadFull(io.NewSectionReader(s.src, at, s.size-at), p)
	return bytes.HasPrefix(p[:n], []byte("REDIS")) || bytes.Equal(p[:n], []byte("VALKEY"))
}

// almostMagic reports whether the input begins with something like the magic of an RDB.
func (s *search) almostMagic() bool {
	p := make([]byte, len("VALKEY"))
	n, _ := io.ReadFull(io.NewSectionReader(s.src, 0, s.size), p)
	for _, magic := range []string{"REDIS", "VALKEY"} {
		same := 0
		for i := range min(n, len(magic)) {
			if p[i] == magic[i] {
				same++
			}
		}
		if same >= len(magic)/2 {
			return true
		}
	}
	return false
}

// blindDump offers a payload whose checksum is right, and whose value is not, with a zero more or fewer at the start.
func (s *search) blindDump(payload []byte) {
	s.n = s.size
	edits := []Edit{{Insert: []byte{0}}}
	for k := 1; k <= mostWidth && k <= len(payload)-len(bytes.TrimLeft(payload, "\x00")); k++ {
		edits = append(edits, Edit{Remove: int64(k)})
	}
	for _, e := range edits {
		kind := DamageLostBytes
		if e.Remove > 0 {
			kind = DamageExtraBytes
		}
		s.tried(kind, 1, 1, "")
		s.foundUpTo(s.size, Candidate{Kind: kind, Odds: 1, Edits: []Edit{e}})
	}
}
