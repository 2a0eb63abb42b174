package repair

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// # An RDB in front of commands
//
// If the RDB part of a file is damaged, the place where the commands begin is not known by reading up to it. It is where the end of an
// RDB stands in front of a record:
//
//	... | 0xFF | checksum | *2 SELECT 0 | ...
//
// If that is damaged as well, the commands are those that reach the end of the file, or that follow the last record which the RDB's own
// salvage finds, if there are others in front of those. Then as many may be lost with the mark, and the database that the first of them is
// in.

// preamble deals with an RDB part.
func (s *aofSalvage) preamble() error {
	if s.opt.NoPreamble || !s.opt.AssumeRDB && !aof.IsRDB(s.at(0, 8), aof.AsServer) && !s.lostMagic() {
		return s.err
	}
	end, err := s.wholeRDB()
	if err == nil {
		s.out.Preamble = end
		s.out.Regions = append(s.out.Regions, AOFRegion{Kind: AOFPreamble, End: end, Select: -1})
		return nil
	}
	if err := notFormat(err); err != nil {
		return err
	}
	s.out.PreambleFault = err
	if end, err = s.salvageRDB(err); err != nil {
		return err
	}
	s.out.Preamble = min(end, s.size)
	s.out.Regions = append(s.out.Regions, AOFRegion{Kind: AOFPreambleBad, End: s.out.Preamble, Commands: s.out.Lost, Select: -1, Why: s.out.PreambleFault.Error()})
	s.state.sinceGap = len(s.out.Regions)
	return s.err
}

// lostMagic reports whether a file that begins with neither an RDB nor a record has the end of an RDB in front of its first command.
func (s *aofSalvage) lostMagic() bool {
	if b := s.at(0, 1); len(b) == 0 || b[0] == '*' || b[0] == '#' {
		return false
	}
	p := s.markedStart()
	return p >= 0 && s.resume(0) >= p
}

// notFormat returns err unless it is a fault in an RDB.
func notFormat(err error) error {
	var fe *rdb.FormatError
	if errors.As(err, &fe) {
		return nil
	}
	return err
}

// wholeRDB reads the RDB with which the file begins, and returns where it ends.
func (s *aofSalvage) wholeRDB() (int64, error) {
	r := rdb.NewReader(io.NewSectionReader(s.src, 0, s.size))
	for r.Next() {
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
	}
	if r.Err() != nil {
		return 0, r.Err()
	}
	return r.Offset(), deepPreamble(s.ctx, s.src, r.Offset())
}

// deepPreamble reads the values of an RDB that ends at end, whose checksum is right: it may have been made over the damage.
func deepPreamble(ctx context.Context, src io.ReaderAt, end int64) error {
	if end == 0 {
		return nil
	}
	_, err := rdb.Verify(ctx, io.NewSectionReader(src, 0, end), rdb.VerifyOptions{DuplicateKeys: true})
	return err
}

// salvageRDB finds where a damaged RDB ends, and what is left of it.
func (s *aofSalvage) salvageRDB(fault error) (end int64, err error) {
	if s.opt.Preamble != nil {
		if s.out.rdb, end, err = s.opt.Preamble(s.ctx, s.src, s.size, fault); err != nil || end >= 0 {
			return end, err
		}
	}
	end, marked := s.commandsStart()
	part := io.NewSectionReader(s.src, 0, end)
	if s.opt.Preamble == nil && s.err == nil {
		if healed, err := s.healRDB(part, end); healed || err != nil {
			return end, err
		}
		if s.out.RDB, err = Salvage(s.ctx, part, end, s.rdbOptions()); err != nil {
			return end, err
		}
	}
	if marked || s.err != nil {
		return end, s.err
	}
	if s.out.RDB != nil {
		last := s.out.RDB.lastRecord()
		if first := s.firstCommand(last, end); first < end {
			end = first
			s.out.RDB, err = Salvage(s.ctx, io.NewSectionReader(s.src, 0, end), end, s.rdbOptions())
		}
		for _, r := range s.classify(min(last, end), end, "") { // what is left of commands
			s.out.Lost += r.Commands
		}
	}
	s.state.uncertain = end < s.size
	s.untimed(end)
	return end, err
}

