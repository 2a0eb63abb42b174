package repair

import (
	"bytes"
	"slices"
)

// # Logs inside of values
//
// A value may be a log itself. As long as the command around it is sound, nobody looks into it; but if that is damaged, its content
// reads like what is missed. These tell the two apart:
//
//	*3 SET k $9000 | *1 PING *3 SET ... *1 PING | \r\n | *2 GET k
//	           |     |                            `- a value ends with an empty line if its last line is ended, a log never does
//	           |     `- what begins a value at its first byte is of the value
//	           `- a length that is there, and that leads to the end of a line, encloses what is before that
//
// The first is seen only when it is too late: what was read since the last gap is under suspicion, and taken back when the empty line
// comes. A gap that hides no more than the rest of its own command is closed; a log cannot have begun in it, and if a value is found to
// have ended, it was an earlier gap in which that began.

// aofSuspect is a gap in which a value may have begun.
type aofSuspect struct {
	active bool
	closed bool
	beyond bool     // the damaged argument says that it reaches beyond the end of the file
	start  int64    // where that begins, 0 if it is not known
	first  int64    // where the first chain behind the gap begins
	before aofState // what was known where that begins
	times  aofTimes // the last in front of the gap

	regions int         // that were there
	open    []AOFRegion // of them, the last ones as they were: what is read since may have changed them
	counts  SalvagedAOF
}

// How far a value may reach, as far as suspicion goes: one that ends with an empty line; one that does so in the middle of a command,
// where the line may be what is left of an empty argument; and one that ends with any other text.
const (
	suspectLine   = 16 << 10
	suspectMiddle = 4 << 10
	suspectText   = 1 << 10
)

// A closed gap within so many bytes of one that is not leaves the suspicion with that.
const suspectNear = 1 << 10

// aofArgument is a damaged argument. start is 0 if its length is not known.
type aofArgument struct{ index, start, size int64 }

// damagedArgument returns the argument at which a command failed, or an earlier one in which a record begins at p: a length that is wrong may end at the end of a line by chance,
// and then it is what follows that fails.
func (s *aofSalvage) damagedArgument(fault *aofFault, p int64) (a aofArgument) {
	for i := len(fault.offs) - 1; i >= 0; i-- {
		size, start := s.header(fault.offs[i], '$')
		if last := i == len(fault.offs)-1; last || start <= p && p < start+size {
			a = aofArgument{fault.from + int64(i), start, size}
		}
		if fault.offs[i] <= p {
			break
		}
	}
	return a
}

// suspectFrom puts what begins at p under suspicion.
func (s *aofSalvage) suspectFrom(p int64, a aofArgument, closed bool) {
	if closed && s.suspectedNear(p) {
		return
	}
	open := s.openRegions()
	if s.work += int64(len(open)); s.tired() {
		s.suspect.active = false
		return
	}
	s.suspect = aofSuspect{
		active: true, closed: closed, start: a.start, beyond: a.start > 0 && a.size > s.size-a.start,
		first: p, before: s.state, times: s.times, regions: len(s.out.Regions), open: open, counts: *s.out,
	}
}

// openRegions copies the regions that what is read next may change: the last one, which may grow, and all of which an EXEC decides.
func (s *aofSalvage) openRegions() []AOFRegion {
	rs := s.out.Regions
	low := len(rs) - 1
	if m := s.state.multi; m >= 0 {
		low = min(low, m-1) // a finished transaction is joined with the region in front of it
	}
	if g := s.state.sinceGap; g >= 0 {
		low = min(low, g)
	}
	return slices.Clone(rs[max(low, 0):])
}

// suspectedNear reports whether a gap that is not closed is under suspicion not far from p.
func (s *aofSalvage) suspectedNear(p int64) bool {
	x := &s.suspect
	return x.active && !x.closed && p < x.first+suspectNear
}

// suspected reports whether a command at p is so near behind a gap that it may well be of a value, so that its key says nothing about
// those of the log.
func (s *aofSalvage) suspected(p int64) bool {
	x := &s.suspect
	return x.active && !x.closed && p < x.first+diskBlock
}

// embedded recognises an empty line with the log, or the rest of a command, behind it: what was read since the last gap is the content
// of an argument.
func (s *aofSalvage) embedded(pos int64) bool {
	x := &s.suspect
	if !x.active || pos >= x.first+suspectLine || !s.emptyLine(pos) || pos >= x.first+suspectMiddle && s.find(pos+2, min(pos+3, s.size), "$") >= 0 {
		return false
	}
	s.convict(pos + 2)
	return true
}

