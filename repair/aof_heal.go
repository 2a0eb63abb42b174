package repair

import (
	"bytes"
	"math/bits"
	"strconv"

	"github.com/kvfsck/kvfsck/aof"
)

// # Correcting a header
//
// A command that does not parse is parsed again under the assumption that one byte of its framing is wrong, lost or too much. The
// assumption is believed if everything up to the next record agrees with it, and no other assumption of the kind does as well.
//
//	damage                                     what fixes the value                                   proven
//	'*' or count, by something else            the arguments up to the next '*'                       if a command's name stands first
//	CR LF behind a count, also if it is lost   the arguments, and the count                           the same
//	count, by another count                    the same                                               if its name takes no other number
//	'$' or CR in a length's line               the length                                             yes
//	a digit, by something else                 the CR LF in front of the next '$' or '*'              yes
//	a digit, by a digit                        the same                                                only if the argument is a known name
//	LF in front of an argument, CR behind it   the length                                             if one bit is wrong
//	LF behind an argument                      the length                                             yes
//	CR LF behind the last argument, lost       the length, the next command                           yes, but not of what is behind it
//	any other lost, or one byte too much       the length, the count                                  no
//
// So of "$3283", a length whose CR LF is lost, it is known that it is 3 for the argument 283, and not that this is the argument of that command.
//
// The last column is about the other explanation. A length that disagrees by a few with its argument is a wrong digit, or an argument
// that has lost or gained a few bytes; and damage to a byte beside the argument may go on in it. Such commands are doubtful.
//
// Or the one half is of another command than the other, as the edges of a hole in the file seldom show: then as much may be lost between
// them as between two records. Only where all that is stated is there, and no byte is missing, nothing is.

// aofFix is a way to read a command.
type aofFix struct {
	cmd    aofCommand
	proven bool
	exact  bool // what stands in front of the damage states what is behind it: nothing is lost between them
	apart  bool // the command is whole in front of the damage, and what is lost between it and the next may be more than its end
	loose  bool // bytes are lost in it or behind it, so that what follows may be in a value
	vague  bool // not even where the correction belongs is known
	why    string
}

// heal looks for the one way to read what begins at off, where command failed with fault. clear is false if there are several.
func (s *aofSalvage) heal(off int64, fault *aofFault) (best *aofFix, clear bool) {
	var found []aofFix
	add := func(f aofFix) {
		for i := range found {
			if found[i].cmd.end == f.cmd.end && sameEdit(found[i].cmd.edits, f.cmd.edits) {
				found[i].proven, found[i].exact = found[i].proven || f.proven, found[i].exact || f.exact
				return
			}
		}
		found = append(found, f)
	}
	if fault.arg < 0 {
		s.healCount(off, add)
	} else {
		s.healGrownCount(off, fault, add)
	}
	for i := len(fault.offs) - 1; i >= 0 && len(found) < 8; i-- {
		k := fault.from + int64(i)
		s.healLength(off, k, fault.offs[i], add)
		s.healEnd(off, k, fault.offs[i], add)
	}
	return chooseFix(found)
}

// chooseFix picks the one proven reading, or else the one that corrects a length, or else the first; clear is false if that leaves the
// end of the command open.
func chooseFix(found []aofFix) (best *aofFix, clear bool) {
	proven := 0
	exact := true
	clear = true
	for i := range found {
		f := &found[i]
		clear, exact = clear && f.cmd.end == found[0].cmd.end, exact && f.exact
		if f.proven {
			proven++
		}
		if best == nil || f.proven && !best.proven || f.proven == best.proven && f.why == whyLength && best.why != whyLength {
			best = f
		}
	}
	if proven > 1 {
		best.proven = false
	}
	if best != nil {
		best.exact = exact
	}
	return best, clear || proven == 1
}

const whyLength = "the length of an argument"

// sameEdit reports whether two corrections are the same.
func sameEdit(a, b []Edit) bool {
	return len(a) == 1 && len(b) == 1 && a[0].Offset == b[0].Offset && a[0].Remove == b[0].Remove && bytes.Equal(a[0].Insert, b[0].Insert)
}

// follows reports whether a record, or the end of the file, is at off.
func (s *aofSalvage) follows(off int64) bool {
	if off == s.size {
		return true
	}
	if _, ok := s.annotation(off); ok {
		return true
	}
	_, ok := s.command(off, nil, s.limit())
	return ok
}

// surelyFollows reports whether a command or a timestamp is at off. Another annotation may be the end of an argument that ends with a '#'.
func (s *aofSalvage) surelyFollows(off int64) bool {
	if note, ok := s.annotation(off); ok {
		return note.hasTime
	}
	return off < s.size && s.follows(off)
}

// confirm judges a command that was read to its end with one assumption, and adds it if a record follows.
func (s *aofSalvage) confirm(c aofCommand, e Edit, f aofFix, add func(aofFix)) {
	if !s.follows(c.end) {
		return
	}
	c.edits = []Edit{e}
	s.judge(&c)
	if f.apart && c.special != aof.Ordinary && c.special != aof.Select { // of a transaction both ends must be known
		f.proven, f.apart = false, false
	}
	if f.cmd = c; s.trusted(&c) {
		add(f)
	}
}

