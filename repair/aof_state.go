package repair

import (
	"strconv"

	"github.com/kvfsck/kvfsck/aof"
)

// aofState is what replaying has come to: of the log as it was, as far as known, and of the log that is written.
type aofState struct {
	db        int  // that the log as it was is in
	uncertain bool // a SELECT may be lost
	outDB     int  // that the written log is in

	multi      int // region that holds the MULTI of an open transaction, -1 if none is open
	multiStart int64
	multiDB    int // outDB at the MULTI
	mark       int // region that begins with a SELECT inside of it that only a server that has started anew writes, -1 if none

	sinceGap   int // region with which the log goes on behind the last gap, if there was no MULTI or EXEC since; else -1
	sinceGapDB int // outDB there
}

// A server that has started writes SELECT before its first command, though the database may be that already. Inside a transaction
// this proves that what stands before it was never finished.

// keep takes a command or an annotation into the map.
func (s *aofSalvage) keep(c *aofCommand) {
	st := &s.state
	if kind, ok := s.keyKind(c); ok && !s.suspected(c.start) {
		s.keys.add(kind)
	}
	switch {
	case c.note:
		if c.hasTime && st.multi < 0 { // servers write none inside a transaction, so what an EXEC may end begins behind it
			st.sinceGap = -1
		}
		s.extend(c, false)
		s.out.Annotations++
		return
	case c.special == aof.Multi:
		if st.multi >= 0 {
			s.unclosed()
		}
		st.multiDB = st.outDB
		s.keepSelected(c, true)
		st.multi, st.multiStart, st.mark, st.sinceGap = len(s.out.Regions)-1, c.start, -1, -1
		return
	case c.special == aof.Exec && st.multi < 0:
		s.strayExec(c)
		return
	case c.special == aof.Exec:
		s.keepSelected(c, false)
		s.close()
		return
	}
	s.keepSelected(c, false)
}

// strays leaves out a SELECT that selects nothing: which database it was to select is lost with it.
func (s *aofSalvage) strays(c *aofCommand) bool {
	why := s.opt.misplaced(c.special, c.db)
	if why == "" {
		return false
	}
	if c.db >= 0 {
		s.out.Databases = max(s.out.Databases, uint64(c.db)+1)
	}
	s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: c.start, End: c.end, Commands: 1, Why: why}, false)
	s.out.Lost++
	return true
}

// keepSelected keeps a command, and follows what database it is executed in.
func (s *aofSalvage) keepSelected(c *aofCommand, fresh bool) {
	st := &s.state
	if c.special == aof.Select {
		again := st.multi >= 0 && !st.uncertain && c.db == st.db
		fresh = fresh || st.uncertain || again
		st.db, st.outDB, st.uncertain = c.db, c.db, false
		r := s.extend(c, fresh)
		if again {
			st.mark = r
			s.out.Regions[r].Why = "a server started"
		}
		return
	}
	want := st.db
	if st.uncertain {
		s.out.Uncertain++
		if s.opt.MoveLostDB {
			want = s.opt.LostDB
		}
	}
	sel := -1
	if want != st.outDB {
		sel, fresh = want, true
	}
	i := s.extend(c, fresh)
	if sel >= 0 {
		s.out.Regions[i].Select, st.outDB = sel, sel
		s.out.Selects++
	}
}

// extend adds a record to the last region, or to a new one, and returns which.
func (s *aofSalvage) extend(c *aofCommand, fresh bool) int {
	rs := s.out.Regions
	kind, why := AOFIntact, ""
	switch {
	case c.edits != nil:
		kind = AOFHealed
	case s.undone.restores(c):
		kind, why = AOFHealed, whyText[textLoneLF]
	}
	if kind == AOFHealed {
		s.out.Healed++
	}
	if n := len(rs); n == 0 || fresh || c.edits != nil || !s.joins(&rs[n-1], c.start, kind) {
		rs = append(rs, AOFRegion{Kind: kind, Start: c.start, Select: -1, DB: s.state.db, Uncertain: s.state.uncertain, Edits: c.edits, Why: why})
		s.out.Regions = rs
	}
	r := &rs[len(rs)-1]
	r.End = c.end
	if c.note {
		r.Notes++
	} else {
		r.Commands++
		s.out.Kept++
	}
	return len(rs) - 1
}

// joins reports whether a record at start may be added to r.
func (s *aofSalvage) joins(r *AOFRegion, start int64, kind AOFRegionKind) bool {
	return r.Kind == kind && r.Edits == nil && r.End == start && r.Uncertain == s.state.uncertain && !s.barred()
}

