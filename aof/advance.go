package aof

import (
	"bytes"
	"context"
	"io"
	"runtime"

	"github.com/kvfsck/kvfsck/internal/filemap"
)

// AdvanceOptions are settings of [Reader.Advance]; the zero value is the default.
type AdvanceOptions struct {
	// Workers is how many stretches are read at once; 0 means as many as there are processors.
	Workers int
	// Plausible makes the reader stop in front of a command that is not plausible to one of the [Servers], and of a SELECT of what is no database.
	Plausible bool
	// Databases is how many databases there are with Plausible; 0 means any number.
	Databases uint64
	// Progress, if set, is called now and then with how many bytes of the file have been passed.
	Progress func(offset int64)

	stretch int    // size in bytes, if not 0
	whole   []byte // the input, as if it were mapped
}

// Advanced is what [Reader.Advance] passed.
type Advanced struct{ Commands, Annotations int64 }

// Advance passes records that are plainly sound, as many as there are, on all processors; [Reader.Next] goes on behind them. It is for
// readers that skim from the start of their input, and passes nothing where that is not a large regular file on a system with memory maps.
//
// The input is cut into stretches of equal size. Each is read by itself, from the first place that looks like the beginning of a command to the
// first command that begins in the next stretch. That place is right if the stretch before ends there; if not, the stretch is read again
// from where the one before ends. Nothing is ever said about a record here: what is odd is left to Next.
func (r *Reader) Advance(ctx context.Context, opt AdvanceOptions) (passed Advanced) {
	if !r.opt.Skim || !r.opt.NoPreamble || r.started || r.w.end > 0 {
		return
	}
	a := &advance{opt: opt, base: r.opt.Offset, whole: opt.whole}
	if a.whole == nil {
		m := filemap.Of(r.w.src, filemap.MinSize)
		if m == nil {
			return
		}
		defer m.Close()
		a.whole, a.file = m.Bytes(), m
	}
	s := stretch{end: 0, depth: 0}
	a.run(ctx, &s)
	if s.end == 0 {
		return
	}
	r.pass(&s)
	rest := io.Reader(bytes.NewReader(a.whole[s.end:]))
	if a.file != nil {
		rest = a.file.From(s.end)
	}
	r.w.reset(rest, a.base+s.end, r.opt.Window)
	return Advanced{s.commands, s.annotations}
}

// pass notes that a stretch from the start of the input was passed.
func (r *Reader) pass(s *stretch) {
	base := r.opt.Offset
	p := &r.pos
	p.Offset, p.Lines, p.Commands, p.LastCommand = base+s.end, s.lines, s.commands, base+s.lastCommand
	if s.commands == 0 {
		p.LastCommand = 0
	}
	if s.multi >= 0 {
		r.multi, p.BeforeMulti = base+s.multi, base+s.beforeMulti
		if s.beforeMulti == 0 {
			p.BeforeMulti = 0
		}
	}
	if p.Valid = p.Offset; s.depth == 1 {
		r.depth, p.Valid = 1, r.multi
	}
	if s.selects {
		p.DB = s.db
	}
	r.readStart, r.started = base+s.readStart, true
}

// stretch is some records in a row. Offsets count from the start of the input.
type stretch struct {
	start, end  int64
	commands    int64
	annotations int64
	lines       int64
	readStart   int64

	lastCommand int64 // end of the last command
	multi       int64 // the last MULTI, -1 if there is none
	beforeMulti int64 // end of the last command before it; -1: that of an earlier stretch

	depth   int // at the end: 1 in a transaction, 0 outside, unknown if nothing tells
	needs   int // at the start, likewise
	selects bool
	db      int

	more  bool // the limit was reached; otherwise something is not plain, or the input ends
	found bool // a start was found
	gone  bool // the map was not to be read
}

const unknown = -1

// advance is a run of [Reader.Advance].
type advance struct {
	opt   AdvanceOptions
	base  int64 // offset in the file of the input
	whole []byte
	file  *filemap.Map
}

