package jsonl

import (
	"errors"
	"io"
)

// Buffer is what holds the lines of a [Writer] until it is known that they are good, for other formats: records are appended piece
// by piece, and each is finished or forgotten as a whole. Long ones do not stay in memory.
type Buffer struct{ hold }

// NewBuffer returns a Buffer to w, which it writes to in large pieces. With nil it keeps what there is as a [Writer] does.
func NewBuffer(w io.Writer) *Buffer {
	b := &Buffer{}
	b.start(w)
	return b
}

// Len returns how many bytes there are that were not written yet.
func (b *Buffer) Len() int { return len(b.buf) }

// Append has f append to the record at hand.
func (b *Buffer) Append(f func(dst []byte) []byte) { b.buf = f(b.buf) }

// Relieve makes room where the record at hand has grown long. It is called between its pieces.
func (b *Buffer) Relieve() error {
	if !b.full() {
		return nil
	}
	return b.relieve()
}

// Commit finishes the record at hand.
func (b *Buffer) Commit() error { return b.commit() }

// Drop forgets the record at hand.
func (b *Buffer) Drop() error { return b.drop() }

// Close writes what is finished and removes what was temporary. It does not close the underlying writer.
func (b *Buffer) Close() error { return errors.Join(b.flush(), b.close()) }