// barred reports whether the last region is a MULTI, which stays on its own until its EXEC is found.
func (s *aofSalvage) barred() bool {
	return s.state.multi == len(s.out.Regions)-1 && s.state.multi >= 0
}

// close ends a transaction of which both ends are there: its regions are joined with their neighbours.
func (s *aofSalvage) close() {
	st := &s.state
	rs := s.out.Regions
	to := max(st.multi-1, 0)
	for i := to + 1; i < len(rs); i++ {
		a, b := &rs[to], &rs[i]
		if a.Kind == AOFIntact && b.Kind == AOFIntact && a.End == b.Start && a.Uncertain == b.Uncertain && b.Select < 0 {
			a.End, a.Commands, a.Notes = b.End, a.Commands+b.Commands, a.Notes+b.Notes
			continue
		}
		to++
		rs[to] = *b
	}
	s.out.Regions = rs[:to+1]
	st.multi, st.mark, st.sinceGap = -1, -1, -1
}

// strayExec deals with an EXEC outside of a transaction. If there was a gap since the last one, its MULTI is lost there, and what was
// read since is half of a transaction. Without a gap nothing says where it began; then a server has executed the rest, and so it stays.
func (s *aofSalvage) strayExec(c *aofCommand) {
	st := &s.state
	if st.sinceGap >= 0 {
		s.dropRange(st.sinceGap, len(s.out.Regions), "the MULTI is lost")
		st.outDB, st.sinceGap = st.sinceGapDB, -1
	} else {
		s.out.Transactions++
	}
	s.out.Lost++
	s.out.Regions = append(s.out.Regions, AOFRegion{Kind: AOFTransaction, Start: c.start, End: c.end, Commands: 1, Select: -1, Why: "EXEC without MULTI"})
}

// dropRange leaves out the regions [i, end), as parts of a transaction.
func (s *aofSalvage) dropRange(i, end int, why string) {
	rs := s.out.Regions
	for k := i; k < end; k++ {
		r := &rs[k]
		if !r.Kind.Kept() {
			continue
		}
		s.uncount(r)
		r.Kind, r.Select, r.Why = AOFTransaction, -1, why
	}
	s.out.Transactions++
}

// uncount takes a region that was kept out of the counts.
func (s *aofSalvage) uncount(r *AOFRegion) {
	s.out.Kept -= r.Commands
	s.out.Lost += r.Commands
	s.out.Annotations -= r.Notes
	if r.Uncertain {
		s.out.Uncertain -= r.Commands
	}
	switch {
	case r.Kind != AOFHealed:
	case r.Edits == nil:
		s.out.Healed -= r.Commands
	default:
		s.out.Healed--
	}
	if r.Select >= 0 {
		s.out.Selects--
	}
}

// unclosed deals with a transaction that has no EXEC, though no damage is in it and the log goes on. A server that had left it open
// has started anew: what follows the mark is outside. If there is no mark, the server went on, and so had executed it: only its MULTI
// is left out.
func (s *aofSalvage) unclosed() {
	st := &s.state
	to, why := st.multi+1, "MULTI without EXEC; the log goes on"
	if st.mark >= 0 {
		to, why = st.mark, "MULTI without EXEC before a start"
	} else if s.until.at <= st.multiStart { // a time may be lost with the EXEC
		s.untimed(st.multiStart)
	}
	rs := s.out.Regions
	if sel := rs[st.multi].Select; sel >= 0 && to < len(rs) && rs[to].Select < 0 {
		rs[to].Select = sel
		s.out.Selects++
	}
	s.dropRange(st.multi, to, why)
	if to == len(rs) {
		st.outDB = st.multiDB
	}
	st.multi, st.mark = -1, -1
}

// gap leaves out [start, end), of which nothing can be made.
func (s *aofSalvage) gap(start, end int64, why string) {
	for _, r := range s.classify(start, end, why) {
		s.out.Lost += r.Commands
		s.leaveOut(r, end-start == 2 && s.crlf(start))
	}
}

