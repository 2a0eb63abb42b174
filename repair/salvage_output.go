package repair

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// WriteTo writes a file that a server loads: header, the fields, libraries and keys that are kept, byte for byte as they stood, the
// databases and their counts anew, the end mark and the right checksum. It can be called more than once.
func (o *Salvaged) WriteTo(w io.Writer) (int64, error) {
	return o.fill(&sink{w: w, sums: o.sums})
}

// size is how many bytes WriteTo is going to write.
func (o *Salvaged) size() (int64, error) { return o.fill(&sink{}) }

func (o *Salvaged) fill(s *sink) (int64, error) {
	s.write(headerBytes(o.Family, o.Version))
	counts := map[uint64]*DBAccount{}
	for i := range o.DBs {
		counts[o.DBs[i].DB] = &o.DBs[i]
	}
	var db *uint64
	parts, src := 0, o.source()
	for i := range o.out {
		g := &o.out[i]
		if g.keys > 0 && (db == nil || *db != g.db) {
			s.selectDB(g.db, counts, o.Version)
			db = &g.db
		}
		for _, p := range g.pieces {
			s.copy(src, p)
		}
		for ; parts < len(o.partials) && o.partials[parts].segment == i; parts++ {
			s.part(o, &o.partials[parts])
		}
	}
	s.write([]byte{opEOF})
	if o.Version >= firstChecked {
		s.write(binary.LittleEndian.AppendUint64(nil, s.sum))
	}
	return s.n, s.err
}

// headerBytes returns the magic and the version.
func headerBytes(f rdb.Family, version int) []byte {
	if f == rdb.Valkey {
		return fmt.Appendf(nil, "VALKEY%03d", version)
	}
	return fmt.Appendf(nil, "REDIS%04d", version)
}

// sink writes and keeps the checksum.
type sink struct {
	w   io.Writer // nil: it only counts
	n   int64
	sum uint64
	err error
	buf []byte

	sums []spanSum // of parts of the damaged file, those behind what was copied
}

func (s *sink) write(p []byte) {
	switch {
	case s.err != nil:
	case s.w == nil:
		s.n += int64(len(p))
	default:
		s.sum = crc64.Update(s.sum, p)
		s.pass(p)
	}
}

// pass writes what is in the checksum.
func (s *sink) pass(p []byte) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	s.err = err
}

// part writes a key of which the beginning is kept.
func (s *sink) part(o *Salvaged, p *partial) {
	e, v, _ := o.beginning(p)
	if s.err != nil || v == nil {
		return
	}
	b, err := o.encodePart(e, v)
	if err != nil {
		s.err = err
		return
	}
	s.write(b)
}

// copy copies a range of the damaged file.
func (s *sink) copy(src io.ReaderAt, p span) {
	if s.w == nil {
		s.n += p.end - p.start
		return
	}
	for p.start < p.end && s.err == nil {
		known := s.known(p)
		s.copyUnknown(src, span{p.start, known.start})
		s.copyKnown(src, known)
		p.start = known.end
	}
}

// known is the next stretch of a range, of which no more than copyMost bytes, whose checksum needs not be made; it is empty and at the end if there is none.
func (s *sink) known(p span) spanSum {
	for len(s.sums) > 0 && s.sums[0].start < p.start {
		s.sums = s.sums[1:]
	}
	k := spanSum{span: span{p.end, p.end}}
	for ; len(s.sums) > 0; s.sums = s.sums[1:] {
		n := s.sums[0]
		switch {
		case n.end > p.end || k.start < p.end && (n.start != k.end || n.end-k.start > copyMost):
			return k
		case k.start == p.end:
			k = n
		default:
			k.end, k.sum = n.end, crc64.Combine(k.sum, n.sum, n.end-n.start)
		}
	}
	return k
}

// copyMost is how many bytes are copied in one go: after that a reader may go on, and the context is asked.
const copyMost = 4 << 20

// copyKnown copies a stretch whose checksum is known, without looking at it: between two files the system can do that by itself.
func (s *sink) copyKnown(src io.ReaderAt, k spanSum) {
	if k.start == k.end || s.err != nil {
		return
	}
	n, err := io.Copy(s.w, io.NewSectionReader(src, k.start, k.end-k.start))
	s.n += n
	if err == nil && n < k.end-k.start {
		err = io.ErrUnexpectedEOF
	}
	s.sum, s.err = crc64.Combine(s.sum, k.sum, n), err
}

// copyUnknown copies a stretch and sums it.
func (s *sink) copyUnknown(src io.ReaderAt, p span) {
	if p.end-p.start > chunkSize {
		s.copyLong(src, p)
		return
	}
	c := readChunk(src, p.start, p.end, s.buf)
	s.buf = c.b[:0]
	if c.err != nil && s.err == nil {
		s.err = c.err
	}
	s.write(c.b)
}

// chunkSize is how much is copied at a time: more than the buffer of a writer of files holds, which so is passed by.
const chunkSize = 1 << 20

// chunk is a part of a range that is copied.
type chunk struct {
	b   []byte
	sum uint64
	err error
}

// readChunk reads a part of the damaged file into buf.
func readChunk(src io.ReaderAt, from, to int64, buf []byte) chunk {
	n := int(to - from)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	b := buf[:n]
	if got, err := src.ReadAt(b, from); got < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return chunk{b: b[:0], err: err}
	}
	return chunk{b: b}
}

// copyLong copies chunk by chunk; the next one is read, and its checksum made, while one is written.
func (s *sink) copyLong(src io.ReaderAt, p span) {
	const buffers = 3
	chunks, free, stop := make(chan chunk, buffers), make(chan []byte, buffers), make(chan struct{})
	for range buffers {
		free <- nil
	}
	go func() {
		defer close(chunks)
		for at := p.start; at < p.end; at += chunkSize {
			select {
			case buf := <-free:
				c := readChunk(src, at, min(at+chunkSize, p.end), buf)
				c.sum = crc64.Checksum(c.b)
				if chunks <- c; c.err != nil {
					return
				}
			case <-stop:
				return
			}
		}
	}()
	for c := range chunks {
		if s.err == nil && c.err == nil {
			s.sum = crc64.Combine(s.sum, c.sum, int64(len(c.b)))
			s.pass(c.b)
		} else if s.err == nil {
			s.err = c.err
		}
		if s.err != nil {
			break
		}
		free <- c.b
	}
	close(stop)
	for range chunks { // until nobody reads src any more
	}
}

// selectDB selects a database and says, the first time, how many keys it has.
func (s *sink) selectDB(db uint64, counts map[uint64]*DBAccount, version int) {
	s.write(appendLength([]byte{opSelectDB}, db))
	if c := counts[db]; c != nil && version >= firstHinted {
		s.write(appendLength(appendLength([]byte{opResizeDB}, uint64(c.Kept)), uint64(c.Expires)))
		delete(counts, db)
	}
}
