package aof

import (
	"bytes"

	"github.com/kvfsck/kvfsck/rdb"
)

// Record is what [Reader.Next] reads: a *Preamble, a *Command or an *Annotation. A record and the bytes it points to are the
// reader's and hold until the next call of Next.
type Record interface{ isRecord() }

func (*Preamble) isRecord()   {}
func (*Command) isRecord()    {}
func (*Annotation) isRecord() {}

// Preamble is the RDB that a file may begin with: all of a base, or the snapshot that an old-style file was rewritten to. Its
// records are taken from RDB before the next call of [Reader.Next], which reads what is left of them, framing and checksum only.
type Preamble struct {
	RDB *rdb.Reader
}

// Special tells the commands that change how others are read.
type Special uint8

const (
	Ordinary Special = iota
	Select
	Multi
	Exec
)

// Command is a command of the log.
type Command struct {
	Offset  int64 // of its first byte
	Size    int64 // in bytes
	Number  int64 // counted from 1 in its file
	DB      int   // database in which it is executed; SELECT's is that before
	InMulti bool  // between MULTI and EXEC, these two not counted
	Special Special

	// Args are the arguments, the name first. In a reader that skims there are at most two, and of each at most its first 64 bytes.
	Args [][]byte
	// Argc is the number of arguments.
	Argc int64
}

// End returns the offset of the first byte behind the command.
func (c *Command) End() int64 { return c.Offset + c.Size }

// Name returns the first argument as it stands; commands' names are of no case. It is nil for a command of no arguments, which
// only checkers accept.
func (c *Command) Name() []byte {
	if len(c.Args) == 0 {
		return nil
	}
	return c.Args[0]
}

// Selected returns the database that a SELECT selects. It is false for every other command, and for a SELECT that servers answer with an error, which
// they log: then they stay where they are, and execute what follows in the database before. (Redis looks at the first argument only.)
func (c *Command) Selected() (db int, ok bool) {
	if c.Special != Select || len(c.Args) < 2 {
		return 0, false
	}
	return selected(c.Args[1])
}

// Annotation is a line that begins with '#'. Servers skip it. A line of more than 1023 bytes is none as a whole: what follows is
// read as the next record.
type Annotation struct {
	Offset  int64
	InMulti bool
	Line    []byte // with its end of line, if it has one
}

// timestampPrefix begins the one kind of annotation that servers write (Redis 7.0 and later, aof-timestamp-enabled).
const timestampPrefix = "#TS:"

// IsTimestamp reports whether the line is a timestamp: "#TS:" and seconds since 1970.
func (a *Annotation) IsTimestamp() bool { return bytes.HasPrefix(a.Line, []byte(timestampPrefix)) }

// Timestamp returns the time in seconds since 1970. ok is false if the line is no timestamp, or one that redis-check-aof calls
// invalid: beyond 64 bits, or not followed by CR. (A number that is missing is 0.)
func (a *Annotation) Timestamp() (seconds int64, ok bool) {
	if !a.IsTimestamp() {
		return 0, false
	}
	p := a.Line[len(timestampPrefix):]
	v, n, overflow := decimal(p)
	return v, !overflow && n < len(p) && p[n] == '\r'
}

// specialOf recognises a command that changes how others are read. cut: by the name up to a NUL, as the checkers do.
func specialOf(name []byte, cut bool) Special {
	if len(name) < 4 {
		return Ordinary
	}
	switch name[0] | 0x20 {
	case 'm', 'e', 's':
	default:
		return Ordinary
	}
	if i := bytes.IndexByte(name, 0); i >= 0 && cut {
		name = name[:i]
	}
	switch {
	case len(name) == 4 && foldEqual(name, "exec"):
		return Exec
	case len(name) == 5 && foldEqual(name, "multi"):
		return Multi
	case len(name) == 6 && foldEqual(name, "select"):
		return Select
	default:
		return Ordinary
	}
}

// foldEqual compares with lower in ASCII, without regard to case. The lengths are equal.
func foldEqual(p []byte, lower string) bool {
	for i, b := range p {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		if b != lower[i] {
			return false
		}
	}
	return true
}

// selected is the database that an argument of SELECT names.
func selected(arg []byte) (db int, ok bool) {
	v, ok := integer(arg)
	return int(v), ok && v >= 0 && v < 1<<31
}

// maxAnnotation is how many bytes of an annotation's line are taken as one (AOF_ANNOTATION_LINE_MAX_LEN, less its NUL).
const maxAnnotation = 1023
