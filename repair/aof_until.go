package repair

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/kvfsck/kvfsck/aof"
)

// # A point in time
//
// Times stand in annotations, at most one a second, each in front of the commands that it is of, and they do not decrease:
//
//	#TS:100 | SET a | SET b | #TS:200 | FLUSHALL | #TS:300 | ...
//
// What is left out begins with the first annotation that is later than the time asked for. If that is damaged, nothing says so of the commands behind it; so what
// stands behind damage, or behind an annotation that says nothing or a time before the last one, is early enough only if the next sound
// annotation is, in this file or in those behind it. Otherwise the log ends there. The same holds of a command with a later time in its arguments: it has swallowed that, or
// holds a log that is later itself.
//
// A later time may be one that is not true. It is not if it is later, by more than clocks differ, than the file was changed last, or than now where that is not known, and the
// annotation before it or behind it is not: the file's own time can be made up, as in some archives. Nor if the next two annotations are both earlier, and in order, with nothing but
// sound records up to them: one of three is wrong then, and not two. Such an annotation says nothing, and is left out. One that contradicts it is not enough, as either may be the
// wrong one.

// ErrNoTimes is the error of asking for a point in time of a log without timestamps.
var ErrNoTimes = errors.New("repair: the log has no timestamps to go by: servers write them with aof-timestamp-enabled yes")

// Why a time is not true.
const (
	untrueLast  = "a time later than the file was changed"
	untrueOrder = "a time later than the two behind it"
)

// clocksDiffer is by how many seconds the clock by which a file was changed may be behind that of the server.
const clocksDiffer = 24 * 60 * 60

const whyUntimed = "nothing shows that it is from before the time asked for: damage stands where the time may have stood"

// aofUntil is what is known of the time.
type aofUntil struct {
	last  int64 // that of the last sound annotation; 0: there was none
	at    int64 // offset of that
	doubt int64 // from this offset on it is not known; -1: it is
}

// later reports whether the log ends in front of an annotation, and learns from it.
func (s *aofSalvage) later(note *aofCommand) bool {
	u := &s.until
	switch {
	case s.opt.Until == 0:
	case !note.hasTime || note.timestamp < u.last:
		s.untimed(note.start)
	case note.timestamp > s.opt.Until:
		return true
	default:
		u.last, u.at, u.doubt = note.timestamp, note.start, -1
	}
	return false
}

// untrue says why the time of an annotation, which is later than what was asked for, is not true; empty if it may be.
func (s *aofSalvage) untrue(note *aofCommand) string {
	changed := time.Now()
	if info := statOf(s.src); info != nil && !info.ModTime().IsZero() {
		changed = info.ModTime()
	}
	latest, last := changed.Unix()+clocksDiffer, s.until.last
	if note.timestamp > latest && last > 0 && last <= latest {
		return untrueLast
	}
	for p, n := note.end, 0; !s.tired(); {
		next, ok := s.annotation(p)
		if !ok {
			if p = s.recordEnd(p); p == 0 {
				return ""
			}
			continue
		}
		if p = next.end; !next.hasTime {
			continue
		}
		switch {
		case next.timestamp < last || next.timestamp >= note.timestamp:
			return ""
		case note.timestamp > latest && next.timestamp <= latest:
			return untrueLast
		}
		if n++; n == 2 {
			return untrueOrder
		}
		last = next.timestamp
	}
	return ""
}

// untimed says that from an offset on the time is not known.
func (s *aofSalvage) untimed(off int64) {
	if s.until.doubt < 0 {
		s.until.doubt = off
	}
}

// laterInside reports whether a line of c is a timestamp that is later than the time asked for.
func (s *aofSalvage) laterInside(c *aofCommand) bool {
	if s.opt.Until == 0 || s.until.doubt >= 0 {
		return false
	}
	for p := s.find(c.start, c.end, "#"); p >= 0; p = s.find(p+1, c.end, "#") {
		if string(s.at(p-1, 5)) != "\n#TS:" {
			continue
		}
		if note, ok := s.annotation(p); ok && note.hasTime && note.timestamp > s.opt.Until {
			return true
		}
	}
	return false
}

// settleTime ends what was salvaged of a file where it is not known to be early enough, unless that is known of what follows it.
func settleTime(out *SalvagedAOF, again func(end int64) (*SalvagedAOF, error), early func() (bool, error)) (*SalvagedAOF, error) {
	if out.untimed < 0 {
		return out, nil
	}
	if out.Cut < 0 {
		if ok, err := early(); ok || err != nil {
			return out, err
		}
	}
	return again(out.untimed + 1)
}

// keptUntimed reports whether a command is kept of which it is not known whether it is early enough. Behind a torn end there is none.
func (out *SalvagedAOF) keptUntimed() bool {
	return slices.ContainsFunc(out.Regions, func(r AOFRegion) bool { return r.Kind.Kept() && r.Commands > 0 && r.End > out.untimed })
}

// early reports whether a file was last changed, or the first time in those behind it is, not later than the time asked for, or nothing depends on it.
func (s *SalvagedSet) early(ctx context.Context, fsys fs.FS, f *aof.File, part *SalvagedAOF, behind []aof.File, until int64) (bool, error) {
	if len(behind) == 0 && !part.keptUntimed() {
		return true, nil
	}
	if info, err := fs.Stat(fsys, f.Path); err == nil && !info.ModTime().IsZero() && info.ModTime().Unix() <= until {
		return true, nil
	}
	for i := range behind {
		x := setFile{path: behind[i].Path}
		if err := x.look(ctx, fsys); err != nil {
			return false, err
		}
		if x.stamped {
			return x.first <= until, nil
		}
	}
	return false, nil
}

// timeless reports whether there are commands and no time of any.
func (s *SalvagedSet) timeless() bool {
	commands := int64(0)
	for i := range s.Files {
		if f := &s.Files[i]; f.timed || f.Cut >= 0 {
			return false
		} else {
			commands += f.Kept
		}
	}
	return commands > 0
}
