package repair

import (
	"bytes"
	"fmt"
	"io"

	"github.com/kvfsck/kvfsck/aof"
)

// aofScan reads the framing of a log at any place, in the one form in which servers write it. Payloads are passed over unread.
type aofScan struct {
	src  io.ReaderAt
	size int64
	err  error // of reading; everything looks like the end of the file then

	buf   []byte
	start int64 // offset of buf[0]
	work  int64 // headers read
}

const (
	aofWindow  = 256 << 10
	aofHeader  = 16 // bytes of the longest header line that is looked at: a sigil, 13 digits, CR LF
	aofMinimum = 6  // bytes of the shortest argument
)

// at returns up to n bytes at off, n being at most aofWindow; fewer at the end of the file. The slice holds until the next call.
func (s *aofScan) at(off int64, n int) []byte {
	if off < 0 || off >= s.size || s.err != nil {
		return nil
	}
	if i := off - s.start; i >= 0 && i+int64(n) <= int64(len(s.buf)) {
		return s.buf[i : i+int64(n)]
	}
	n = int(min(int64(n), s.size-off))
	if i := off - s.start; i < 0 || i+int64(n) > int64(len(s.buf)) {
		s.fill(off)
	}
	i := int(off - s.start)
	return s.buf[min(i, len(s.buf)):min(i+n, len(s.buf))]
}

// fill moves the window to off, leaving some of what lies before it, as searches go back a little.
func (s *aofScan) fill(off int64) {
	if s.buf == nil {
		s.buf = make([]byte, 0, min(2*aofWindow, s.size))
	}
	s.start = max(0, off-aofWindow/2)
	n, err := s.src.ReadAt(s.buf[:min(int64(cap(s.buf)), s.size-s.start)], s.start)
	s.buf = s.buf[:n]
	if err != nil && err != io.EOF {
		s.err = err
	}
	if err == io.EOF && s.start+int64(n) < s.size {
		s.err = io.ErrUnexpectedEOF
	}
}

// header reads sigil, digits, CR LF. next is 0 if it is anything else; no server writes zeros in front.
func (s *aofScan) header(off int64, sigil byte) (v, next int64) {
	return s.headerTo(off, sigil, "\r\n")
}

// headerTo is header of a line that ends in another way.
func (s *aofScan) headerTo(off int64, sigil byte, end string) (v, next int64) {
	s.work++
	b := s.at(off, aofHeader)
	if len(b) < 2+len(end) || b[0] != sigil {
		return 0, 0
	}
	i := 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		v = 10*v + int64(b[i]-'0')
	}
	if i == 1 || i > 2 && b[1] == '0' || i+len(end) > len(b) || string(b[i:i+len(end)]) != end {
		return 0, 0
	}
	return v, off + int64(i+len(end))
}

// crlf reports whether CR LF stands at off.
func (s *aofScan) crlf(off int64) bool {
	b := s.at(off, 2)
	return len(b) == 2 && b[0] == '\r' && b[1] == '\n'
}

// aofSpan is a stretch of the file.
type aofSpan struct{ start, end int64 }

// argument reads an argument; next is 0 if there is none at off.
func (s *aofScan) argument(off int64) (payload aofSpan, next int64) {
	size, start := s.header(off, '$')
	if start == 0 || size > s.size-start-2 || !s.crlf(start+size) {
		return aofSpan{}, 0
	}
	return aofSpan{start, start + size}, start + size + 2
}

// aofCommand is a command in the file, whose name and first argument are looked at.
type aofCommand struct {
	aofSpan
	argc  int64
	first [2]aofSpan // payloads
	last  aofSpan    // payload of the last argument
	name  []byte     // of a healed one, if it is not what stands there
	edits []Edit     // of a healed one
	note  bool       // it is an annotation instead

	special   aof.Special
	plausible bool   // known to a server, with a number of arguments that it takes
	sensible  bool   // that, or perhaps a module's
	twofold   bool   // checkers, which read a name up to a NUL, take it for MULTI or EXEC, and servers do not
	odd       string // why no server takes it as it stands, if it is not sensible
	db        int    // of SELECT; -1 if servers answer it with an error
	timestamp int64
	hasTime   bool
}

// aofFault is where a command stops making sense.
type aofFault struct {
	arg  int64   // index of the argument, -1 if it is the command's header
	offs []int64 // offsets of the last headers of arguments, the failing one last
	from int64   // index of the first of offs
}

// keptHeaders is how many of the last arguments' headers are kept as suspects.
const keptHeaders = 64

// command reads a command at off. ok is false if there is none; fault, if not nil, is told where it stopped. That is no fault of the count if the file has no room for so many
// arguments: it may be torn.
func (s *aofScan) command(off int64, fault *aofFault, limit int64) (c aofCommand, ok bool) {
	argc, next := s.header(off, '*')
	if fault != nil {
		fault.arg = -1
	}
	if next == 0 || argc < 1 || argc > limit || fault == nil && argc > (s.size-next)/aofMinimum {
		return c, false
	}
	c = aofCommand{aofSpan: aofSpan{off, next}, argc: argc}
	return c, s.arguments(&c, 0, fault)
}