// stretchSize is the size of stretches in bytes: two for each worker may count as resident memory.
const stretchSize = 1 << 20

// run reads from the start of the input as far as records are plain, and sums up in total.
func (a *advance) run(ctx context.Context, total *stretch) {
	size := int64(stretchSize)
	if a.opt.stretch > 0 {
		size = int64(a.opt.stretch)
	}
	workers := a.opt.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	*total = stretch{multi: -1}
	length := int64(len(a.whole))
	type slot struct{ s chan *stretch }
	queue := make(chan slot, workers+1)
	stop := make(chan struct{})
	work := make(chan func(), workers+1)
	for range workers {
		go func() {
			for f := range work {
				f()
			}
		}()
	}
	go func() { // hands out the stretches, in order
		defer close(queue)
		defer close(work)
		for from := int64(0); from < length; from += size {
			out := slot{make(chan *stretch, 1)}
			limit := min(from+size, length)
			select {
			case <-stop:
				return
			case queue <- out:
			}
			work <- func() {
				s := new(stretch)
				if filemap.Guard(func() { a.guess(s, from, limit) }) != nil {
					s.gone = true
				}
				out.s <- s
			}
		}
	}()
	drain := func() {
		close(stop)
		for q := range queue {
			<-q.s
		}
	}
	from := int64(0)
	for q := range queue {
		s := <-q.s
		limit := min(from+size, length)
		from = limit
		if s.gone || ctx.Err() != nil {
			break
		}
		if total.end >= limit {
			continue // in a large command
		}
		if !s.found || s.start != total.end || !total.fits(s) {
			*s = stretch{start: total.end}
			if filemap.Guard(func() { a.read(s, limit, total.depth) }) != nil {
				break
			}
		}
		total.add(s)
		if !s.more {
			break
		}
		if a.file != nil {
			a.file.Release(total.end)
		}
		if a.opt.Progress != nil {
			a.opt.Progress(a.base + total.end)
		}
	}
	drain()
}

// fits reports whether s may follow, as far as transactions are concerned.
func (total *stretch) fits(s *stretch) bool { return s.needs == unknown || s.needs == total.depth }

// add appends a stretch that fits.
func (total *stretch) add(s *stretch) {
	if s.multi >= 0 {
		total.multi, total.beforeMulti = s.multi, s.beforeMulti
		if s.beforeMulti < 0 {
			total.beforeMulti = total.lastCommand
		}
	}
	if s.commands > 0 {
		total.lastCommand = s.lastCommand
	}
	if s.commands+s.annotations > 0 {
		total.readStart = s.readStart
	}
	if s.depth != unknown {
		total.depth = s.depth
	}
	if s.selects {
		total.selects, total.db = true, s.db
	}
	total.commands += s.commands
	total.annotations += s.annotations
	total.lines += s.lines
	total.end = s.end
}

// guess reads the stretch from the first place that looks like the beginning of a record.
func (a *advance) guess(s *stretch, from, limit int64) {
	if from == 0 {
		*s = stretch{found: true}
		a.read(s, limit, 0)
		return
	}
	const chain = 3
	for tries := 0; tries < 64; tries++ {
		// Not from the byte before: that may be released, and to touch it would map all around it again.
		i := bytes.Index(a.whole[from:limit], []byte("\n*"))
		if i < 0 {
			return
		}
		from += int64(i) + 1
		probe := stretch{start: from}
		a.readN(&probe, limit, unknown, chain)
		if probe.commands == chain || probe.more && probe.commands > 0 {
			*s = stretch{start: from, found: true}
			a.read(s, limit, unknown)
			return
		}
	}
}

// read reads records from s.start on, as long as they are plain and begin before the limit.
func (a *advance) read(s *stretch, limit int64, depth int) { a.readN(s, limit, depth, -1) }

