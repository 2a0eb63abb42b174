package aof

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// ReaderOptions are settings of a [Reader]; the zero value is the default.
type ReaderOptions struct {
	// Strictness is whose reading of the format to follow.
	Strictness Strictness
	// Skim reads arguments without keeping them, but for the start of the first two of each command. Memory is then bounded by the
	// window, whatever the size of an argument.
	Skim bool
	// NoPreamble reads a file that begins like an RDB as commands, as the checkers do with increments.
	NoPreamble bool
	// Offset is that of the input's first byte in its file. If it is not 0, no preamble is looked for.
	Offset int64
	// RDB are the settings of the preamble's reader.
	RDB rdb.ReaderOptions
	// Window is the size of the buffer in bytes; 0 means 256 KiB.
	Window int
}

// Reader reads the records of an append-only file in file order.
//
//	r := aof.NewReader(f)
//	for r.Next() {
//		switch rec := r.Record().(type) {
//		case *aof.Command:
//			fmt.Printf("%d: %q\n", rec.DB, rec.Args)
//		}
//	}
//	err := r.Err()
//
// It is not safe for use by several goroutines at once.
type Reader struct {
	w   window
	col column
	opt ReaderOptions
	pos Position

	rec     Record
	cmd     Command
	ann     Annotation
	pre     Preamble
	inRDB   bool // the preamble was given out and is not passed yet
	started bool
	done    bool
	err     error

	depth     int   // MULTIs without their EXEC
	multi     int64 // offset of the last MULTI
	readStart int64 // of the last read, as the checkers count: a header line's or an argument's first byte
	record    int64 // of the record being read
	canonical bool

	args  [][]byte
	spans [][2]int // of arguments, from the record's start, while the window may move
	kept  [2][skimKeep]byte
}

// What a reader that skims keeps of a command.
const (
	skimArgs = 2
	skimKeep = 64
)

// Position is how far a reader has come.
type Position struct {
	Offset   int64 // bytes passed
	Valid    int64 // end of the last complete record outside a transaction: the checkers' ok_up_to
	Lines    int64 // ends of line that were checked and found right: the checkers' ok_up_to_line, less 1
	Commands int64 // complete commands

	// LastCommand is the end of the last complete command, inside a transaction or not; 0 if there is none, even behind a preamble.
	// BeforeMulti is what it was at the last MULTI. Redis cuts there what it finds cut short.
	LastCommand, BeforeMulti int64

	Preamble int64 // end of the RDB part, 0 if there is none
	DB       int   // current database
	InMulti  bool
	Multi    int64 // where InMulti: the offset of the MULTI that began the transaction
}

// NewReader returns a Reader that reads src as a server does.
func NewReader(src io.Reader) *Reader { return NewReaderOptions(src, ReaderOptions{}) }

// NewReaderOptions returns a Reader with settings.
func NewReaderOptions(src io.Reader, opt ReaderOptions) *Reader {
	r := &Reader{}
	r.Reset(src, opt)
	return r
}

// Reset makes r read src from the start, keeping its memory.
func (r *Reader) Reset(src io.Reader, opt ReaderOptions) {
	w, args, spans := r.w, r.args[:0], r.spans[:0]
	if opt.Window <= 0 {
		opt.Window = windowSize
	}
	*r = Reader{w: w, opt: opt, col: opt.Strictness.column(), args: args, spans: spans, canonical: true}
	r.w.reset(src, opt.Offset, opt.Window)
	r.pos.Valid = opt.Offset
}

// Next reads the next record. It is false at the end of the file and after an error; see Err.
func (r *Reader) Next() bool {
	if r.done {
		return false
	}
	if r.inRDB && !r.finishPreamble() {
		return r.stop()
	}
	if !r.started {
		r.started = true
		if r.startPreamble() {
			return true
		}
		if r.err != nil {
			return r.stop()
		}
	}
	r.w.release()
	if r.depth == 0 {
		r.pos.Valid = r.w.offset()
	}
	if r.fastCommand() || r.slowRecord() {
		r.pos.Offset = r.w.offset()
		return true
	}
	return r.stop()
}

func (r *Reader) stop() bool {
	r.rec, r.done = nil, true
	return false
}

// Record returns the record that the last call of Next read.
func (r *Reader) Record() Record { return r.rec }

// Err returns what ended the reading, nil at a good end. A fault in the file is a [*FormatError]; an error of the input is wrapped.
func (r *Reader) Err() error { return r.err }

