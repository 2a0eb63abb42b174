package aof

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Writer writes an append-only file, or an increment of a set.
//
//	w := aof.NewWriter(f)
//	w.Command(0, "SET", "k", "v")   // SELECT 0 comes before it, as with servers
//	w.Command(3, "DEL", "x")        // and SELECT 3 before this one
//	err := w.Flush()
//
// Errors of the output stay: the first is returned by everything that follows.
type Writer struct {
	w       *bufio.Writer
	n       int64
	db      int
	started bool
	err     error
	num     []byte
}

// NewWriter returns a Writer to dst.
func NewWriter(dst io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(dst, windowSize)} }

// NoDB is the database of commands that belong to none, such as FUNCTION LOAD.
const NoDB = -1

// Command writes a command that is to be executed in a database, with a SELECT before it if that is not the current one or if
// nothing has been selected yet. A command of no arguments, or a database that no server has, is an error, of which nothing is written.
func (w *Writer) Command(db int, args ...string) error {
	at := db
	if db == NoDB {
		at = 0
	}
	if err := writable(at, len(args)); err != nil {
		return err
	}
	if db != NoDB && (db != w.db || !w.started) {
		w.selectDB(db)
	}
	w.header('*', len(args))
	for _, a := range args {
		w.header('$', len(a))
		w.string(a)
		w.string("\r\n")
	}
	return w.err
}

// writable is the error of what no server loads.
func writable(db, argc int) error {
	switch {
	case argc == 0:
		return errors.New("aof: a command of no arguments cannot be written")
	case db < 0 || int64(db) > math.MaxInt32:
		return fmt.Errorf("aof: there is no database %d", db)
	}
	return nil
}

// Record writes what a [Reader] that does not skim has read, so that it has the same effect: with a SELECT before it if the database
// is not the current one. A file read and written that way comes out as it was if a server wrote it. Preambles are not written.
func (w *Writer) Record(rec Record) error {
	switch rec := rec.(type) {
	case *Command:
		if int64(len(rec.Args)) != rec.Argc {
			return errors.New("aof: a command without all of its arguments cannot be written")
		}
		if err := writable(rec.DB, len(rec.Args)); err != nil {
			return err
		}
		if rec.DB != w.db && rec.Special != Select {
			w.selectDB(rec.DB)
		}
		w.raw(rec.Args)
		if db, ok := rec.Selected(); ok {
			w.db, w.started = db, true
		}
	case *Annotation:
		return w.Annotation(rec.Line)
	}
	return w.err
}

// Annotation writes a line that begins with '#', adding its end if it has none. A piece of a longer line, as a [Reader] gives it, is
// written as it is.
func (w *Writer) Annotation(line []byte) error {
	end := ""
	if !bytes.HasSuffix(line, []byte("\n")) && len(line) != maxAnnotation {
		end = "\r\n"
	}
	newline := bytes.IndexByte(line, '\n')
	if len(line) == 0 || line[0] != '#' || len(line)+len(end) > maxAnnotation || newline >= 0 && newline < len(line)-1 {
		return fmt.Errorf("aof: %q is no annotation", line[:min(len(line), 80)])
	}
	w.bytes(line)
	w.string(end)
	return w.err
}

// Timestamp writes the annotation that says when the commands behind it were executed, in seconds since 1970.
func (w *Writer) Timestamp(seconds int64) error {
	return w.Annotation(fmt.Appendf(nil, "%s%d\r\n", timestampPrefix, seconds))
}

// Offset returns how many bytes were written.
func (w *Writer) Offset() int64 { return w.n }

// Flush passes on what is buffered.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

func (w *Writer) selectDB(db int) {
	w.db, w.started = db, true
	w.raw([][]byte{[]byte("SELECT"), strconv.AppendInt(nil, int64(db), 10)})
}

func (w *Writer) raw(args [][]byte) {
	w.header('*', len(args))
	for _, a := range args {
		w.header('$', len(a))
		w.bytes(a)
		w.string("\r\n")
	}
}

func (w *Writer) header(prefix byte, n int) {
	w.num = append(strconv.AppendInt(append(w.num[:0], prefix), int64(n), 10), '\r', '\n')
	w.bytes(w.num)
}

func (w *Writer) bytes(p []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(p)
		w.n += int64(len(p))
	}
}

func (w *Writer) string(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
		w.n += int64(len(s))
	}
}
