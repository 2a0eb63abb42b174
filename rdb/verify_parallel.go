package rdb

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/internal/filemap"
	"github.com/kvfsck/kvfsck/lzf"
)

// blockSize is the size of the blocks that workers get. A block in work costs its walker's tables beside.
const blockSize = 256 << 10

// mappedSize is that of blocks that need no memory of their own: large enough that handing them around costs little, small enough for a cache.
const mappedSize = 1 << 20

// spareBlocks is how many more blocks than workers are in work, so that none waits while blocks are merged.
const spareBlocks = 4

// firstSize is that of the first block, whose end is never guessed: the others wait for it.
const firstSize = 64 << 10

// pipeline is a run of [Verify] with workers:
//
//	input ──> block ──> where is the last record that is whole? ──> worker: walk the block ──> merge, in file order
//	            ^                                    |                                           |
//	            └────── what begins a record that is not <───── the next one is not where it was guessed to be
//
// Finding the ends of records is quick and cannot be done side by side; walking them is slow and can. Where all of the input is in memory
// the ends are guessed, see [cutter.guess], and merging proves them: the first block begins where the input does, and a block that is walked
// exactly to its end proves the place where the next one begins. Where a guess was wrong the blocks behind it are given up, and
// the cutter goes on from the last place that is proven.
//
// A record that no block can hold is walked by the cutter's goroutine itself, as it streams through.
type pipeline struct {
	cutter
	v     *verifier
	most  int // blocks in work
	probe *Reader
	big   *walker
	file  *filemap.Map // that whole is of, if it is of a file

	work    chan *block
	workers sync.WaitGroup
	queue   []*block // in work, in file order
	free    []*block
	sum     uint64 // checksum of what was merged

	proven Position // behind what was merged
	owed   pending
	dense  bool // there are many records in a block
	sure   int  // so many blocks are not to be guessed
	wary   int  // what sure becomes at the next wrong guess
}

// Bounds of what a wrong guess costs: it doubles the number of blocks that are not guessed next, each right one lowers it by one.
const (
	minWary = 1
	maxWary = 1 << 10
)

// denseSize is the mean size, in bytes, of records among which ends are easily guessed.
const denseSize = 8 << 10

