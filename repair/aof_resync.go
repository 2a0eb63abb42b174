package repair

import (
	"bytes"
	"context"
	"io"
	"math"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// aofSalvage goes through a damaged log once, from the start to the end.
type aofSalvage struct {
	aofScan
	ctx   context.Context
	opt   AOFOptions
	out   *SalvagedAOF
	state aofState

	suspect  aofSuspect
	progress int64
}

// aofSuspect is a damaged command one argument of which may be a log itself, so that what was found behind it may be that.
//
//	*3 SET k $9000 | *1 PING *3 SET ... *1 PING | \r\n | *2 GET k
//	           ^     `--- a chain, but not ours -'   ^ it ends in front of an empty line, with the log going on behind it
//	        damaged
type aofSuspect struct {
	active  bool
	near    int64    // how far the argument may reach, if a log is but somewhere in it
	far     int64    // and how far, if it begins with one
	line    int64    // where the line behind its length begins
	payload int64    // where it begins, -1 if that is not known
	end     int64    // and ends, if what it says is right
	beyond  bool     // it says that it reaches beyond the end of the file
	first   int64    // where the first chain behind the damage begins
	before  aofState // what was known where that begins
	regions int
	counts  SalvagedAOF
}

// How far an argument of unknown size may reach, as far as suspicion goes.
const (
	unknownNear = 512
	unknownFar  = 64 << 10
)

// reach returns how far the suspicion goes.
func (x *aofSuspect) reach() int64 {
	if !x.active {
		return 0
	}
	if x.first == x.line && x.payload < 0 {
		return x.far
	}
	if x.payload < 0 {
		return x.first + unknownNear
	}
	return x.near
}

func (s *aofSalvage) run() {
	pos := s.out.Preamble
	var fault aofFault
	for n := 0; pos < s.size && s.err == nil && s.out.Cut < 0; n++ {
		if n%1024 == 0 {
			if s.err = s.ctx.Err(); s.err != nil {
				return
			}
			if s.opt.Progress != nil && pos-s.progress >= 1<<20 {
				s.progress = pos
				s.opt.Progress(pos)
			}
		}
		fault = aofFault{offs: fault.offs[:0]}
		pos = s.record(pos, &fault)
	}
}

// record deals with what stands at pos, and returns where to go on.
func (s *aofSalvage) record(pos int64, fault *aofFault) int64 {
	if note, ok := s.annotation(pos); ok {
		return s.keepNote(note)
	}
	c, ok := s.command(pos, fault, s.size)
	if !ok {
		return s.broken(pos, fault)
	}
	if b := s.at(c.end, 1); len(b) > 0 && b[0] != '*' && b[0] != '#' {
		if s.swallows(&c) {
			return s.broken(pos, fault)
		}
		if b[0] == '$' {
			if next, done := s.shrunk(&c); done {
				return next
			}
		}
	}
	s.judge(&c)
	if !s.trusted(&c) {
		why := "no server knows the command"
		s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: c.start, End: c.end, Commands: 1, Why: why}, c.first[0].end-c.first[0].start != 6)
		s.out.Lost++
		return c.end
	}
	s.keep(&c)
	return c.end
}

// trusted reports whether a command of the log may have that name.
func (s *aofSalvage) trusted(c *aofCommand) bool {
	return c.sensible || s.opt.KeepUnknown && !c.twofold
}

// limit is the most arguments that a guess may have. Guesses are cheap as long as few of them have many arguments, which a file made
// for the purpose can prevent.
func (s *aofSalvage) limit() int64 {
	if s.work > s.size+1<<20 {
		return 64
	}
	return math.MaxInt32
}

// keepNote keeps an annotation, or ends the log in front of it.
func (s *aofSalvage) keepNote(note aofCommand) int64 {
	if s.opt.Until != 0 && note.hasTime && note.timestamp > s.opt.Until {
		s.cutAt(note.start)
		return s.size
	}
	s.keep(&note)
	return note.end
}

// swallows reports whether inside c, which no record follows, a command begins that reaches beyond it to where the log goes on. Then a
// length in c has grown.
func (s *aofSalvage) swallows(c *aofCommand) bool {
	for p := s.star(c.start+1, c.end); p >= 0; p = s.star(p+1, c.end) {
		inner, ok := s.command(p, nil, s.limit())
		if !ok || inner.end <= c.end || !s.follows(inner.end) {
			continue
		}
		if s.judge(&inner); s.trusted(&inner) {
			return true
		}
	}
	return false
}

// shrunk deals with a command behind which more arguments follow. Its count has shrunk, or the first line of the next is lost.
func (s *aofSalvage) shrunk(c *aofCommand) (next int64, done bool) {
	orphan := aofCommand{aofSpan: aofSpan{c.end, c.end}}
	if !s.countArguments(&orphan) {
		return 0, false
	}
	s.judge(c)
	if s.judge(&orphan); orphan.plausible {
		return 0, false
	}
	if !s.follows(orphan.end) {
		s.leaveOut(AOFRegion{Kind: AOFLost, Start: c.start, End: orphan.end, Commands: 1, Why: "more arguments than stated"}, false)
		s.out.Lost++
		return orphan.end, true
	}
	whole := *c
	whole.argc, whole.end = c.argc+orphan.argc, orphan.end
	s.judge(&whole)
	_, body := s.header(c.start, '*')
	whole.edits = []Edit{{Offset: c.start, Remove: body - c.start, Insert: countLine(whole.argc)}}
	s.healed(&aofFix{whole, !c.plausible && whole.plausible, "a count of arguments"})
	return whole.end, true
}