// healCount corrects the header of a command, '*' and a count, from its arguments.
func (s *aofSalvage) healCount(off int64, add func(aofFix)) {
	line := bytes.Clone(s.at(off, aofHeader))
	for n := 0; n < min(len(line), 8); n++ {
		if line[n] != '$' {
			continue
		}
		c := aofCommand{aofSpan: aofSpan{off, off + int64(n)}}
		if !s.countArguments(&c) {
			continue
		}
		want := countLine(c.argc)
		d := editDistance(line[:n], want)
		if d > 2 || bytes.HasSuffix(line[:n], want) { // what is right needs no correction, whatever stands before it
			continue
		}
		exact := line[0] == '*' && bytes.Equal(digitsOf(line[:n]), digitsOf(want))
		s.confirm(c, Edit{off, int64(n), want}, aofFix{
			proven: exact || d == 1 && n == len(want), exact: exact, loose: n < len(want), why: "a command's first line",
		}, add)
		return
	}
}

// digitsOf returns the digits of a line.
func digitsOf(line []byte) (digits []byte) {
	for _, b := range line {
		if b-'0' <= 9 {
			digits = append(digits, b)
		}
	}
	return digits
}

// countArguments reads arguments from c.end on for as long as there are any.
func (s *aofSalvage) countArguments(c *aofCommand) bool {
	for {
		payload, next := s.argument(c.end)
		if next == 0 {
			return c.argc > 0
		}
		if c.argc < 2 {
			c.first[c.argc] = payload
		}
		c.end = next
		c.argc++
	}
}

// healGrownCount takes a command that ends, in front of a whole record, with fewer arguments than it says. That may be a write that
// broke off, too; so its name must take no other number of arguments.
func (s *aofSalvage) healGrownCount(off int64, fault *aofFault, add func(aofFix)) {
	end := fault.offs[len(fault.offs)-1]
	stated, next := s.header(off, '*')
	if fault.arg == 0 || end >= s.size || !s.follows(end) {
		return
	}
	c := aofCommand{aofSpan: aofSpan{off, next}, argc: fault.arg}
	if !s.arguments(&c, 0, nil) {
		return
	}
	want := countLine(c.argc)
	proven := s.fixedArity(c, stated)
	if !proven && s.swallowed(&c) {
		return
	}
	s.confirm(c, Edit{off, next - off, want}, aofFix{proven: proven, why: "a count of arguments"}, add)
}

// fixedArity reports whether c's name takes as many arguments as it has, and neither one more nor as many as stated.
func (s *aofSalvage) fixedArity(c aofCommand, stated int64) bool {
	s.judge(&c)
	if !c.plausible {
		return false
	}
	for _, n := range []int64{stated, c.argc + 1} {
		other := c
		other.argc, other.plausible = n, false
		if s.judge(&other); other.plausible {
			return false
		}
	}
	return true
}

// healLength corrects the line of argument k's length, which begins at at, in the command at off.
func (s *aofSalvage) healLength(off, k, at int64, add func(aofFix)) {
	line := bytes.Clone(s.at(at, aofHeader))
	for _, g := range guessLengths(line) {
		start := at + int64(g.used)
		if g.size > s.size-start-2 || !s.crlf(start+g.size) || !g.exact && s.framed(start, start+g.size) || g.joined && s.lined(start, start+g.size) {
			continue
		}
		c, ok := s.upTo(off, k)
		if !ok {
			return
		}
		if k < 2 {
			c.first[k] = aofSpan{start, start + g.size}
		}
		c.end = start + g.size + 2
		if !s.arguments(&c, k+1, nil) || g.joined && k == c.argc-1 && s.mayHoldLog(at, c.end) {
			continue
		}
		proven := g.proven
		if !proven && k == 0 {
			named := c
			s.judge(&named)
			stated, _ := s.header(at, '$')
			proven = named.plausible && (stated != g.size+1 || !s.lostLetter(&named))
		}
		want := []byte("$" + strconv.FormatInt(g.size, 10) + "\r\n")
		s.confirm(c, Edit{at, int64(g.used), want}, aofFix{proven: proven, exact: line[0] == '$' && g.exact, loose: g.joined, why: whyLength}, add)
	}
}

// lostLetter reports whether a name with one more letter is one that a server knows: "$4 SET" may have been HSET.
func (s *aofSalvage) lostLetter(c *aofCommand) bool {
	p := c.first[0]
	name := bytes.Clone(s.at(p.start, int(min(p.end-p.start, 32))))
	for i := range len(name) + 1 {
		for letter := byte('a'); letter <= 'z'; letter++ {
			longer := append(append(bytes.Clone(name[:i]), letter), name[i:]...)
			if plausible(&aof.Command{Args: [][]byte{longer}, Argc: c.argc}) {
				return true
			}
		}
	}
	return false
}

