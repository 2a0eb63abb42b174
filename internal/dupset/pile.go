package dupset

import "encoding/binary"

// pile keeps hashes, dealt to 256 partitions by their top bits:
//
//	hash ──► fresh ──(16384 of them)──► a chunk: dealt ──► groups of chunks in memory ──(the last of so many is begun)──► the oldest: a run in a file
//
// Chunks and runs have the partitions one behind the other. Dealing happens within the second cache and writes behind what it wrote before, so
// that a hash waits for memory hardly ever; runs are written beside.
type pile struct {
	chunks int // of a group
	groups int // in memory, at most
	dir    string

	count  int64 // of all hashes
	fresh  []uint64
	used   []*group // the oldest first; the last is being filled
	free   []*group
	made   int         // groups
	beside chan *group // being written; nil if none is
	err    error       // of the file, as far as it was waited for

	runs []run
	file *tempFile
	size int64 // of the file
	raw  []byte
	werr error // of the file, the writer's
}

const (
	pileBits  = 8
	pileParts = 1 << pileBits
	chunkLen  = 1 << 14   // hashes; ends of a chunk's partitions fit into 16 bits
	rawSize   = 256 << 10 // bytes that are written at once
	readSize  = 64 << 10  // and read
	mostUsed  = 8         // groups, if the memory is not small
)

// chunk is hashes by partitions.
type chunk struct {
	hashes []uint64
	ends   [pileParts]uint16
}

// group is the chunks that become a run.
type group struct{ chunks []chunk }

// run is the hashes of a group, in the file.
type run struct {
	at   int64
	ends [pileParts]uint32 // of the partitions, in hashes
}

// init sets the memory, in bytes, that chunks may take; two are there whatever it is.
func (p *pile) init(memory int64, dir string) {
	chunks := max(memory/(chunkLen*hashSize), 2)
	p.chunks = int(max(chunks/mostUsed, 1))
	p.groups = int(chunks) / p.chunks
	p.dir = dir
}

func (p *pile) add(hashes []uint64) error {
	p.count += int64(len(hashes))
	for len(hashes) > 0 {
		n := min(len(hashes), chunkLen-len(p.fresh))
		p.fresh = append(p.fresh, hashes[:n]...)
		if hashes = hashes[n:]; len(p.fresh) == chunkLen {
			if err := p.deal(); err != nil {
				return err
			}
		}
	}
	return nil
}

// deal makes a chunk of what is fresh.
func (p *pile) deal() error {
	if len(p.used) == 0 || len(p.used[len(p.used)-1].chunks) == p.chunks {
		if err := p.begin(); err != nil {
			return err
		}
	}
	g := p.used[len(p.used)-1]
	if n := len(g.chunks); n < cap(g.chunks) {
		g.chunks = g.chunks[:n+1]
	} else {
		g.chunks = append(g.chunks, chunk{})
	}
	g.chunks[len(g.chunks)-1].deal(p.fresh)
	p.fresh = p.fresh[:0]
	return nil
}

// begin begins another group. If no further one could be begun behind it, the oldest goes to the file.
func (p *pile) begin() error {
	full := p.made == p.groups
	if full && len(p.free) == 0 {
		p.wait()
	}
	if p.err != nil {
		return p.err
	}
	var g *group
	if n := len(p.free); n > 0 {
		g, p.free = p.free[n-1], p.free[:n-1]
	} else {
		g = new(group)
		p.made++
	}
	p.used = append(p.used, g)
	if p.made == p.groups && len(p.free) == 0 && p.beside == nil {
		oldest := p.used[0]
		p.used, p.beside = p.used[1:], make(chan *group, 1)
		go func() {
			p.write(oldest)
			p.beside <- oldest
		}()
	}
	return nil
}

// wait waits until nothing is written beside.
func (p *pile) wait() {
	if p.beside != nil {
		g := <-p.beside
		g.chunks = g.chunks[:0]
		p.free, p.beside, p.err = append(p.free, g), nil, p.werr
	}
}