// broken deals with a place at which no record begins, and returns where the log goes on.
func (s *aofSalvage) broken(pos int64, fault *aofFault) int64 {
	if s.embedded(pos) {
		return pos + 2
	}
	if best, clear := s.heal(pos, fault); best != nil && clear {
		s.healed(best)
		return best.cmd.end
	}
	sus := s.suspicion(pos, fault)
	from := pos + 1
	if b := s.at(pos, 8); aof.IsRDB(b, aof.AsChecker) {
		from = max(from, s.foreignEnd(pos))
	}
	p := s.resume(from)
	if p == sus.payload {
		if end := s.chainEnd(p, sus.end); end < sus.end {
			p = s.resume(end)
		}
	}
	if p == s.size && s.torn() {
		return s.size
	}
	s.gap(pos, p, "")
	sus.first = p
	if emptyLine := s.crlf(pos) && p == pos+2; !emptyLine && sus.reach() > s.suspect.reach() {
		sus.before, sus.regions, sus.counts = s.state, len(s.out.Regions), *s.out
		s.suspect = sus
	}
	return p
}

// resume returns where the log goes on, from at least: the first command that may be one of it.
func (s *aofSalvage) resume(from int64) int64 {
	for p := s.recordStart(from); p >= 0; p = s.recordStart(p + 1) {
		if s.err != nil {
			break
		}
		if note, ok := s.annotation(p); ok && note.hasTime && s.follows(note.end) {
			return p
		}
		c, ok := s.command(p, nil, s.limit())
		if !ok {
			continue
		}
		s.judge(&c)
		lineStart := p >= 2 && s.crlf(p-2)
		switch {
		case c.plausible && (lineStart || s.follows(c.end)), s.trusted(&c) && s.follows(c.end) && c.end < s.size:
			return p
		}
	}
	return s.size
}

// chainEnd follows the chain that begins at p while it is inside an argument that ends at end. A value that begins with a command is a
// log itself, and ends before the argument does; a length that has grown ends somewhere in a chain.
func (s *aofSalvage) chainEnd(p, end int64) int64 {
	for p < end {
		if note, ok := s.annotation(p); ok {
			p = note.end
			continue
		}
		c, ok := s.command(p, nil, s.limit())
		if !ok {
			break
		}
		p = c.end
	}
	return p
}

// star returns the next '*' in [from, to), -1 if there is none.
func (s *aofSalvage) star(from, to int64) int64 { return s.find(from, to, "*") }

// recordStart returns the next byte with which a record may begin.
func (s *aofSalvage) recordStart(from int64) int64 { return s.find(from, s.size, "*#") }

func (s *aofSalvage) find(from, to int64, any string) int64 {
	for from < to && s.err == nil {
		b := s.at(from, int(min(to-from, aofWindow/2)))
		if len(b) == 0 {
			break
		}
		if i := bytes.IndexAny(b, any); i >= 0 {
			return from + int64(i)
		}
		from += int64(len(b))
	}
	return -1
}

// foreignEnd returns where an RDB that begins at pos ends, pos if it does not.
func (s *aofSalvage) foreignEnd(pos int64) int64 {
	r := rdb.NewReader(io.NewSectionReader(s.src, pos, s.size-pos))
	for r.Next() {
		if s.ctx.Err() != nil {
			return pos
		}
	}
	if r.Err() != nil {
		return pos
	}
	return pos + r.Offset()
}

// suspicion says what may be claimed by the damaged command at pos.
func (s *aofSalvage) suspicion(pos int64, fault *aofFault) aofSuspect {
	sus := aofSuspect{active: true, far: pos + unknownFar, payload: -1, line: -1}
	if fault.arg < 0 {
		return sus
	}
	at := fault.offs[len(fault.offs)-1]
	if lf := s.find(at, min(at+aofHeader, s.size), "\n"); lf >= 0 && s.at(at, 1)[0] == '$' {
		sus.line = lf + 1
	}
	if size, start := s.header(at, '$'); start > 0 {
		sus.payload, sus.beyond = start, size > s.size-start
		sus.end = start + min(size, s.size-start)
		sus.near = start + min(size, unknownFar) + 64
	}
	return sus
}

// embedded recognises an empty line with the log, or the rest of a command, behind it: what was read since the suspect was found is
// the content of one of its arguments.
func (s *aofSalvage) embedded(pos int64) bool {
	if pos >= s.suspect.reach() || !s.crlf(pos) {
		return false
	}
	if _, next := s.argument(pos + 2); next == 0 && !s.follows(pos+2) {
		return false
	}
	s.convict(pos + 2)
	return true
}

// torn recognises the same where the file ends before the argument does: the log in it begins at its first byte.
func (s *aofSalvage) torn() bool {
	x := &s.suspect
	if !x.active || !x.beyond || x.first >= s.size || x.first != x.payload && s.crlf(x.first-2) {
		return false
	}
	s.convict(s.size)
	return true
}

// convict takes back everything that was read since the suspect was found.
func (s *aofSalvage) convict(end int64) {
	x := s.suspect
	*s.out = x.counts
	s.out.Regions = s.out.Regions[:x.regions]
	s.state = x.before
	s.suspect = aofSuspect{}
	s.gap(x.first, end, "commands inside a damaged argument")
}