// shortestLog is the size of "*1\r\n$4\r\nPING\r\n".
const shortestLog = 14

// mayHoldLog reports whether the last argument of a command may have the length that its line at at states, so that the log which goes on at end is in it, or is torn off. A
// torn one hardly ends with a whole record.
func (s *aofSalvage) mayHoldLog(at, end int64) bool {
	size, start := s.header(at, '$')
	switch {
	case end == s.size:
		return true
	case start == 0 || size < shortestLog || s.known(end, min(end+suspectText, s.size)):
		return false
	}
	return size <= s.size-start || s.tired() || s.chainEnd(end, s.size) != s.size
}

// lined reports whether an end of line stands in [start, end).
func (s *aofSalvage) lined(start, end int64) bool {
	s.work += (end - start) / aofHeader
	for p := s.find(start, end-1, "\r"); p >= 0; p = s.find(p+1, end-1, "\r") {
		if s.crlf(p) {
			return true
		}
	}
	return false
}

// framed reports whether a line like those of the framing stands in [start, end). A length that is guessed, and that takes such lines
// for content, is most likely one that swallows others.
func (s *aofSalvage) framed(start, end int64) bool {
	s.work += (end - start) / aofHeader
	for p := s.find(start, end, "$*"); p >= 0; p = s.find(p+1, end, "$*") {
		if !s.crlf(p - 2) {
			continue
		}
		sigil := s.at(p, 1)[0]
		if _, next := s.header(p, sigil); next > 0 {
			return true
		}
	}
	return false
}

// swallowing reports whether an argument that is guessed to be [start, end) has lines of the framing in it, and does not begin with one,
// as a log would.
func (s *aofSalvage) swallowing(start, end int64) bool {
	_, next := s.header(start, '*')
	return next == 0 && s.framed(start, end)
}

// swallowed reports whether one of the arguments that c has in the file has lines of the framing in it.
func (s *aofSalvage) swallowed(c *aofCommand) bool {
	_, at := s.header(c.start, '*')
	for range c.argc {
		payload, next := s.argument(at)
		if next == 0 || s.tired() {
			return false
		}
		if s.framed(payload.start, payload.end) {
			return true
		}
		at = next
	}
	return false
}

// upTo reads the command at off up to argument k, not included.
func (s *aofSalvage) upTo(off, k int64) (c aofCommand, ok bool) {
	argc, next := s.header(off, '*')
	if next == 0 {
		return c, false
	}
	c = aofCommand{aofSpan: aofSpan{off, next}, argc: k}
	if k > keptHeaders { // the first two are read anew, the others are known to be right
		c.argc = 2
	}
	ok = s.arguments(&c, 0, nil)
	c.argc = argc
	return c, ok
}

// healEnd corrects the CR LF behind argument k, whose line begins at at.
func (s *aofSalvage) healEnd(off, k, at int64, add func(aofFix)) {
	size, start := s.header(at, '$')
	if start == 0 || size > s.size-start {
		return
	}
	end := start + size
	b := bytes.Clone(s.at(end, 3))
	for used := 0; used <= min(3, len(b)); used++ {
		got := b[:used]
		if used == 2 && string(got) == "\r\n" || used == 0 && len(b) == 0 {
			continue
		}
		proven, apart := false, false
		switch used {
		case 0:
			apart = s.endsWhole(start, end)
		case 1:
			if got[0] != '\r' && got[0] != '\n' {
				continue
			}
			apart = s.endsWhole(start, end)
		case 2:
			proven = got[0] == '\r' || got[1] == '\n' && oneBit(got[0], '\r')
		case 3:
			if editDistance(got, []byte("\r\n")) != 1 {
				continue
			}
		}
		c, ok := s.upTo(off, k)
		if !ok {
			return
		}
		if k < 2 {
			c.first[k] = aofSpan{start, end}
		}
		c.end = end + int64(used)
		if s.arguments(&c, k+1, nil) && (proven && !s.swallowing(start, end) || !proven && !s.framed(start, end)) {
			apart = apart && k == c.argc-1 && s.surelyFollows(c.end) && s.state.multi < 0
			s.confirm(c, Edit{end, int64(used), []byte("\r\n")}, aofFix{
				proven: proven || apart, exact: used == 2, apart: apart, loose: apart, why: "the end of an argument",
			}, add)
		}
	}
}

// endsWhole reports whether an argument does not end with what may be the end of its line: it would have that if it had lost some of its content.
func (s *aofSalvage) endsWhole(start, end int64) bool {
	b := s.at(max(start, end-2), int(min(2, end-start)))
	return !bytes.HasSuffix(b, []byte("\r")) && !bytes.HasSuffix(b, []byte("\r\n"))
}

func oneBit(a, b byte) bool { return bits.OnesCount8(a^b) == 1 }

// editDistance is how many bytes must be replaced, put in or taken out to make b of a.
func editDistance(a, b []byte) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range b {
			cost := diagonal
			if x != y {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
