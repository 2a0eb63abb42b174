package repair

import "bytes"

// # Ends of lines that are too much
//
// An end of line in the middle of a command moves what follows by two bytes, and all else agrees. In a line of the framing only one
// place is possible, and the correction is proven; in an argument, or between two of them, the argument may have been longer.

// lineSearch reads a command past ends of lines that are too much.
type lineSearch struct {
	*aofSalvage
	argc   int64
	edits  []Edit
	proven bool
	vague  bool       // there are several places
	first  [2]aofSpan // payloads
	last   aofSpan
	name   []byte // if an end of line is taken out of it
	end    int64
}

// strayLines is how many may be too much in a command.
const strayLines = 2

// strayArguments is how many arguments a command may have in which they are looked for.
const strayArguments = 256

// withoutLines reads the command at off without such ends of lines; nil if that makes none.
func (s *aofSalvage) withoutLines(off int64) *aofFix {
	if s.tired() {
		return nil
	}
	x := &lineSearch{aofSalvage: s, proven: true}
	var next int64
	left := strayLines
	if x.argc, next = s.header(off, '*'); next == 0 {
		var i int64
		if x.argc, i, next = x.splitLine(off, '*'); next == 0 || i == 0 {
			return nil
		}
		x.edits = append(x.edits, Edit{Offset: off + i, Remove: 2})
		left--
	}
	if x.argc < 1 || x.argc > strayArguments || !x.argument(next, 0, left) || len(x.edits) == 0 {
		return nil
	}
	c := aofCommand{aofSpan: aofSpan{off, x.end}, argc: x.argc, first: x.first, last: x.last, name: x.name, edits: x.edits}
	if s.judge(&c); !c.plausible {
		return nil
	}
	return &aofFix{cmd: c, proven: x.proven, vague: x.vague, why: "an end of line that is too much"}
}

// strayLine reports whether an empty line stands at pos, with a command behind it that has damage of its own.
func (s *aofSalvage) strayLine(pos int64) bool {
	if !s.crlf(pos) {
		return false
	}
	_, next := s.header(pos+2, '*')
	_, name := s.argument(next)
	return next > 0 && name > 0
}

// splitLine reads a line of the framing out of which an end of line is taken at its index i.
func (x *lineSearch) splitLine(off int64, sigil byte) (v, i, next int64) {
	b := bytes.Clone(x.at(off, aofHeader+2))
	for i := 0; i+1 < len(b); i++ {
		if b[i] != '\r' || b[i+1] != '\n' {
			continue
		}
		rest := append(bytes.Clone(b[:i]), b[i+2:]...)
		if v, n := strictLine(rest, sigil); n > 0 && i < n {
			return v, int64(i), off + int64(n) + 2
		}
	}
	return 0, 0, 0
}

// argument reads the arguments from index k on, which begin at pos.
func (x *lineSearch) argument(pos, k int64, left int) bool {
	if k == x.argc {
		x.end = pos
		return x.begun(pos)
	}
	if size, start := x.header(pos, '$'); start > 0 && x.payload(start, size, k, left) {
		return true
	}
	if left == 0 {
		return false
	}
	size, i, start := x.splitLine(pos, '$')
	if start == 0 {
		return false
	}
	if size <= x.size-start-2 && x.crlf(start+size) {
		if _, whole := x.aofSalvage.argument(pos); whole > 0 && x.framed(start, start+size) { // it is one as it stands, and would swallow others
			return false
		}
	}
	was := x.proven
	x.proven = x.proven && (i > 0 || k == 0)
	x.edits = append(x.edits, Edit{Offset: pos + i, Remove: 2})
	if x.payload(start, size, k, left-1) {
		return true
	}
	x.edits, x.proven = x.edits[:len(x.edits)-1], was
	return false
}

// begun reports whether a record, or the beginning of a command, is at pos.
func (x *lineSearch) begun(pos int64) bool {
	if x.follows(pos) {
		return true
	}
	_, next := x.header(pos, '*')
	_, name := x.header(next, '$')
	return next > 0 && name > 0
}

// payload reads the content of argument k, and what follows.
func (x *lineSearch) payload(start, size, k int64, left int) bool {
	if size > x.size-start-2 {
		return false
	}
	was := *x
	if k < 2 {
		x.first[k] = aofSpan{start, start + size}
	}
	x.last = aofSpan{start, start + size}
	if left > 0 && string(x.at(start+size, 4)) == "\r\r\n\n" {
		x.edits = append(x.edits, Edit{Offset: start + size + 1, Remove: 2})
		if x.argument(start+size+4, k+1, left-1) {
			return true
		}
		*x = was
	}
	for n := range int64(left + 1) {
		end := start + size + 2*n
		if !x.crlf(end) {
			continue
		}
		if (n == 0 || x.take(start, end, n, k)) && x.argument(end+2, k+1, left-int(n)) {
			return true
		}
		x.edits, x.proven, x.vague, x.name = was.edits, was.proven, was.vague, was.name
	}
	return false
}

// take takes n ends of lines out of argument k.
func (x *lineSearch) take(start, end, n, k int64) bool {
	x.work += (end - start) / aofHeader
	found := int64(0)
	for p := x.find(start, end, "\r"); p >= 0 && p < end-1; p = x.find(p+1, end, "\r") {
		if !x.crlf(p) {
			continue
		}
		if found++; found <= n {
			x.edits = append(x.edits, Edit{Offset: p, Remove: 2})
		}
	}
	if x.vague = x.vague || found > n; k == 0 && end-start < aofHeader {
		x.name = bytes.ReplaceAll(x.at(start, int(end-start)), []byte("\r\n"), nil)
		return found == n
	}
	x.proven = false
	return found >= n && (found == n || !x.framed(start, end))
}
