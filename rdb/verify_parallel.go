package rdb

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/lzf"
)

// blockSize is the size of the blocks that workers get. A block in work costs its walker's tables beside.
const blockSize = 256 << 10

// pipeline is a run of [Verify] with workers:
//
//	input ──> block ──> skim: where is the last record that is whole? ──> worker: walk the block ──> merge, in file order
//	            ^                                             |
//	            └────── what begins a record that is not ─────┘
//
// Finding the ends of records is quick and cannot be done side by side; walking them is slow and can. A record that no block can hold
// is walked by the skimmer itself, as it streams through.
type pipeline struct {
	cutter
	v     *verifier
	most  int // blocks in work
	probe *Reader
	big   *walker

	work    chan *block
	workers sync.WaitGroup
	queue   []*block // in work, in file order
	free    []*block
	sum     uint64 // checksum of what was merged
}

func (v *verifier) parallel(src io.Reader, workers int) error {
	p := &pipeline{v: v, most: workers + 2, probe: newReader(ReaderOptions{}), work: make(chan *block, workers+2)}
	p.cutter.start(contextReader{v.ctx, src}, v.opt.window)
	for range workers {
		p.workers.Add(1)
		go p.worker()
	}
	defer p.stop()
	for {
		b := p.blank()
		p.fill(b)
		p.cut(b)
		p.queue = append(p.queue, b)
		if b.big {
			p.stream(b)
		} else {
			p.work <- b
		}
		if err := v.pause(b.at.Offset); err != nil {
			return err
		}
		for len(p.queue) >= p.most || b.last && len(p.queue) > 0 {
			first := p.queue[0]
			p.queue = p.queue[1:]
			if p.merge(first) || first.last {
				return v.end(first.size, first.err, p.rest)
			}
			p.free = append(p.free, first)
		}
	}
}

func (p *pipeline) stop() {
	close(p.work)
	p.workers.Wait()
	if p.big != nil {
		p.big.r.Close()
	}
}

// contextReader ends the input when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// worker walks blocks.
func (p *pipeline) worker() {
	defer p.workers.Done()
	rec := &recorder{stopAt: p.v.stopsAt}
	w := newWalker(rec, &p.v.opt, p.v.now)
	w.later = make([]lzf.Block, 0, 256)
	defer w.r.Close()
	for b := range p.work {
		// Nearly always all of the block counts. To begin with the sum brings the block near, in order, which a walk does not.
		b.sum = crc64.Checksum(b.buf[:b.n])
		w.walkBlock(rec, b, p.v.opt.slow)
		w.finish(rec, b)
		if b.bytes != int64(b.n) {
			b.sum = crc64.Checksum(b.buf[:b.bytes])
		}
		close(b.done)
	}
}

// walkBlock walks a block. Strings whose compression was left for later are checked behind all others; if one turns out bad, the
// block is walked again, slowly, so that this is told in its place.
func (w *walker) walkBlock(rec *recorder, b *block, slow bool) {
	for w.slow = slow; ; w.slow = true {
		w.begin(rec, b)
		w.r.openBlock(b)
		w.r.later = w.later[:0]
		for w.step() {
		}
		w.later = w.r.later
		if w.slow || lzf.ValidateAll(b.buf[:b.n], w.later) {
			return
		}
	}
}

// begin makes a walker note what it comes across in a block.
func (w *walker) begin(rec *recorder, b *block) {
	rec.notes, rec.keys = b.notes[:0], b.keys[:0]
	w.tally, w.faults = tally{dbs: b.tally.dbs[:0]}, 0
}

// finish gives a block what the walk came to.
func (w *walker) finish(rec *recorder, b *block) {
	b.notes, b.keys, b.tally = rec.notes, rec.keys, w.tally
	b.err, b.size = w.r.Err(), w.r.Offset()
	b.bytes = b.size - b.at.Offset
	if w.r.state == atEnd && w.r.eof.HasChecksum {
		b.bytes -= 8
	}
}

// blank returns a block to fill.
func (p *pipeline) blank() *block {
	b := &block{}
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	} else {
		b.buf = make([]byte, p.size)
	}
	*b = block{buf: b.buf, at: p.at, pend: p.pend, first: p.at.Offset == 0, done: make(chan struct{}),
		notes: b.notes, keys: b.keys, tally: tally{dbs: b.tally.dbs}}
	return b
}

// stream walks a record that is larger than a block, of which the block has the beginning.
func (p *pipeline) stream(b *block) {
	rec := &recorder{stopAt: p.v.stopsAt}
	if p.big == nil {
		p.big = newWalker(rec, &p.v.opt, p.v.now)
	}
	w := p.big
	w.out = rec
	w.begin(rec, b)
	src := io.MultiReader(bytes.NewReader(b.buf[:b.n]), p.src)
	w.r.Resume(src, b.at)
	w.r.pend, w.r.src.summing = b.pend, true
	more := w.step()
	s := &w.r.src
	s.fold()
	w.finish(rec, b)
	if e, ok := w.r.rec.(*Entry); ok {
		b.entry = *e
		b.entry.Key = bytes.Clone(e.Key)
	}
	b.sum, b.last = s.sum, !more
	close(b.done)
	p.resume(w.r)
}

// merge tells of a block when those before it were told of. It reports whether to stop there.
func (p *pipeline) merge(b *block) (stop bool) {
	<-b.done
	v := p.v
	p.sum = crc64.Combine(p.sum, b.sum, b.bytes)
	v.addTally(&b.tally)
	v.entryAt = func(k *keyNote) *Entry { return p.entry(b, k) }
	seen := 0
	for i := range b.notes {
		n := &b.notes[i]
		v.keysSeen(b.keys[seen:n.keys])
		seen = n.keys
		if p.tell(n) {
			return true
		}
	}
	v.keysSeen(b.keys[seen:])
	return b.err != nil
}

// tell passes a note on and reports whether to stop there.
func (p *pipeline) tell(n *note) (stop bool) {
	v := p.v
	switch {
	case n.fault != nil:
		return v.fault(n.fault) != nil
	case n.rec == nil:
		v.keyModule(n.module, n.span)
	default:
		if eof, ok := n.rec.(*EOF); ok {
			eof.Computed, eof.Partial = p.sum, false
			if !eof.Valid() && v.fault(checksumFault(eof, v.rep.Family, n.db)) != nil {
				return true
			}
		}
		v.other(n.rec, n.db)
	}
	return false
}

// entry reads the head of a key of a block again.
func (p *pipeline) entry(b *block, k *keyNote) *Entry {
	if b.big {
		return &b.entry
	}
	from := k.typeByte - b.at.Offset
	if from < 0 || from >= int64(b.n) {
		return nil
	}
	p.probe.ResumeBytes(b.buf[from:b.n], Position{k.typeByte, b.at.Family, b.at.Version, k.db})
	if !p.probe.Next() {
		return nil
	}
	e, _ := p.probe.Record().(*Entry)
	return e
}
