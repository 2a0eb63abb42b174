package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/rdb"
)

// maxComplaints is how many faults of a file are told one by one.
const maxComplaints = 20

// walk takes the keys of a snapshot one after the other, passing over those that are damaged.
type walk struct {
	env    *env
	path   string
	filter *filter
	quiet  bool         // no progress bar
	pieces *pieceExport // takes pieces of a snapshot side by side, nil: nothing does

	function func(*rdb.Function) error // takes function libraries, nil: nothing does

	inValue    bool      // take has the key
	later      *[]string // complaints are kept there, nil: they are told
	complaints int
	unheld     int // of them, those of what the format cannot hold
	taken      int64
}

// run calls take with every key that passes the filter. A fault in a key's value is take's error and costs that key only; where the
// file cannot be followed any further the walk ends. Either is told on the standard error, and is status exitDamaged in the end.
func (w *walk) run(ctx context.Context, take func(*rdb.Entry) error) error {
	in, err := input.Open(ctx, w.path, w.env.stdin)
	if err != nil {
		return w.ended(ctx, err)
	}
	defer in.Close()
	return w.readInput(ctx, in, take)
}

// readInput is run on what is open already.
func (w *walk) readInput(ctx context.Context, in *input.Input, take func(*rdb.Entry) error) error {
	return w.ended(ctx, w.records(in, take))
}

// ended returns the status for what ended a walk.
func (w *walk) ended(ctx context.Context, err error) error {
	var corrupt *input.CorruptError
	var op operational
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &op):
		return op
	case errors.As(err, &corrupt):
		w.complain("%v; %s", corrupt, w.soFar())
	case err != nil:
		return operational{errors.New(explain(w.path, err))}
	}
	return w.verdict()
}

// verdict returns the status for what was complained of.
func (w *walk) verdict() error {
	if w.complaints == 0 {
		return nil
	}
	if rest := w.complaints - maxComplaints; rest > 0 {
		w.env.complain("%s: and %d more", w.path, rest)
	}
	if w.complaints > w.unheld {
		w.env.complain("%s: the file is damaged; see: kvfsck check %s", w.path, shellQuote(w.path))
	}
	return status(exitDamaged)
}

func (w *walk) soFar() string { return count(w.taken, "key") + " taken before that" }

func (w *walk) complain(format string, args ...any) {
	if w.later != nil {
		*w.later = append(*w.later, fmt.Sprintf(format, args...))
		return
	}
	if w.complaints++; w.complaints <= maxComplaints {
		w.env.complain("%s: %s", w.path, fmt.Sprintf(format, args...))
	}
}

// records reads the whole file. The error is one of the input or of take's own.
func (w *walk) records(in *input.Input, take func(*rdb.Entry) error) error {
	head, err := in.Peek(sniffSize)
	if err != nil && len(head) == 0 {
		return err
	} // else the error comes again behind what is good
	likely := guess(head)
	if w.pieces != nil {
		return w.ofPieces(in, likely)
	}
	r := rdb.NewReaderOptions(in, rdb.ReaderOptions{OnFault: w.fault})
	defer r.Close()
	p := newProgress(w.env, in, !w.quiet)
	defer p.done()
	if err := w.snapshot(r, take, p.update); err != nil {
		return err
	}
	return w.endOf(r.Err(), likely, r.Rest)
}

// endOf tells why the reading of a snapshot ended.
func (w *walk) endOf(err error, likely string, rest func() io.Reader) error {
	var format *rdb.FormatError
	switch {
	case errors.As(err, &format) && format.Code == rdb.CodeSignature && likely != "":
		w.complain("%v; %s", format, likely)
		return nil
	case errors.As(err, &format):
		w.complain("%v; nothing behind that can be read, %s", format, w.soFar())
		return nil
	case err != nil:
		return err
	}
	_, err = io.Copy(io.Discard, rest()) // so that a compressed file is checked to its end
	return err
}

// snapshot takes what a reader has. The error is take's own; the reader keeps its.
func (w *walk) snapshot(r *rdb.Reader, take func(*rdb.Entry) error, update func()) error {
	for n := 0; r.Next(); n++ {
		if n&1023 == 0 {
			update()
		}
		err := error(nil)
		switch rec := r.Record().(type) {
		case *rdb.Entry:
			if w.filter.wants(rec) {
				err = w.key(r, rec, take)
			}
		case *rdb.Function:
			if w.function != nil {
				err = w.held(w.function(rec))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// held tells of what the format cannot hold, which is no error.
func (w *walk) held(err error) error {
	var unheld *notHeldError
	if !errors.As(err, &unheld) {
		return err
	}
	w.unheld++
	w.complain("%v", unheld)
	return nil
}

// key has a key taken. A damaged one is told of, and no error.
func (w *walk) key(r *rdb.Reader, e *rdb.Entry, take func(*rdb.Entry) error) error {
	w.inValue = true
	err := take(e)
	w.inValue = false
	if err == nil {
		w.taken++
		return nil
	}
	var format *rdb.FormatError
	switch {
	case r.Err() != nil && errors.As(err, &format): // the reader has come to its end and says why
	case errors.As(err, &format):
		w.complain("left out, %v", format)
	default:
		return w.held(err)
	}
	return nil
}

// fault says what the reader is to make of a fault: an error of the key it is in, or nothing more than a complaint.
func (w *walk) fault(e *rdb.FormatError) error {
	switch {
	case e.Server() == rdb.Accepts:
		return nil
	case w.inValue:
		return e
	default:
		w.complain("%v", e)
		return nil
	}
}
