package dupset

// store deals values to 1024 partitions and keeps them, in the order in which they come:
//
//	value ──► the buffer of its partition ──(full: a block)──► blocks in memory ──(at most so many)──► blocks of a temporary file
//
// The buffers' ends fit into a cache, so that a value costs no wait for memory.
type store struct {
	parts  [lateParts]part
	blocks [][]slot // those in memory
	most   int      // of them

	dir   string
	file  *tempFile
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
type part struct {
	buf  []slot
	full []uint32 // blocks; those not in memory are numbered on in the file
}

// len is how many values a partition has.
func (p *part) len() int64 { return int64(len(p.full))*lateBlock + int64(len(p.buf)) }

// init sets the memory, in bytes, that buffers and blocks may take together; the buffers are there whatever it is.
func (s *store) init(memory int64, dir string) {
	s.dir = dir
	s.most = int(max(memory/(lateBlock*slotSize)-lateParts, 0))
}

// flush empties the buffer of a partition, or makes it.
func (s *store) flush(p *part) error {
	switch {
	case s.err != nil:
		return s.err
	case cap(p.buf) == 0:
		p.buf = make([]slot, 0, lateBlock)
		return nil
	case len(s.blocks) < s.most:
		p.full = append(p.full, uint32(len(s.blocks)))
		s.blocks = append(s.blocks, p.buf)
		p.buf = make([]slot, 0, lateBlock)
		return nil
	}
	s.raw = writeSlots(s.raw, p.buf)
	p.full = append(p.full, uint32(s.most+s.filed))
	p.buf = p.buf[:0]
	if s.filed++; len(s.raw) >= lateWrite*lateBlock*slotSize {
		s.err = s.writeOut()
	}
	return s.err
}

// writeOut writes the last blocks to the file.
func (s *store) writeOut() (err error) {
	if s.file == nil {
		if s.file, err = createTemp(s.dir); err != nil {
			return err
		}
	}
	if err := s.file.writeAt(s.raw, int64(s.filed*lateBlock)*slotSize-int64(len(s.raw))); err != nil {
		return err
	}
	s.raw = s.raw[:0]
	return nil
}

// finish ends the adding, so that partitions can be read.
func (s *store) finish() error {
	if s.err == nil && len(s.raw) > 0 {
		s.err = s.writeOut()
	}
	return s.err
}

// storeReader reads the partitions of a store. Several may do so at once.
type storeReader struct {
	store *store
	raw   []byte
	block []slot
}

// each hands out the values of a partition in the order in which they came, until take fails.
func (r *storeReader) each(p *part, take func([]slot) error) error {
	s := r.store
	for _, number := range p.full {
		if int(number) < len(s.blocks) {
			if err := take(s.blocks[number]); err != nil {
				return err
			}
			continue
		}
		if r.raw == nil {
			r.raw = make([]byte, lateBlock*slotSize)
		}
		if err := s.file.readAt(r.raw, int64(int(number)-s.most)*lateBlock*slotSize); err != nil {
			return err
		}
		r.block = readSlots(r.block[:0], r.raw)
		if err := take(r.block); err != nil {
			return err
		}
	}
	return take(p.buf)
}

// close gives back the memory and the temporary file.
func (s *store) close() error {
	s.blocks, s.parts, s.raw = nil, [lateParts]part{}, nil
	err := s.file.close()
	s.file = nil
	return err
}
