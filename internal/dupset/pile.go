package dupset

import "unsafe"

// pile keeps hashes of 56 bits, dealt to 256 partitions by their top bits, and of the others 32 apart from 16, which are hardly ever looked at:
//
//	|  8: the partition  |  32: the head  |  16: the tail  |  8, which do not count  |
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
	readLen   = 16 << 10  // hashes that are read at once
	mostUsed  = 8         // groups, if the memory is not small

	headBits = 32
	tailBits = 16
	headAt   = 64 - pileBits - headBits // bits behind it
	tailAt   = headAt - tailBits
)

// hashes are heads and tails of hashes of one partition.
type hashes struct {
	heads []uint32
	tails []uint16
}

// chunk is hashes by partitions.
type chunk struct {
	hashes
	ends [pileParts]uint16
}

// group is the chunks that become a run.
type group struct{ chunks []chunk }

// run is the hashes of a group, in the file: the heads of all partitions, and behind them all tails.
type run struct {
	at   int64
	ends [pileParts]uint32 // of the partitions, in hashes
}

const (
	headSize = 4
	tailSize = 2
	pileSize = headSize + tailSize // bytes of a hash
)

// raw is the memory of numbers. It is read by the process that wrote it.
func raw[T uint16 | uint32](numbers []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), len(numbers)*int(unsafe.Sizeof(T(0))))
}

// init sets the memory, in bytes, that chunks may take; two are there whatever it is.
func (p *pile) init(memory int64, dir string) {
	chunks := max(memory/(chunkLen*pileSize), 2)
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
	if c.heads == nil {
		c.heads, c.tails = make([]uint32, chunkLen), make([]uint16, chunkLen)
	}
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
	heads, tails := (*[chunkLen]uint32)(c.heads), (*[chunkLen]uint16)(c.tails)
	for _, h := range hashes {
		i := &at[h>>(64-pileBits)]
		k := *i % chunkLen
		heads[k], tails[k] = uint32(h>>headAt), uint16(h>>tailAt)
		*i++
	}
}

// part is the hashes of a partition.
func (c *chunk) part(i int) hashes {
	from := uint16(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return hashes{c.heads[from:c.ends[i]], c.tails[from:c.ends[i]]}
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
			heads := g.chunks[k].part(i).heads
			n += len(heads)
			p.writeOut(raw(heads), rawSize)
		}
		r.ends[i] = uint32(n)
	}
	for i := range r.ends {
		for k := range g.chunks {
			p.writeOut(raw(g.chunks[k].part(i).tails), rawSize)
		}
	}
	p.writeOut(nil, 0)
	p.runs = append(p.runs, r)
}

// writeOut writes bytes behind those before, when there are so many.
func (p *pile) writeOut(b []byte, least int) {
	if p.raw = append(p.raw, b...); len(p.raw) < least {
		return
	}
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
			n += int64(len(g.chunks[k].part(i).heads))
		}
	}
	for k := range p.runs {
		from, to := p.runs[k].part(i)
		n += to - from
	}
	return n
}

// part is where a partition lies in a run, in hashes.
func (r *run) part(i int) (from, to int64) {
	if i > 0 {
		from = int64(r.ends[i-1])
	}
	return from, int64(r.ends[i])
}

// pileReader reads partitions of a pile.
type pileReader struct {
	pile *pile
	some hashes
}

// each hands out the hashes of a partition, the tails only if they are asked for, until take fails.
func (r *pileReader) each(i int, tails bool, take func(hashes) error) error {
	p := r.pile
	for _, g := range p.used {
		for k := range g.chunks {
			if err := take(g.chunks[k].part(i)); err != nil {
				return err
			}
		}
	}
	for k := range p.runs {
		run := &p.runs[k]
		all := int64(run.ends[pileParts-1])
		from, to := run.part(i)
		for ; from < to; from += int64(len(r.some.heads)) {
			if r.some.heads == nil {
				r.some = hashes{make([]uint32, readLen), make([]uint16, readLen)}
			}
			n := min(to-from, readLen)
			r.some = hashes{r.some.heads[:n], r.some.tails[:n]}
			if err := p.file.readAt(raw(r.some.heads), run.at+from*headSize); err != nil {
				return err
			}
			if tails {
				if err := p.file.readAt(raw(r.some.tails), run.at+all*headSize+from*tailSize); err != nil {
					return err
				}
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
