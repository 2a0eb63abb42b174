package dupset

import (
	"fmt"
	"os"
)

// store deals values to 1024 partitions and keeps them, in the order in which they come:
//
//	value ──► the buffer of its partition ──(full: a block)──► blocks in memory ──(at most so many)──► blocks of a temporary file
//
// The buffers' ends fit into a cache, so that a value costs no wait for memory.
type store[T slot | uint64] struct {
	parts  [lateParts]part[T]
	blocks [][]T // those in memory
	most   int   // of them
	size   int   // of a value, in bytes
	write  func(b []byte, values []T) []byte
	read   func(values []T, b []byte) []T

	dir   string
	file  *os.File
	name  string // of the file, until it is removed
	filed int    // blocks of the file
	raw   []byte // the last of them, not yet written
	err   error
}

const (
	lateBits  = 10
	lateParts = 1 << lateBits
	lateBlock = 256 // values
	lateWrite = 64  // blocks that are written at once
)

// part is the values of a partition, in the order in which they came.
type part[T slot | uint64] struct {
	buf  []T
	full []uint32 // blocks; those not in memory are numbered on in the file
}

// len is how many values a partition has.
func (p *part[T]) len() int64 { return int64(len(p.full))*lateBlock + int64(len(p.buf)) }

// init sets the memory, in bytes, that buffers and blocks may take together; the buffers are there whatever it is.
func (s *store[T]) init(size int, memory int64, dir string) {
	s.size, s.dir = size, dir
	s.most = int(max(memory/int64(lateBlock*size)-lateParts, 0))
}

// flush empties the buffer of a partition, or makes it.
func (s *store[T]) flush(p *part[T]) error {
	switch {
	case s.err != nil:
		return s.err
	case cap(p.buf) == 0:
		p.buf = make([]T, 0, lateBlock)
		return nil
	case len(s.blocks) < s.most:
		p.full = append(p.full, uint32(len(s.blocks)))
		s.blocks = append(s.blocks, p.buf)
		p.buf = make([]T, 0, lateBlock)
		return nil
	}
	s.raw = s.write(s.raw, p.buf)
	p.full = append(p.full, uint32(s.most+s.filed))
	p.buf = p.buf[:0]
	if s.filed++; len(s.raw) >= lateWrite*lateBlock*s.size {
		s.err = s.writeOut()
	}
	return s.err
}

// writeOut writes the last blocks to the file.
func (s *store[T]) writeOut() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "kvfsck-dups-*")
		if err != nil {
			return fmt.Errorf("dupset: %w", err)
		}
		s.file, s.name = f, f.Name()
		if os.Remove(s.name) == nil { // as early as the system allows it
			s.name = ""
		}
	}
	if _, err := s.file.WriteAt(s.raw, int64(s.filed*lateBlock)*int64(s.size)-int64(len(s.raw))); err != nil {
		return fmt.Errorf("dupset: %w", err)
	}
	s.raw = s.raw[:0]
	return nil
}

// finish ends the adding, so that partitions can be read.
func (s *store[T]) finish() error {
	if s.err == nil && len(s.raw) > 0 {
		s.err = s.writeOut()
	}
	return s.err
}

// storeReader reads the partitions of a store. Several may do so at once.
type storeReader[T slot | uint64] struct {
	store *store[T]
	raw   []byte
	block []T
}

// each hands out the values of a partition in the order in which they came, until take fails.
func (r *storeReader[T]) each(p *part[T], take func([]T) error) error {
	s := r.store
	for _, number := range p.full {
		if int(number) < len(s.blocks) {
			if err := take(s.blocks[number]); err != nil {
				return err
			}
			continue
		}
		if r.raw == nil {
			r.raw = make([]byte, lateBlock*s.size)
		}
		if _, err := s.file.ReadAt(r.raw, int64(int(number)-s.most)*int64(lateBlock*s.size)); err != nil {
			return fmt.Errorf("dupset: %w", err)
		}
		r.block = s.read(r.block[:0], r.raw)
		if err := take(r.block); err != nil {
			return err
		}
	}
	return take(p.buf)
}

// close gives back the memory and the temporary file.
func (s *store[T]) close() error {
	s.blocks, s.parts, s.raw = nil, [lateParts]part[T]{}, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.name != "" {
		if rm := os.Remove(s.name); err == nil {
			err = rm
		}
	}
	s.file = nil
	return err
}