// arguments reads the arguments of c from index k on, which begin at c.end, and moves that to their end.
func (s *aofScan) arguments(c *aofCommand, k int64, fault *aofFault) bool {
	for ; k < c.argc; k++ {
		if fault != nil {
			fault.push(k, c.end)
		}
		payload, next := s.argument(c.end)
		if next == 0 {
			return false
		}
		if k < 2 {
			c.first[k] = payload
		}
		c.last, c.end = payload, next
	}
	return true
}

func (f *aofFault) push(k, off int64) {
	f.arg = k
	if len(f.offs) == 2*keptHeaders {
		f.from += int64(copy(f.offs, f.offs[keptHeaders:]))
		f.offs = f.offs[:keptHeaders]
	}
	f.offs = append(f.offs, off)
}

// aofNoteLimit is the longest line that is an annotation as a whole.
const aofNoteLimit = 1023

// annotation reads a line that begins with '#', and is followed by something sensible unless it is a timestamp.
func (s *aofScan) annotation(off int64) (c aofCommand, ok bool) {
	b := s.at(off, aofNoteLimit)
	if len(b) == 0 || b[0] != '#' {
		return c, false
	}
	n := bytes.IndexByte(b, '\n') + 1
	for _, x := range b[:max(n, 0)] {
		if x == 0 {
			return c, false
		}
	}
	c = aofCommand{aofSpan: aofSpan{off, off + int64(n)}, note: true}
	if n == 0 {
		return c, false
	}
	if i := bytes.LastIndexByte(b[:n], '*'); i >= 0 { // its end is lost, and the next line is part of it
		if _, line := strictLine(b[i:n], '*'); line == n-i {
			return c, false
		}
	}
	a := aof.Annotation{Line: b[:n]}
	if a.IsTimestamp() {
		c.timestamp, c.hasTime = a.Timestamp()
		return c, true
	}
	next := s.at(c.end, 1)
	return c, len(next) == 0 || next[0] == '*' || next[0] == '#'
}

// judge finds out what kind of command c is.
func (s *aofScan) judge(c *aofCommand) {
	var kept [2][64]byte
	var args [2][]byte
	n := min(c.argc, 2)
	for k := range n {
		p := c.first[k]
		args[k] = append(kept[k][:0], s.at(p.start, int(min(p.end-p.start, 64)))...)
	}
	if c.name != nil {
		args[0] = c.name
	}
	rec := aof.Command{Args: args[:n], Argc: c.argc}
	c.special = specialAOF(args[0])
	rec.Special = c.special
	c.odd = oddity(&rec)
	c.plausible, c.sensible = plausible(&rec), c.odd == ""
	name, _, cut := bytes.Cut(args[0], []byte{0})
	c.twofold = cut && specialAOF(name) != aof.Ordinary
	c.db = -1
	if db, ok := rec.Selected(); ok && c.argc == 2 {
		c.db = db
	}
}

// specialAOF tells the commands that change how others are read.
func specialAOF(name []byte) aof.Special {
	for _, x := range [...]struct {
		name    string
		special aof.Special
	}{{"select", aof.Select}, {"multi", aof.Multi}, {"exec", aof.Exec}} {
		if bytes.EqualFold(name, []byte(x.name)) {
			return x.special
		}
	}
	return aof.Ordinary
}

// plausible reports whether a server knows the command and takes its number of arguments.
func plausible(c *aof.Command) bool {
	for _, server := range aof.Servers {
		if c.Plausibility(server) == aof.Plausible {
			return true
		}
	}
	return false
}

// Why no server takes a command.
const (
	oddName  = "no server knows the command"
	oddArity = "no server takes so many arguments of the command"
)

// oddity says why no server takes the command, not even one that has the right modules; empty if one may.
func oddity(c *aof.Command) string {
	name := c.Name()
	switch {
	case plausible(c):
		return ""
	case c.Plausibility(aof.Redis86) == aof.WrongArity, c.Plausibility(aof.Valkey91) == aof.WrongArity:
		return oddArity
	}
	point := bytes.IndexByte(name, '.')
	for _, b := range name {
		if b <= ' ' || b > '~' {
			return oddName
		}
	}
	if point > 0 && point < len(name)-1 {
		return ""
	}
	return oddName
}

// misplaced says why a SELECT does not select a database of the server; empty if it does, and of other commands. What follows it is executed in the database before.
func (o *AOFOptions) misplaced(special aof.Special, db int) string {
	switch {
	case special != aof.Select:
		return ""
	case db < 0:
		return "SELECT of what is no database"
	case o.Databases > 0 && uint64(db) >= o.Databases:
		return fmt.Sprintf("SELECT of database %d, and the server has %d", db, o.Databases)
	default:
		return ""
	}
}