// Records ranges over the records; an error comes last.
func (r *Reader) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r.Next() {
			if !yield(r.rec, nil) {
				return
			}
		}
		if r.err != nil {
			yield(nil, r.err)
		}
	}
}

// Position returns how far the reader has come: behind the record that Next gave last, or where it stopped.
func (r *Reader) Position() Position {
	p := r.pos
	p.InMulti = r.depth > 0
	if p.InMulti {
		p.Multi = r.multi
	} else if r.err == nil {
		p.Valid = p.Offset
	}
	return p
}

// Canonical reports whether all commands so far have the one form that servers write, in which checker and server read the same.
func (r *Reader) Canonical() bool { return r.canonical }

// magics are what an RDB begins with.
var magics = [...]string{"REDIS", "VALKEY"}

// startPreamble gives out the RDB part if the input begins like one. An input that fails while it may still be one is nothing else.
func (r *Reader) startPreamble() bool {
	if r.opt.NoPreamble || r.opt.Offset != 0 {
		return false
	}
	start := r.w.peek(8)
	if !IsRDB(start, r.opt.Strictness) {
		for _, m := range magics {
			if len(start) < 8 && bytes.HasPrefix(start, []byte(m[:min(len(start), len(m))])) {
				r.err = r.w.failed()
			}
		}
		return false
	}
	src := r.w // a copy, which keeps the start of the file; the reader's own window begins anew behind the RDB part
	r.w = window{}
	r.pre = Preamble{RDB: rdb.NewReaderOptions(&src, r.opt.RDB)}
	r.rec, r.inRDB = &r.pre, true
	return true
}

// IsRDB reports whether a file that begins with start has an RDB part: the magic of Redis or Valkey, in a file of at least 5 bytes
// (AsServer) or 8 (AsChecker). The released checkers know Redis's only, and the server of each family its own.
func IsRDB(start []byte, s Strictness) bool {
	return len(start) >= differences[ruleMagic].values[s] &&
		(bytes.HasPrefix(start, []byte(magics[0])) || bytes.HasPrefix(start, []byte(magics[1])))
}

// finishPreamble reads what the caller left of the RDB part, and goes on behind it.
func (r *Reader) finishPreamble() bool {
	src := r.pre.RDB
	for src.Next() {
	}
	r.inRDB = false
	end := src.Offset()
	r.pos.Offset = end
	if err := src.Err(); err != nil {
		var fe *rdb.FormatError
		if !errors.As(err, &fe) {
			r.err = err
			return false
		}
		r.err = &FormatError{Code: CodeRDB, Damage: DamagePreamble, Offset: fe.Offset, EOF: errors.Is(err, rdb.ErrTruncated), Err: err}
		return false
	}
	r.pos.Preamble, r.readStart = end, end
	r.w.reset(src.Rest(), end, r.opt.Window)
	return true
}

// fastCommand reads a command that is plain and whole in the window. It is false, and has changed nothing, for any other; there may be more to
// the input, then.
func (r *Reader) fastCommand() bool {
	most := math.MaxInt
	if r.opt.Skim {
		most = skimArgs
	}
	args, argc, _, body, end := plainCommand(r.w.buf[r.w.pos:r.w.end], 0, r.args[:0], most)
	if end == 0 {
		return false
	}
	r.args = args
	special := specialOf(args[0], true)
	switch {
	case special == Multi || special == Exec:
		return false // what changes the state of transactions has its errors, so one place reads it
	case special == Select && len(args[0]) != len("select"):
		special = Ordinary
	}
	if r.opt.Skim {
		for k := range args {
			args[k] = args[k][:min(len(args[k]), skimKeep)]
		}
	}
	start := r.w.offset()
	r.readStart = start + int64(body)
	r.pos.Lines += 1 + 2*int64(argc)
	r.w.pos += end
	r.give(special, start, int64(argc))
	return true
}

// give makes the command that was read the current record, and moves on what depends on it.
func (r *Reader) give(special Special, start, argc int64) {
	end := r.w.offset()
	r.pos.Commands++
	r.cmd = Command{
		Offset: start, Size: end - start, Number: r.pos.Commands, DB: r.pos.DB, InMulti: r.depth > 0,
		Special: special, Args: r.args, Argc: argc,
	}
	switch special {
	case Select:
		if db, ok := r.cmd.Selected(); ok {
			r.pos.DB = db
		}
	case Multi:
		r.pos.BeforeMulti = r.pos.LastCommand
		r.cmd.InMulti = r.cmd.InMulti && r.multi != start
	case Exec:
		r.cmd.InMulti = false
	}
	r.pos.LastCommand = end
	r.rec = &r.cmd
}
