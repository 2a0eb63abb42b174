package jsonl

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Sizes in bytes.
const (
	flushSize = 64 << 10 // of finished lines that are written at once
	holdSize  = 4 << 20  // up to which an unfinished line stays in memory
	keepSize  = 16 << 20 // that are kept until they are taken
)

// ErrFull says that there are more lines than are kept. What a Writer has kept then is of no use any more.
var ErrFull = errors.New("too many lines to be kept")

// hold takes lines and writes the finished ones. A line may turn out to be damaged at its very end, and what was written cannot be
// taken back, so an unfinished line is held: in memory, and from holdSize on in a temporary file.
//
//	buf  | finished lines | the line at hand |
//	     0                mark               len(buf)
type hold struct {
	w     io.Writer // nil: lines are kept until they are taken
	buf   []byte
	mark  int
	limit int      // holdSize, or less in tests
	at    int      // flushSize, or keepSize where lines are kept until they are taken
	file  *os.File // of lines too long for memory, made when the first one comes
	held  int64    // bytes of the line at hand in file
}

// Take returns the finished lines of a Writer or Buffer to nothing, and makes it begin anew in the memory of buf.
func (h *hold) Take(buf []byte) []byte {
	lines := h.buf[:h.mark]
	if cap(buf) > 2*h.limit {
		buf = nil
	}
	h.buf, h.mark = buf[:0], 0
	return lines
}

// full reports whether relieve should be called.
func (h *hold) full() bool { return len(h.buf) >= h.at }

// relieve makes room in buf, between two elements of a line or behind one.
func (h *hold) relieve() error {
	if err := h.flush(); err != nil || len(h.buf) < h.limit {
		return err
	}
	if h.file == nil {
		f, err := os.CreateTemp("", "kvfsck-line-*")
		if err != nil {
			return fmt.Errorf("holding a long line: %w", err)
		}
		h.file = f
	}
	n, err := h.file.Write(h.buf)
	h.held += int64(n)
	h.buf = h.buf[:0]
	if err != nil {
		return fmt.Errorf("holding a long line: %w", err)
	}
	return nil
}

// flush writes the finished lines.
func (h *hold) flush() error {
	switch {
	case h.w == nil && h.full():
		return ErrFull
	case h.w == nil, h.mark == 0:
		return nil
	}
	_, err := h.w.Write(h.buf[:h.mark])
	h.buf = h.buf[:copy(h.buf, h.buf[h.mark:])]
	h.mark = 0
	return err
}

// start makes the hold one of what is written to w.
func (h *hold) start(w io.Writer) {
	h.w, h.limit, h.at = w, holdSize, flushSize
	if w == nil {
		h.at = keepSize
	}
}

// drop forgets the line at hand.
func (h *hold) drop() error {
	h.buf = h.buf[:h.mark]
	return h.rewind()
}

// commit finishes the line at hand.
func (h *hold) commit() error {
	if h.held > 0 {
		if err := h.copyFile(); err != nil {
			return err
		}
	}
	h.mark = len(h.buf)
	if !h.full() {
		return nil
	}
	err := h.flush()
	if cap(h.buf) > 2*h.limit {
		h.buf = nil
	}
	return err
}

// copyFile writes what of the line at hand is in the file.
func (h *hold) copyFile() error {
	if err := h.flush(); err != nil {
		return err
	}
	if _, err := h.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.CopyN(h.w, h.file, h.held); err != nil {
		return err
	}
	return h.rewind()
}

func (h *hold) rewind() error {
	if h.held == 0 {
		return nil
	}
	h.held = 0
	_, err := h.file.Seek(0, io.SeekStart)
	return err
}

// close removes the temporary file.
func (h *hold) close() error {
	if h.file == nil {
		return nil
	}
	err := h.file.Close()
	if rerr := os.Remove(h.file.Name()); err == nil {
		err = rerr
	}
	h.file = nil
	return err
}