func (v *verifier) parallel(src io.Reader, m *filemap.Map, workers int) error {
	defer m.Close()
	p := &pipeline{v: v, most: workers + spareBlocks, probe: newReader(ReaderOptions{OnFault: passFaults}), work: make(chan *block, workers+spareBlocks), wary: minWary}
	p.cutter.start(contextReader{v.ctx, src}, v.opt.window)
	if p.whole = v.opt.whole; p.whole == nil && m != nil && (v.opt.From == nil || v.opt.From.Offset <= int64(len(m.Bytes()))) {
		p.file, p.whole, p.size = m, m.Bytes(), max(p.size, mappedSize)
	}
	if from := v.opt.From; from != nil {
		p.at, p.proven = *from, *from
		if p.whole == nil {
			if err := skipTo(v.ctx, src, from.Offset); err != nil {
				return err
			}
		}
	}
	if p.whole != nil && v.opt.DuplicateKeys {
		// Keys can be read again, those that may be duplicates, if there are any.
		v.filter, v.workers = dupset.NewFilter(v.dupOptions()), workers
		v.entryFar, v.fromFar = p.entryFar, p.fromFar
	}
	for range workers {
		p.workers.Add(1)
		go p.worker()
	}
	defer p.stop()
	for {
		if end, err := p.step(); end || err != nil {
			return err
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

// passFaults lets a reader go on: what is wrong has been told.
func passFaults(*FormatError) error { return nil }

// step cuts off a block, gives it to the workers, and merges what is due. It reports whether that was the end.
func (p *pipeline) step() (end bool, err error) {
	if err := p.await(p.at.Offset + int64(grown*p.size) + maxBehind); err != nil {
		return true, err
	}
	b := p.blank()
	if filemap.Guard(func() { p.fillAndCut(b) }) != nil {
		p.restart(true)
		return false, nil
	}
	if b.big && b.doubt {
		// What is behind a wrong guess may look as large as can be.
		if end, err := p.settle(0); end || err != nil {
			return end, err
		}
		if b.at != p.proven || b.pend != p.owed {
			p.restart(false)
			return false, nil
		}
	}
	p.queue = append(p.queue, b)
	if b.big {
		p.stream(b)
	} else {
		p.work <- b
	}
	if b.last {
		return p.settle(0)
	}
	return p.settle(p.most - 1)
}

// await waits until so much of the input is there, where it is a file that is still being written.
func (p *pipeline) await(n int64) error {
	if p.file == nil {
		return nil
	}
	return p.file.Await(n)
}

// fillAndCut makes the next block.
func (p *pipeline) fillAndCut(b *block) {
	if b.first && p.whole != nil {
		p.fillFrom(b, min(p.size, firstSize))
		p.cut(b)
		p.dense = p.records > b.n/denseSize
		return
	}
	p.fill(b)
	switch {
	case p.whole == nil || !p.dense:
	case p.sure > 0:
		p.sure--
	default:
		b.guess = p.guess(b)
	}
	p.guessed = p.guessed || b.guess
	if b.doubt = p.guessed; !b.guess {
		p.cut(b)
	}
}

// settle merges blocks until at most so many are in work. It reports whether the input ended with one of them.
func (p *pipeline) settle(most int) (end bool, err error) {
	for len(p.queue) > most {
		b := p.queue[0]
		<-b.done
		if !p.proves(b) {
			p.restart(b.gone)
			return false, nil
		}
		p.queue = p.queue[1:]
		if p.merge(b) || b.last {
			return true, p.v.end(b.size, b.err, func() io.Reader { return p.restAt(b.size) })
		}
		p.proven, p.owed = b.next, b.owed
		p.dense = b.tally.keys > int64(b.n/denseSize)
		if b.guess {
			p.wary = max(minWary, p.wary-1)
		}
		if p.file != nil {
			p.file.Release(p.proven.Offset)
		}
		p.free = append(p.free, b)
		if err := p.v.pause(p.proven.Offset); err != nil {
			return false, err
		}
	}
	return false, nil
}

// proves reports whether what came out of a block counts: it begins where those before it end, and the walk came to its end.
func (p *pipeline) proves(b *block) bool {
	switch {
	case b.gone:
		return false
	case !b.doubt:
		return true
	case b.guess && (b.err != nil || b.ended || b.next.Offset != b.at.Offset+int64(b.n)):
		return false
	}
	return b.at == p.proven && b.pend == p.owed
}

// restart gives up all blocks and goes on from what is proven, through the file itself if the map of it is gone.
func (p *pipeline) restart(gone bool) {
	if len(p.queue) > 0 && p.queue[0].at == p.proven {
		p.sure, p.wary = p.wary, min(2*p.wary, maxWary)
	} // else what was guessed was right, but that the database changed on the way there
	for _, b := range p.queue {
		<-b.done
	}
	p.free = append(p.free, p.queue...)
	p.queue = p.queue[:0]
	p.at, p.pend, p.guessed = p.proven, p.owed, false
	if gone {
		p.whole = nil
		p.src, p.rerr, p.left = contextReader{p.v.ctx, p.file.From(p.at.Offset)}, nil, nil
	}
}

// contextReader ends the input when the context ends, or when it gives nothing any more and does not end.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return readSome(c.r, p)
}

func (p *pipeline) recorder() *recorder {
	return &recorder{stopAt: p.v.stopsAt, most: p.v.opt.MaxFaults}
}

func (p *pipeline) walker(rec *recorder) *walker {
	w := newWalker(rec, &p.v.opt, p.v.now)
	w.hashed = p.v.filter != nil || p.tellsRuns()
	return w
}

// worker walks blocks.
func (p *pipeline) worker() {
	defer p.workers.Done()
	rec := p.recorder()
	w := p.walker(rec)
	w.later, w.fresh.on = make([]lzf.Block, 0, 256), true
	defer w.r.Close()
	for b := range p.work {
		b.gone = filemap.Guard(func() {
			w.near.start(b.buf[:b.n])
			w.walkBlock(rec, b, p.v.opt.slow)
			w.finish(rec, b)
			b.sum = w.near.end() // nearly always all of the block counts
			if b.bytes != int64(b.n) {
				b.sum = crc64.Checksum(b.buf[:b.bytes])
			}
		}) != nil
		close(b.done)
		runtime.Gosched() // whoever waits for it is the next to run, and gives out blocks
	}
}

// walkBlock walks a block. Strings whose compression was left for later are checked behind all others; if one turns out bad, the
// block is walked again, slowly, so that this is told in its place.
func (w *walker) walkBlock(rec *recorder, b *block, slow bool) {
	for w.slow = slow; ; w.slow = true {
		w.begin(rec, b)
		w.r.openBlock(b)
		w.r.later = w.later[:0]
		for (!b.guess || !rec.crowded(w.hashed)) && w.step() {
			w.near.walked(w.r.src.pos)
		}
		w.later = w.r.later
		if w.slow || lzf.ValidateAll(b.buf[:b.n], w.later) {
			return
		}
	}
}

// begin makes a walker note what it comes across in a block.
func (w *walker) begin(rec *recorder, b *block) {
	rec.reset(b)
	w.hashes, w.fresh.n = slices.Grow(b.hashes[:0], maxFresh), 0
	w.tally, w.faults = tally{before: b.tally.before[:0]}, 0
}

// finish gives a block what the walk came to.
func (w *walker) finish(rec *recorder, b *block) {
	if w.fresh.n > 0 {
		w.hashFresh()
	}
	b.notes, b.untold, b.keys, b.hashes, b.tally = rec.notes, rec.untold, rec.keys, w.hashes, w.tally
	b.err, b.size = w.r.Err(), w.r.Offset()
	d := &w.r.dec
	b.next, b.owed, b.ended = Position{b.size, d.family, d.version, d.db}, w.r.pend, w.r.state == atEnd
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
	}
	if p.whole == nil && b.own == nil {
		b.own = make([]byte, p.size)
	}
	*b = block{buf: b.own, own: b.own, at: p.at, pend: p.pend, first: p.at.Offset == 0 && p.v.opt.From == nil, done: make(chan struct{}),
		notes: b.notes, keys: b.keys, hashes: b.hashes, tally: tally{before: b.tally.before}}
	return b
}

// stream walks a record that is larger than a block, of which the block has the beginning.
func (p *pipeline) stream(b *block) {
	rec := p.recorder()
	if p.big == nil {
		p.big = p.walker(rec)
	}
	w := p.big
	w.out = rec
	if p.whole != nil && p.walkLarge(w, rec, b) {
		close(b.done)
		p.resume(w.r)
		return
	}
	w.begin(rec, b)
	src := io.Reader(contextReader{p.v.ctx, p.restAt(b.at.Offset)})
	if p.whole == nil {
		src = io.MultiReader(bytes.NewReader(b.buf[:b.n]), p.src)
	}
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
	b.sum, b.last = s.sum, !more || b.ended // the end mark may stand behind much that is said of a key
	close(b.done)
	p.resume(w.r)
}

// walkLarge walks a record that is larger than a block where it lies in memory, if it is a plain collection of many parts, of which no rule says anything. What of it
// was walked is summed, and given back, on the way. Otherwise it is false, and nothing was walked.
func (p *pipeline) walkLarge(w *walker, rec *recorder, b *block) (ok bool) {
	for _, before := range p.queue[:len(p.queue)-1] {
		<-before.done // and touches nothing that is given back
	}
	if p.await(int64(len(p.whole))) != nil {
		return false // to read it tells why
	}
	whole := p.whole[b.at.Offset:]
	w.begin(rec, b)
	const ahead = 64 << 10 // the sum brings near what is walked next
	sum, summed := uint64(0), 0
	passed := func(n int) bool {
		if to := min(n+ahead, len(whole)); to > summed {
			sum, summed = crc64.Update(sum, whole[summed:to]), to
		}
		if p.file != nil {
			p.file.Release(b.at.Offset + int64(n))
		}
		return p.v.ctx.Err() == nil
	}
	r := w.r
	gone := filemap.Guard(func() {
		r.ResumeBytes(whole, b.at)
		r.pend, r.passed = b.pend, passed
		if ok = w.quick(true); ok {
			passed(r.src.pos)
			sum = crc64.Undo(sum, whole[r.src.pos:summed])
		}
	}) != nil
	if r.passed = nil; gone || !ok {
		return false
	}
	w.finish(rec, b)
	b.sum, b.entry = sum, r.entry
	b.entry.Key = bytes.Clone(r.entry.Key)
	return true
}

// restAt is a reader of the input from the offset on.
func (p *pipeline) restAt(offset int64) io.Reader {
	switch {
	case p.whole == nil:
		return p.rest()
	case p.file != nil:
		return p.file.From(offset)
	}
	return bytes.NewReader(p.whole[offset:])
}

// merge tells of a block when those before it were told of. It reports whether to stop there.
func (p *pipeline) merge(b *block) (stop bool) {
	v := p.v
	p.sum = crc64.Combine(p.sum, b.sum, b.bytes)
	v.addTally(&b.tally)
	v.rep.Total += b.untold
	v.entryAt = func(k *keyNote) *Entry { return p.entry(b, k) }
	if v.filter != nil {
		if err := v.filter.Add(b.hashes); err != nil {
			v.noteDupError(err)
		}
	}
	if p.tellsRuns() {
		p.tellRun(b)
	}
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

// tellsRuns reports whether runs of keys are told of: the hashes of keys are at hand only where these are not looked up at once.
func (p *pipeline) tellsRuns() bool {
	return p.v.opt.OnRun != nil && (p.v.filter != nil || !p.v.opt.DuplicateKeys)
}

// tellRun tells of a block that is a run of keys.
func (p *pipeline) tellRun(b *block) {
	t := &b.tally
	switch {
	case len(b.notes) > 0 || b.untold > 0 || b.err != nil || b.big || b.first || b.last:
		return
	case b.pend.set || b.owed.set: // what is said of a key stands in another block
		return
	case len(t.before) > 0 || t.keys == 0 || len(b.hashes) != int(t.keys):
		return
	}
	p.v.opt.OnRun(&KeyRun{
		Span: Span{b.at.Offset, b.bytes}, DB: t.db.db, Keys: t.keys, Expires: t.expires, FirstExpire: t.firstExpire, LastExpire: t.lastExpire,
		Hashes: b.hashes, Checksum: b.sum, types: &t.types,
	})
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
		if eof, ok := n.rec.(*EOF); ok && v.opt.From == nil {
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
	from := max(k.record-b.at.Offset, 0) // what is said of the first key may be in the block before
	if from >= int64(b.n) {
		return nil
	}
	return p.keyIn(b.buf[from:b.n], Position{b.at.Offset + from, b.at.Family, b.at.Version, k.db})
}

// entryFar reads the head of a key that begins at the offset, wherever that is.
func (p *pipeline) entryFar(offset int64, db uint64) *Entry {
	at := Position{offset, p.proven.Family, p.proven.Version, db}
	switch {
	case p.whole != nil:
		return p.keyIn(p.whole[offset:], at)
	case p.file != nil:
		p.probe.Resume(p.file.From(offset), at)
		return p.keyNext()
	}
	return nil
}

// fromFar is a reader of all records.
func (p *pipeline) fromFar() *Reader {
	r := newReader(ReaderOptions{OnFault: passFaults})
	if from := p.v.opt.From; from != nil {
		r.Resume(contextReader{p.v.ctx, p.far(from.Offset)}, *from)
	} else {
		r.start(contextReader{p.v.ctx, p.far(0)})
	}
	return r
}

// far is a reader of all from an offset on, where keys can be read again.
func (p *pipeline) far(offset int64) io.Reader {
	if p.file != nil {
		return p.file.From(offset)
	}
	return bytes.NewReader(p.whole[offset:])
}

func (p *pipeline) keyIn(b []byte, at Position) (e *Entry) {
	_ = filemap.Guard(func() {
		p.probe.ResumeBytes(b, at)
		e = p.keyNext()
	})
	return e
}

// keyNext is the next key that the probe reads.
func (p *pipeline) keyNext() *Entry {
	for p.probe.Next() {
		if e, ok := p.probe.Record().(*Entry); ok {
			c := *e
			c.Key = bytes.Clone(e.Key)
			return &c
		}
	}
	return nil
}