// deal puts hashes into a chunk.
func (c *chunk) deal(hashes []uint64) {
	if cap(c.hashes) < len(hashes) {
		c.hashes = make([]uint64, len(hashes))
	}
	to := c.hashes[:len(hashes)]
	c.hashes = to
	var at [pileParts]uint32
	for _, h := range hashes {
		at[h>>(64-pileBits)]++
	}
	end := uint32(0)
	for i, n := range at {
		at[i] = end
		end += n
		c.ends[i] = uint16(end)
	}
	for _, h := range hashes {
		i := &at[h>>(64-pileBits)]
		to[*i] = h
		*i++
	}
}

// part is the hashes of a partition.
func (c *chunk) part(i int) []uint64 {
	from := uint16(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.hashes[from:c.ends[i]]
}

// write makes a run of a group.
func (p *pile) write(g *group) {
	if p.file == nil && p.werr == nil {
		p.file, p.werr = createTemp(p.dir)
	}
	if p.werr != nil {
		return
	}
	r := run{at: p.size}
	n := 0
	for i := range r.ends {
		for k := range g.chunks {
			part := g.chunks[k].part(i)
			n += len(part)
			for _, h := range part {
				p.raw = binary.LittleEndian.AppendUint64(p.raw, h)
			}
			if len(p.raw) >= rawSize {
				p.writeOut()
			}
		}
		r.ends[i] = uint32(n)
	}
	p.writeOut()
	p.runs = append(p.runs, r)
}

func (p *pile) writeOut() {
	if p.werr == nil {
		p.werr = p.file.writeAt(p.raw, p.size)
		p.size += int64(len(p.raw))
	}
	p.raw = p.raw[:0]
}

// finish ends the adding, so that partitions can be read, by several at once.
func (p *pile) finish() error {
	if len(p.fresh) > 0 {
		if err := p.deal(); err != nil {
			return err
		}
	}
	p.wait()
	return p.err
}

// len is how many hashes a partition has.
func (p *pile) len(i int) int64 {
	n := int64(0)
	for _, g := range p.used {
		for k := range g.chunks {
			n += int64(len(g.chunks[k].part(i)))
		}
	}
	for k := range p.runs {
		at, end := p.runs[k].part(i)
		n += (end - at) / hashSize
	}
	return n
}

// part is where a partition lies, in the file.
func (r *run) part(i int) (at, end int64) {
	from := uint32(0)
	if i > 0 {
		from = r.ends[i-1]
	}
	return r.at + int64(from)*hashSize, r.at + int64(r.ends[i])*hashSize
}

// pileReader reads partitions of a pile.
type pileReader struct {
	pile *pile
	raw  []byte
	some []uint64
}

// each hands out the hashes of a partition, until take fails.
func (r *pileReader) each(i int, take func([]uint64) error) error {
	for _, g := range r.pile.used {
		for k := range g.chunks {
			if err := take(g.chunks[k].part(i)); err != nil {
				return err
			}
		}
	}
	for k := range r.pile.runs {
		for at, end := r.pile.runs[k].part(i); at < end; at += int64(len(r.raw)) {
			if cap(r.raw) == 0 {
				r.raw = make([]byte, readSize)
			}
			r.raw = r.raw[:min(end-at, readSize)]
			if err := r.pile.file.readAt(r.raw, at); err != nil {
				return err
			}
			r.some = r.some[:0]
			for b := r.raw; len(b) > 0; b = b[hashSize:] {
				r.some = append(r.some, binary.LittleEndian.Uint64(b))
			}
			if err := take(r.some); err != nil {
				return err
			}
		}
	}
	return nil
}

// reset empties the pile and gives back the temporary file, but not the memory.
func (p *pile) reset() {
	p.wait()
	for _, g := range p.used {
		g.chunks = g.chunks[:0]
	}
	p.free, p.used = append(p.free, p.used...), p.used[:0]
	_ = p.file.close()
	*p = pile{chunks: p.chunks, groups: p.groups, dir: p.dir, fresh: p.fresh[:0], used: p.used, free: p.free, made: p.made, runs: p.runs[:0], raw: p.raw[:0]}
}

// close gives back the memory and the temporary file.
func (p *pile) close() error {
	p.wait()
	p.fresh, p.used, p.free, p.raw = nil, nil, nil, nil
	err := p.file.close()
	p.file = nil
	return err
}
