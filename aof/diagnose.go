package aof

import (
	"bytes"
	"strconv"
)

// Zero bytes make a hole only if there are enough of them: binary arguments have some.
const (
	minHole       = 16 // where a record's structure should be
	minHoleBefore = 64 // before the place of the fault, where an argument may end in them
)

// diagnose says what kind of damage a fault is from the bytes around it: as many before and behind as are
// zero. It reads on for that and leaves the reader unusable.
func (r *Reader) diagnose(e *FormatError) {
	if e.Damage != 0 {
		return
	}
	before := r.w.zerosBefore()
	at := r.w.offset()
	behind, atEOF := r.countZeros()
	zeros := before + behind
	e.ZeroOffset, e.ZeroSize = at-before, zeros
	switch {
	case atEOF && behind > 0 && e.Code != CodeBulkShort, atEOF && zeros >= minHole:
		e.Damage = DamageZeroTail
		return
	case behind > 0 && zeros >= minHole, before >= minHoleBefore && !e.EOF:
		e.Damage = DamageHole
		return
	}
	e.ZeroOffset, e.ZeroSize = 0, 0
	switch {
	case e.EOF:
		e.Damage = DamageTorn
	case e.Code == CodeNoRecord && e.Record == 0:
		e.Damage = DamageOtherFile
		e.Found = r.guess(e.Found)
	default:
		e.Damage = DamageGarbage
	}
}

func trailingZeros(p []byte) int { return len(p) - len(bytes.TrimRight(p, "\x00")) }

// countZeros passes zero bytes and returns how many there were; atEOF says that nothing follows them.
func (r *Reader) countZeros() (n int64, atEOF bool) {
	for {
		p := r.w.buf[r.w.pos:r.w.end]
		zeros := len(p) - len(bytes.TrimLeft(p, "\x00"))
		n += int64(zeros)
		r.w.pos += zeros
		r.w.mark = r.w.pos
		if r.w.pos < r.w.end {
			return n, false
		}
		if !r.w.more() {
			return n, true
		}
	}
}

// otherFiles are the beginnings of files that are mistaken for append-only files.
var otherFiles = []struct{ magic, name string }{
	{"\x1f\x8b", "gzip data"},
	{"\x28\xb5\x2f\xfd", "Zstandard data"},
	{"\x04\x22\x4d\x18", "LZ4 data"},
	{"BZh", "bzip2 data"},
	{"\xfd7zXZ\x00", "XZ data"},
	{"PK\x03\x04", "a ZIP archive"},
	{"\x7fELF", "a program"},
	{"REDIS", "an RDB file"},
	{"VALKEY", "an RDB file"},
	{"VCS", "a compressed RDB file"},
	{"file ", "a manifest"},
	{"+", "a reply of a server"},
	{"-", "a reply of a server"},
	{"$", "a reply of a server"},
}

// guess names the kind of file that begins at the next byte.
func (r *Reader) guess(unknown string) string {
	p := r.w.peek(512)
	for _, f := range otherFiles {
		if bytes.HasPrefix(p, []byte(f.magic)) {
			return f.name
		}
	}
	for _, b := range p {
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' {
			return unknown
		}
	}
	return "text, " + unknown
}

func quoted(p []byte) string {
	if len(p) == 0 {
		return "the end"
	}
	return strconv.Quote(string(p))
}

func quotedInt(v int64) string { return strconv.FormatInt(v, 10) }
