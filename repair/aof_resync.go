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
	ctx    context.Context
	opt    AOFOptions
	out    *SalvagedAOF
	state  aofState
	undone *textLog // what is read, if ends of lines are undone

	suspect  aofSuspect
	keys     aofKeys
	times    aofTimes
	until    aofUntil
	progress int64
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
	if s.opt.end > 0 && pos >= s.opt.end-1 {
		s.cutAt(pos)
		s.out.Regions[len(s.out.Regions)-1].Why = whyUntimed
		return s.size
	}
	if note, ok := s.annotation(pos); ok {
		return s.keepNote(note)
	}
	c, ok := s.command(pos, fault, s.size)
	if !ok {
		return s.broken(pos, fault)
	}
	b := s.at(c.end, 1)
	if len(b) > 0 && (b[0] == '*' || b[0] == '#') && s.overruns(&c) {
		return s.broken(pos, fault)
	}
	if len(b) > 0 && b[0] != '*' && b[0] != '#' {
		if s.swallows(&c) {
			return s.broken(pos, fault)
		}
		if fix := s.withoutLines(pos); fix != nil && fix.cmd.end > c.end+2 && !s.heals(c.end) {
			s.healed(fix)
			return fix.cmd.end
		}
		if s.spliced(&c) && !s.endsInLines(c.end) && !s.heals(c.end) {
			whole := s.emptyLine(c.end) && !s.framed(c.last.start, c.last.end)
			if s.emptyLine(c.end) { // it is the end of the argument, and not of one that began earlier
				c.end += 2
			}
			if !whole {
				s.untimed(c.start)
			}
			s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: c.start, End: c.end, Commands: 1, Why: "its last argument goes on behind it"}, whole)
			s.out.Lost++
			return c.end
		}
		if b[0] == '$' {
			if next, done := s.shrunk(&c); done {
				return next
			}
		}
	}
	s.judge(&c)
	if !s.trusted(&c) {
		named := s.named(&c)
		if !named {
			s.untimed(c.start)
		}
		s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: c.start, End: c.end, Commands: 1, Why: c.odd}, named && c.first[0].end-c.first[0].start != 6)
		s.out.Lost++
		return c.end
	}
	if s.laterInside(&c) {
		s.untimed(c.start)
	}
	if !s.unsure(&c) && !s.strays(&c) {
		s.keep(&c)
	}
	return c.end
}

// endsInLines reports whether nothing but ends of lines stands behind pos in the file, as an editor, or whatever appends to it, puts there.
func (s *aofSalvage) endsInLines(pos int64) bool {
	const most = 16
	if s.size-pos > most {
		return false
	}
	return len(bytes.Trim(s.at(pos, most), "\r\n")) == 0
}

// heals reports whether a command begins at pos whose framing is damaged and can be corrected in one way only. Then the record before it ends where it seems to.
func (s *aofSalvage) heals(pos int64) bool {
	var fault aofFault
	if _, ok := s.command(pos, &fault, s.limit()); ok {
		return false
	}
	fix, clear := s.heal(pos, &fault)
	if fix == nil || !clear || !fix.proven || fix.loose || fix.vague {
		return false
	}
	s.judge(&fix.cmd)
	return fix.cmd.plausible
}

// named reports whether the name of a command that no server knows is a word, or that of one with a letter damaged. Otherwise it is an argument, or parts of two, that a gap
// has brought there.
func (s *aofSalvage) named(c *aofCommand) bool {
	name := bytes.Clone(s.at(c.first[0].start, int(min(c.first[0].end-c.first[0].start, 32))))
	args := [][]byte{name}
	if c.argc > 1 { // perhaps a subcommand
		args = append(args, bytes.Clone(s.at(c.first[1].start, int(min(c.first[1].end-c.first[1].start, 32)))))
	}
	wrong := -1
	for i, b := range name {
		if letter := b | 0x20; b >= 0x80 || (letter < 'a' || letter > 'z') && b != '-' && b != '_' {
			if wrong >= 0 {
				return false
			}
			wrong = i
		}
	}
	if wrong < 0 {
		return len(name) > 0
	}
	for letter := byte('a'); letter <= 'z'; letter++ {
		if name[wrong] = letter; plausible(&aof.Command{Args: args, Argc: c.argc}) {
			return true
		}
	}
	return false
}

// trusted reports whether a command of the log may have that name.
func (s *aofSalvage) trusted(c *aofCommand) bool {
	return c.sensible || s.opt.takes(c.odd) && !c.twofold
}

// limit is the most arguments that a guess may have. Guesses are cheap as long as few of them have many arguments, which a file made
// for the purpose can prevent.
func (s *aofSalvage) limit() int64 {
	if s.tired() {
		return 64
	}
	return math.MaxInt32
}

// tired reports whether so much was guessed that what takes long must be left.
func (s *aofSalvage) tired() bool { return s.work > 2*s.size+1<<20 }

// keepNote keeps an annotation, or ends the log in front of it.
func (s *aofSalvage) keepNote(note aofCommand) int64 {
	if s.later(&note) {
		why := s.untrue(&note)
		if why == "" {
			s.cutAt(note.start)
			return s.size
		}
		s.untimed(note.start)
		s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: note.start, End: note.end, Notes: 1, Why: why}, true)
		return note.end
	}
	s.keep(&note)
	if note.hasTime {
		if t := s.suspect.times.last(); t > 0 && note.timestamp > t { // a value is written later than what is in it
			s.suspect.active = false
		}
		s.times.add(note.timestamp)
	}
	return note.end
}