// leaveOut adds a region that is left out. A transaction in which it lies is left out too. same says that no SELECT can be lost in it.
func (s *aofSalvage) leaveOut(r AOFRegion, same bool) {
	st := &s.state
	if st.multi >= 0 && !(same && r.Commands == 0) {
		to := st.mark
		if to < 0 {
			to, st.outDB = len(s.out.Regions), st.multiDB
		}
		s.dropRange(st.multi, to, "damage inside the transaction")
		st.multi, st.mark = -1, -1
	}
	r.Select = -1
	s.out.Regions = append(s.out.Regions, r)
	st.uncertain = st.uncertain || !same
	if r.Commands > 0 || !same {
		st.sinceGap, st.sinceGapDB = len(s.out.Regions), st.outDB
	}
}

// healed takes a command whose framing is corrected.
func (s *aofSalvage) healed(f *aofFix) {
	if !f.proven {
		s.out.Doubtful++
	}
	if !f.proven && !f.exact || s.laterInside(&f.cmd) {
		s.untimed(f.cmd.start)
	}
	if !f.proven && (f.vague || !s.opt.Doubtful) {
		s.out.Lost++
		s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: f.cmd.start, End: f.cmd.end, Commands: 1, Edits: f.cmd.edits,
			Why: "damaged: " + f.why + ", or what stands beside it"}, f.exact && f.cmd.special == aof.Ordinary)
		return
	}
	s.state.uncertain = s.state.uncertain || !f.proven && !f.exact
	if s.strays(&f.cmd) {
		return
	}
	s.keep(&f.cmd)
	if r := &s.out.Regions[len(s.out.Regions)-1]; r.Kind == AOFHealed {
		r.Why = f.why
	}
	if st := &s.state; f.apart && st.multi < 0 { // a hole may be there, and in it whatever changes how the next are read
		s.untimed(f.cmd.end)
		st.uncertain, st.sinceGap, st.sinceGapDB = true, len(s.out.Regions), st.outDB
	}
}

// shortestPadding is how many zero bytes in a row are shown as a region of their own.
const shortestPadding = 16

// classify cuts a gap into zeros and others.
func (s *aofSalvage) classify(start, end int64, why string) (all []AOFRegion) {
	kind, text := AOFLost, why
	if aof.IsRDB(s.at(start, 8), aof.AsChecker) {
		kind, text = AOFForeign, "an RDB in the middle"
	}
	from, zeros := start, int64(0)
	add := func(kind AOFRegionKind, a, b int64, n int64, why string) {
		if a < b {
			all = append(all, AOFRegion{Kind: kind, Start: a, End: b, Commands: n, Why: why})
		}
	}
	commands := int64(0)
	last := byte('\n')
	for p := start; p < end && s.err == nil; {
		b := s.at(p, int(min(end-p, aofWindow/2)))
		for i, x := range b {
			if x == 0 {
				zeros++
				continue
			}
			at := p + int64(i)
			if zeros >= shortestPadding {
				add(kind, from, at-zeros, commands, text)
				add(AOFPadding, at-zeros, at, 0, "")
				from, commands = at, 0
			}
			zeros = 0
			if x == '*' && last == '\n' {
				commands++
			}
			last = x
		}
		p += int64(len(b))
		if len(b) == 0 {
			break
		}
	}
	if zeros < shortestPadding {
		zeros = 0
	}
	add(kind, from, end-zeros, commands, text)
	add(AOFPadding, end-zeros, end, 0, "")
	return all
}

// cutAt ends the log at off, or where the transaction in which that lies begins.
func (s *aofSalvage) cutAt(off int64) {
	st := &s.state
	if st.multi >= 0 {
		off = st.multiStart
		for i := len(s.out.Regions) - 1; i >= st.multi; i-- {
			s.uncount(&s.out.Regions[i])
		}
		s.out.Regions = s.out.Regions[:st.multi]
		st.multi = -1
	}
	s.out.Cut = off
	s.out.Regions = append(s.out.Regions, AOFRegion{Kind: AOFLater, Start: off, End: s.size, Select: -1})
}

// finish deals with what is open at the end of the file.
func (s *aofSalvage) finish() {
	st := &s.state
	if st.multi >= 0 {
		to := len(s.out.Regions)
		if st.mark >= 0 {
			to = st.mark
		}
		s.dropRange(st.multi, to, "MULTI without EXEC at the end")
	}
	rs := s.out.Regions
	s.out.Sound = s.out.PreambleFault == nil
	for i := range rs {
		s.out.Sound = s.out.Sound && rs[i].Kind <= AOFPreamble && rs[i].Select < 0
	}
}

func countLine(n int64) []byte {
	return append(strconv.AppendInt([]byte("*"), n, 10), '\r', '\n')
}