// emptyLine reports whether an empty line stands at pos, with a record, an argument or the end of the file behind it.
func (s *aofSalvage) emptyLine(pos int64) bool {
	if !s.crlf(pos) {
		return false
	}
	rest := aofCommand{aofSpan: aofSpan{pos + 2, pos + 2}}
	if !s.countArguments(&rest) {
		return s.follows(pos + 2)
	}
	s.judge(&rest) // a command whose first line is lost is no rest of one
	return !rest.plausible
}

// tail recognises the end of a value in [pos, p), behind a few commands: a line of text, and nothing of a command. It may be the end of
// a command in a block from elsewhere, too, if their keys are like those of the log.
func (s *aofSalvage) tail(pos, p int64) bool {
	x := &s.suspect
	if !x.active || x.closed || pos == x.first || pos > x.first+suspectText || !s.text(pos, p) || s.known(x.first, pos) {
		return false
	}
	s.convict(p)
	return true
}

// torn recognises the same where the file ends before the argument does: the log in it begins at its first byte.
func (s *aofSalvage) torn() bool {
	x := &s.suspect
	if !x.active || !x.beyond || x.first >= s.size || x.first != x.start && s.crlf(x.first-2) {
		return false
	}
	s.convict(s.size)
	return true
}

// convict takes back everything that was read since the suspect was found.
func (s *aofSalvage) convict(end int64) {
	x := s.suspect
	*s.out = x.counts
	s.out.Regions = append(s.out.Regions[:x.regions-len(x.open)], x.open...)
	s.state, s.times = x.before, x.times
	s.suspect = aofSuspect{}
	s.gap(x.first, end, "commands inside a damaged argument")
}

// timeOnly reports whether [pos, p) is nothing but what is left of timestamps.
func (s *aofSalvage) timeOnly(pos, p int64) bool {
	if p > pos+2*aofHeader {
		return false
	}
	for _, b := range s.at(pos, int(p-pos)) {
		if bytes.IndexByte([]byte("#TS:0123456789\r\n"), b) < 0 {
			return false
		}
	}
	return true
}

// closed reports whether the rest of the command at pos, which is damaged in a, reaches up to p.
func (s *aofSalvage) closed(pos int64, a aofArgument, p int64) bool {
	argc, _ := s.header(pos, '*')
	if a.start == 0 || p > pos+suspectLine || !s.crlf(p-2) {
		return false
	}
	left := argc - a.index - 1
	if left == 0 {
		return !s.framed(a.start, p) && p-2-a.start < a.size+suspectText && p-2-a.start > a.size-suspectText
	}
	for q := s.find(a.start, p, "$"); q >= 0; q = s.find(q+1, p, "$") {
		rest := aofCommand{aofSpan: aofSpan{q, q}}
		if s.crlf(q-2) && s.countArguments(&rest) {
			return rest.end == p && rest.argc == left
		}
	}
	return false
}

// logEnd returns where the log goes on behind a damaged argument in which a record begins at p. A log in it ends about where its
// length says, with an empty line or other text, which settles it. If it does neither, only a record at its first byte says that it is
// one.
func (s *aofSalvage) logEnd(a aofArgument, p int64) (next int64, settled bool) {
	stated := a.start + min(a.size, s.size-a.start)
	if p < a.start || p >= stated || s.tired() {
		return p, false
	}
	first := p
	if stated == s.size { // the file may be torn in it
		if end := s.chainEnd(p, s.size); first == a.start && s.at(p, 1)[0] == '*' && end < s.size && s.resume(end+1) == s.size {
			return s.size, false
		}
		return first, false
	}
	if p := s.familiar(first); p > first {
		return p, false
	}
	slack := min(suspectText, 64+a.size/4)
	low, high := stated-slack, min(stated+slack, s.size)
	_, log := s.header(a.start, '*')
	for p < high && s.err == nil {
		end := s.chainEnd(p, high)
		if end <= high && (end >= low || (stated-end)%diskBlock == 0) && s.emptyLine(end) {
			return s.resume(end + 2), true
		}
		// Nothing is damaged in what goes on from its first byte to its end and beyond, so that it is no log in a value that is.
		if next := s.lineless(p, stated); next > 0 && log > 0 && p > a.start {
			return next, true
		}
		if end > high {
			break
		}
		p = s.resume(end + 1)
		if end <= stated && p >= stated && p <= high {
			return p, false
		}
		if p >= low && p <= high && p > end+4 && s.crlf(p-2) && (s.crlf(p-4) || s.text(s.afterArguments(end, p), p)) {
			return p, true
		}
	}
	if (first == a.start || s.headed(a.start, first)) && s.chainEnd(first, stated) < stated && s.reach(first, stated) <= stated+2 {
		return s.outside(first, stated), false
	}
	return first, false
}