func (a *advance) readN(s *stretch, limit int64, depth int, most int64) {
	s.depth, s.needs, s.multi, s.beforeMulti = depth, unknown, -1, unknown
	if depth != unknown {
		s.needs = depth
	}
	b := a.whole
	short := lookShort()
	args := make([][]byte, 0, skimArgs)
	var run plainRun
	known, next := 0, 0 // commands of the run, and which of them is next
	runs := most < 0 && hasRuns()
	i := s.start
	for ; i < limit; s.end = i {
		if s.end = i; s.commands == most {
			return
		}
		if runs {
			if next == known {
				known, next = run.pass(b, int(i), int(limit)), 0
			}
			if next < known {
				next = a.shortRun(s, &run, next, known)
				if i = int64(run.starts[next]); next == known {
					continue
				}
				s.end = i
				next++ // what follows is about this one alone
			}
		}
		if b[i] == '#' {
			n := bytes.IndexByte(b[i:min(i+maxAnnotation, int64(len(b)))], '\n')
			if n < 0 {
				return
			}
			s.readStart = i
			i += int64(n) + 1
			s.annotations++
			continue
		}
		var argc, name, body, end int
		if args, argc, name, body, end = plainCommand(b, int(i), args[:0], skimArgs); end == 0 {
			return
		}
		if c := short.at(shortNameAt(b, name, len(args[0]))); c.name != (shortName{}) {
			if a.opt.Plausible && !c.plausible(int64(argc)) || c.special != Ordinary && !a.special(s, c.special, args, argc, i) {
				return
			}
		} else if a.opt.Plausible && (&Command{Args: args, Argc: int64(argc)}).plausibility() != [len(Servers)]Plausibility{} {
			return
		} else if special := specialOf(args[0], true); special != Ordinary && !a.special(s, special, args, argc, i) {
			return
		}
		s.pass(argc, body, end)
		i = int64(end)
	}
	s.more = true
}

// pass counts a command.
func (s *stretch) pass(argc, body, end int) {
	s.commands++
	s.lines += 1 + 2*int64(argc)
	s.readStart, s.lastCommand = int64(body), int64(end)
}

// shortRun counts commands of a run, from the k-th on, as long as they have short names, are not special and, if that is asked, plausible. It returns which is the next.
func (a *advance) shortRun(s *stretch, run *plainRun, k, n int) int {
	b, short := a.whole, lookShort()
	for ; k < n; k++ {
		argc, at := plainHeader(b, run.starts[k])
		size, name := plainHeader(b, at)
		if argc == 0 || size == 0 {
			return k
		}
		known := short.at(shortNameAt(b, name, size))
		if known.name == (shortName{}) || known.special != Ordinary || a.opt.Plausible && !known.plausible(int64(argc)) {
			return k
		}
		s.pass(argc, run.bodies[k+1], run.starts[k+1])
	}
	return n
}

// special takes a command on which the reading of others depends; false if it is not plainly in its place.
func (a *advance) special(s *stretch, special Special, args [][]byte, argc int, at int64) bool {
	name := args[0]
	switch special {
	case Multi:
		if len(name) != len("multi") || s.depth == 1 {
			return false
		}
		if s.depth == unknown {
			s.needs = 0
		}
		s.depth, s.multi, s.beforeMulti = 1, at, unknown
		if s.commands > 0 {
			s.beforeMulti = s.lastCommand
		}
	case Exec:
		if len(name) != len("exec") || s.depth == 0 {
			return false
		}
		if s.depth == unknown {
			s.needs = 1
		}
		s.depth = 0
	case Select:
		if len(name) != len("select") {
			break
		}
		db, ok := (&Command{Special: Select, Args: args, Argc: int64(argc)}).Selected()
		if a.opt.Plausible && (!ok || a.opt.Databases > 0 && uint64(db) >= a.opt.Databases) {
			return false
		}
		if ok {
			s.selects, s.db = true, db
		}
	}
	return true
}