// healRDB undoes small damage to an RDB that ends at end.
func (s *aofSalvage) healRDB(part io.ReaderAt, end int64) (bool, error) {
	h, err := Heal(s.ctx, part, end, HealOptions{})
	s.out.RDBHealing = h
	if err != nil || h.Outcome != Healed {
		return false, err
	}
	best := h.Best()
	if best == nil || best.End != end {
		return false, nil
	}
	s.out.RDBHealed = best
	return true, nil
}

// rdbOptions are those of salvaging an RDB part.
func (s *aofSalvage) rdbOptions() SalvageOptions {
	opt := s.opt.RDB
	opt.databases = s.opt.Databases
	return opt
}

// lastRecord returns the end of the last record that is one of the RDB.
func (o *Salvaged) lastRecord() int64 {
	for i := len(o.Regions) - 1; i >= 0; i-- {
		switch r := &o.Regions[i]; r.Kind {
		case RegionHeader, RegionIntact, RegionDuplicate, RegionDamaged, RegionEnd:
			return r.End
		}
	}
	return 0
}

// rdbEnd is the mark at the end of an RDB with the checksum behind it.
const rdbEnd = 9

// commandsStart returns where the commands behind a damaged RDB begin, the end of the file if there are none. marked is false if the end of
// the RDB was not found.
func (s *aofSalvage) commandsStart() (p int64, marked bool) {
	if p := s.markedStart(); p >= 0 {
		return p, true
	}
	passed := int64(0) // what was followed already
	for p := s.recordStart(rdbEnd); p >= 0; p = s.recordStart(max(p+1, passed)) {
		if end := s.begins(p); end == 0 || !s.follows(end) {
			continue
		}
		if passed = s.chainEnd(p, s.size); passed == s.size {
			return p, false
		}
	}
	return s.size, s.endsAsRDB()
}

// markedStart returns where the first command behind the mark at the end of an RDB is, -1 if there is none. What follows that may be damaged.
func (s *aofSalvage) markedStart() int64 {
	for p := s.recordStart(rdbEnd); p >= 0; p = s.recordStart(p + 1) {
		if mark := s.at(p-rdbEnd, 1); len(mark) == 1 && mark[0] == opEOF && s.begins(p) > 0 {
			return p
		}
	}
	return -1
}

// firstCommand returns where in front of end, behind the last record of an RDB whose end was not found, the commands begin, end if nowhere. What seems to be of that record may
// be commands that its value goes over into: those that follow each other up to the first one behind it.
func (s *aofSalvage) firstCommand(last, end int64) int64 {
	end = min(end, s.resume(last))
	for p := s.recordStart(last); p >= 0 && p < end; p = s.recordStart(p + 1) {
		if s.begins(p) > 0 {
			end = p
		}
	}
	for p := s.recordStart(max(0, end-suspectLine)); p >= 0 && p < end && !s.tired(); p = s.recordStart(p + 1) {
		if c, ok := s.command(p, nil, s.limit()); ok && s.chainEnd(c.end, end) == end {
			if s.judge(&c); c.plausible {
				return p
			}
		}
	}
	return end
}

// begins returns the end of the command, or the annotation, at p if it may be the first of a log, and else 0. Every writer selects a
// database first, perhaps inside a transaction, and perhaps behind the time.
func (s *aofSalvage) begins(p int64) (end int64) {
	if note, ok := s.annotation(p); ok && note.hasTime {
		return note.end
	}
	c, ok := s.command(p, nil, s.limit())
	if !ok {
		return 0
	}
	if s.judge(&c); c.special == aof.Ordinary || !c.plausible {
		return 0
	}
	return c.end
}

// endsAsRDB reports whether the file ends as an RDB does.
func (s *aofSalvage) endsAsRDB() bool {
	mark := s.at(s.size-rdbEnd, 1)
	return len(mark) == 1 && mark[0] == opEOF
}

// rdbOf returns what is left of a damaged RDB part of src, which ends at end.
func (s *SalvagedAOF) rdbOf(src io.ReaderAt, end int64) io.WriterTo {
	switch part := io.NewSectionReader(src, 0, end); {
	case s.RDB != nil:
		again := *s.RDB
		again.src = part
		return &again
	case s.RDBHealed != nil:
		return healedRDB{s.RDBHealed, part}
	case s.rdb != nil:
		return s.rdb
	default:
		return bytes.NewReader(nil)
	}
}

// healedRDB is an RDB with its damage undone.
type healedRDB struct {
	*Candidate
	src io.ReaderAt
}

// WriteTo writes the RDB as it was.
func (h healedRDB) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, h.Open(h.src)) }