// outside returns where the log goes on behind a log in a value that begins at p and is damaged: behind the end that its length states, or
// before that with commands that have the keys of the log.
func (s *aofSalvage) outside(p, stated int64) int64 {
	for p < stated && s.err == nil {
		p = s.resume(s.chainEnd(p, stated) + 1)
		if s.known(p, min(p+suspectText, s.size)) {
			break
		}
	}
	return p
}

// headed reports whether a log that begins at p may have a line of text in front of it that begins at start. It may as well be the end of
// another argument, which a block is missing in front of, and its keys say so.
func (s *aofSalvage) headed(start, p int64) bool {
	return p-start <= 64 && s.text(start, p) && !s.known(p, min(p+suspectText, s.size))
}

// diskBlock is the unit in which bytes are missing where a disk has lost them.
const diskBlock = 512

// lineless returns where a log goes on behind an argument with a log in it whose last line has no end, so that nothing shows where the
// one ends and the other begins but its length: a record of the chain from p on stands there, or an end of line or two further on. The
// result is 0 if there is none.
func (s *aofSalvage) lineless(p, stated int64) int64 {
	for p < stated+2 {
		end := s.recordEnd(p)
		if end == 0 {
			return 0
		}
		p = end
	}
	if d := p - stated; d <= 2+2*strayLines && d%2 == 0 && s.recordEnd(p) > 0 {
		return p
	}
	return 0
}

// afterArguments returns the end of the last argument in [from, p), from if there is none.
func (s *aofSalvage) afterArguments(from, p int64) int64 {
	for q := s.find(from, p, "$"); q >= 0; q = s.find(q+1, p, "$") {
		if _, next := s.argument(q); next > 0 && next < p {
			from, q = next, next-1
		}
	}
	return from
}

// text reports whether [pos, p) is a few lines of text with nothing of a command.
func (s *aofSalvage) text(pos, p int64) bool {
	if p > pos+suspectText || p == s.size || !s.crlf(p-2) {
		return false
	}
	for _, b := range s.at(pos, int(p-pos)) {
		if b < ' ' && b != '\r' && b != '\n' || b > '~' || b == '$' || b == '*' {
			return false
		}
	}
	return true
}

// frame returns the last byte of the argument at p, which a search passes over: it is sound, and what is in it is of it. The result is p
// if there is none, or if it is one whose length is wrong, as records, or the arguments of one, go on across its end.
func (s *aofSalvage) frame(p int64) int64 {
	payload, next := s.argument(p)
	if next == 0 || payload.end-payload.start < aofMinimum || s.tired() {
		return p
	}
	if _, line := s.header(next, '$'); line == 0 && !s.follows(next) {
		return p
	}
	for q := s.recordStart(payload.start); q >= 0 && q < payload.end; q = s.recordStart(q + 1) {
		end := s.reach(q, payload.end)
		if end > next {
			return p
		}
		q = max(q, end-1)
	}
	return next - 1
}

// spliced reports whether the last argument of c, which no record follows, shows that it is not what it was: a line of the framing
// ends it, or is in it; or it has lines, an empty one follows, and that may be its end; or its last digits say how long what follows is.
func (s *aofSalvage) spliced(c *aofCommand) bool {
	if s.framed(c.last.start, c.last.end) {
		return true
	}
	for p := s.find(c.last.start, c.last.end-1, "\r"); p >= 0 && s.crlf(c.end); p = s.find(p+1, c.last.end-1, "\r") {
		if s.crlf(p) {
			return true
		}
	}
	b := bytes.Clone(s.at(max(c.last.start, c.last.end-aofHeader), int(min(aofHeader, c.last.end-c.last.start))))
	i := len(b)
	for i > 0 && b[i-1]-'0' <= 9 {
		i--
	}
	return i > 0 && i < len(b) && (b[i-1] == '$' || b[i-1] == '*') || s.numbers(b[i:], c.end)
}

// numbers reports whether the end of digits, with the end of a line behind it, is what is left of a line of the framing: an argument of
// that length is behind it, or a command of so many.
func (s *aofSalvage) numbers(digits []byte, at int64) bool {
	rest := aofCommand{aofSpan: aofSpan{at, at}}
	whole := s.countArguments(&rest) && s.follows(rest.end)
	n, unit := int64(0), int64(1)
	for i := len(digits) - 1; i >= 0 && unit <= s.size; i, unit = i-1, 10*unit {
		if n += unit * int64(digits[i]-'0'); digits[i] == '0' {
			continue
		}
		if whole && n == rest.argc {
			return true
		}
		if end := at + n; s.crlf(end) {
			if _, line := s.header(end+2, '$'); line > 0 || s.follows(end+2) {
				return true
			}
		}
	}
	return false
}