// swallows reports whether inside c, which no record follows, a command begins that reaches beyond it to where the log goes on, or whose
// arguments do to where that is damaged. Then a length in c has grown.
func (s *aofSalvage) swallows(c *aofCommand) bool {
	for p := s.star(c.start+1, c.end); p >= 0; p = s.star(p+1, c.end) {
		inner, ok := s.command(p, nil, s.limit())
		if inner.end <= c.end || ok && !s.follows(inner.end) {
			continue
		}
		if s.judge(&inner); !ok || s.trusted(&inner) {
			return true
		}
	}
	return false
}

// overruns reports whether inside c, behind which the log goes on, a command begins that reaches beyond it, up to an empty line at which
// that ends. Then a value with a log in it begins in c, and the records behind c are of it.
func (s *aofSalvage) overruns(c *aofCommand) bool {
	if c.end-c.start > suspectLine || s.tired() {
		return false
	}
	for p := s.star(c.start+1, c.end); p >= 0; p = s.star(p+1, c.end) {
		inner, ok := s.command(p, nil, s.limit())
		if !ok || inner.end <= c.end || !s.follows(inner.end) || s.chainEnd(c.end, inner.end-2) != inner.end-2 {
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
	whole := *c
	whole.argc, whole.end = c.argc+orphan.argc, orphan.end
	if s.judge(&whole); c.plausible && !whole.plausible && orphan.end == s.size { // something was put behind the log
		return 0, false
	}
	if !s.follows(orphan.end) || !whole.plausible && (c.plausible || !s.trusted(&whole)) {
		s.untimed(c.start)
		s.leaveOut(AOFRegion{Kind: AOFLost, Start: c.start, End: orphan.end, Commands: 1, Why: "more arguments than stated"}, false)
		s.out.Lost++
		return orphan.end, true
	}
	_, body := s.header(c.start, '*')
	whole.edits = []Edit{{Offset: c.start, Remove: body - c.start, Insert: countLine(whole.argc)}}
	s.healed(&aofFix{cmd: whole, proven: !c.plausible && whole.plausible, why: "a count of arguments"})
	return whole.end, true
}

// broken deals with a place at which no record begins, and returns where the log goes on.
func (s *aofSalvage) broken(pos int64, fault *aofFault) int64 {
	if s.embedded(pos) {
		return pos + 2
	}
	if s.strayLine(pos) {
		s.gap(pos, pos+2, "")
		return pos + 2
	}
	if next, ok := s.corrected(pos, fault); ok {
		return next
	}
	s.untimed(pos)
	from := pos + 1
	if b := s.at(pos, 8); aof.IsRDB(b, aof.AsChecker) {
		from = max(from, s.foreignEnd(pos))
	}
	p, settled := s.resume(from), false
	arg := s.damagedArgument(fault, p)
	if arg.start > 0 {
		p, settled = s.logEnd(arg, p)
	}
	if !settled {
		p = s.familiar(p)
	}
	if p == s.size && s.torn() {
		return s.size
	}
	if s.tail(pos, p) {
		return p
	}
	closed := s.closed(pos, arg, p)
	s.gap(pos, p, "")
	switch {
	case s.timeOnly(pos, p):
	case !settled:
		s.suspectFrom(p, arg, closed)
	case !s.suspectedNear(p): // the end of the value was seen
		s.suspect = aofSuspect{}
	}
	return p
}

// corrected heals what begins at pos, if it can be. What is behind a correction that is not proven, or where bytes are lost, is under suspicion. Where all arguments of the command are
// there nothing is lost before what follows, whatever its keys are.
func (s *aofSalvage) corrected(pos int64, fault *aofFault) (next int64, ok bool) {
	if best := s.withoutLines(pos); best != nil {
		s.healed(best)
		return best.cmd.end, true
	}
	best, clear := s.heal(pos, fault)
	if best == nil || !clear {
		return 0, false
	}
	s.healed(best)
	next = best.cmd.end
	if !best.proven || best.loose {
		if p := s.familiar(next); p > next && (!best.exact || best.loose) {
			s.gap(next, p, "keys of another kind")
			next = p
		}
		s.suspectFrom(next, aofArgument{}, true)
	}
	return next, true
}

// resume returns where the log goes on, from at least: the first command that may be one of it.
func (s *aofSalvage) resume(from int64) int64 {
	for p := s.find(from, s.size, "*#$"); p >= 0; p = s.find(p+1, s.size, "*#$") {
		if s.err != nil {
			break
		}
		if s.at(p, 1)[0] == '$' {
			p = s.frame(p)
			continue
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

// chainEnd follows the chain of records that begins at p up to its end, or to where it has come to end.
func (s *aofSalvage) chainEnd(p, end int64) int64 {
	for p < end {
		next := s.recordEnd(p)
		if next == 0 {
			break
		}
		p = next
	}
	return p
}

// reach is chainEnd, but for a command that breaks off there: then it is the end of its last sound argument.
func (s *aofSalvage) reach(p, end int64) int64 {
	p = s.chainEnd(p, end)
	broken, _ := s.command(p, nil, s.limit())
	return max(p, broken.end)
}

// recordEnd returns the end of the record at p, 0 if there is none.
func (s *aofSalvage) recordEnd(p int64) int64 {
	if note, ok := s.annotation(p); ok {
		return note.end
	}
	if c, ok := s.command(p, nil, s.limit()); ok {
		return c.end
	}
	return 0
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
