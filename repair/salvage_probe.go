package repair

import (
	"bytes"
	"errors"
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// prober tries whether records begin at places of the file, and remembers those that do.
type prober struct {
	view     view
	x        *recordReader
	census   *census
	family   rdb.Family
	version  int
	known    map[int64]*record // by start
	recalled bool              // some are known that are not plausible
	end      int64             // of what belongs to the file
	trial    []byte
	rows     []fieldRow     // of fieldsLead
	asked    int64          // by that, of bytes that could be types
	ends     map[int64]bool // where sound keys end, as far as that is known
	gapBytes []byte         // of explained
	reach    int64          // how far a record that does not fit into memory is followed; 0: to the end
	wasted   int64          // bytes read of dumps and large records that came to nothing
	headless bool           // the file does not begin with its header
	eager    bool           // a record is followed whatever the evidence
}

// Limits of what is tried.
const (
	probeAhead  = 128 << 10 // bytes in memory that a record is tried in at first
	rejectBits  = -20       // a head with less evidence is not followed
	streamBits  = 16        // from this evidence a record is followed beyond what is in memory
	fewKeysBits = 8         // likewise, where few keys are known that it could be like
	knownMost   = 1 << 17   // records remembered
	chainLength = 24        // records in a row that are looked at
)

// plausible is the first look at two bytes: a type or opcode of the version, and a length that can be a key's.
func (p *prober) plausible(b []byte) bool {
	if len(b) < 2 || p.census.table[b[0]] == unknown {
		return false
	}
	if b[0] >= opSlotInfo || b[0] == opMeta {
		return true
	}
	v, n, enc, shortest := lengthForm(b[1:])
	switch {
	case n == 0 || !shortest:
		return false
	case enc:
		return true
	}
	return v <= uint64(p.end-p.view.from)
}

// probe returns the record that begins at an offset, nil if none does. Its score is the evidence for it.
func (p *prober) probe(at int64) *record {
	b := p.view.at(at, probeAhead)
	if int64(len(b)) > p.end-at {
		b = b[:max(0, p.end-at)]
	}
	plausible := p.plausible(b)
	if !plausible && !p.recalled {
		return nil
	}
	if f, ok := p.known[at]; ok {
		return f
	}
	if !plausible {
		return nil
	}
	f := p.read(at, b)
	if f != nil && len(p.known) < knownMost {
		p.known[at] = f
	}
	return f
}

// recall remembers a record that was read in a row, also if there is too little evidence for it to be probed. At least so much is counted.
func (p *prober) recall(f *record, least float32) {
	g := p.probe(f.start)
	if g == nil {
		p.recalled = true
		h := *f
		h.score = rejectBits
		g = &h
		p.known[f.start] = g
	}
	g.score = max(g.score, least)
}

func (p *prober) position(at int64) rdb.Position {
	return rdb.Position{Offset: at, Family: p.family, Version: p.version}
}

// read is probe behind the first look.
func (p *prober) read(at int64, b []byte) *record {
	var f record
	if p.unlikely(b) || p.timeNoType(at, b[0]) {
		return nil
	}
	if end, cut := p.frame(at, b); end == 0 && !cut {
		return nil
	}
	p.x.r.ResumeBytes(b, p.position(at))
	if !p.x.head(&f) || f.start != at {
		return nil
	}
	head := 0.0
	if f.what == isKey {
		if head = p.census.headBits(&f, p.x.entry, b); head < rejectBits {
			return nil
		}
	}
	err := p.x.value(&f)
	if err != nil && (p.eager || head >= p.streamFrom()) && p.cut(err, at+int64(len(b))) {
		err = p.stream(&f, at, err)
	}
	if err != nil {
		if fe, other := framing(err); fe == nil && p.view.err == nil {
			p.view.err = other
		}
		return nil
	}
	if f.what == isKey {
		f.score = float32(p.census.weighKey(&f, p.x.entry, b, head))
		if f.rote = p.byRote(&f, p.x.key); f.rote {
			f.score = min(f.score, roteBits)
		}
	} else {
		f.score = float32(p.census.weighOther(&f, p.x, b, p.end))
	}
	return &f
}

// unlikely reports whether b begins with the head of a record whose evidence does not suffice, if that is told at once: its key is long, as what begins within some text
// has nearly always, and to read such keys for nothing costs more than to look at them.
func (p *prober) unlikely(b []byte) bool {
	if b[0] >= opMeta {
		return false
	}
	n, k, enc, _ := lengthForm(b[1:])
	if k == 0 || enc || n <= longKey || n > uint64(len(b)-1-k) {
		return false
	}
	c, key, bits := p.census, b[1+k:1+k+int(n)], p.census.typeBits(rdb.Type(b[0]))
	return bits+c.keyMost(key, b[1:]) < rejectBits || bits+c.keyBits(key, b[1:]) < rejectBits
}

// stream reads a record again of which more is wanted than what is in memory, at most up to reach. cut is the error of the first attempt.
func (p *prober) stream(f *record, at int64, cut error) error {
	end := p.end
	if p.reach > 0 {
		end = p.reach
	}
	if enough := p.enough(); p.wasted > enough && (!p.eager || p.wasted > 2*enough) || end <= at+probeAhead {
		return cut
	}
	p.x.r.Resume(io.NewSectionReader(p.view.src, at, end-at), p.position(at))
	*f = record{}
	if !p.x.head(f) || f.start != at {
		return cut
	}
	err := p.x.value(f)
	if err != nil {
		p.wasted += p.x.r.Offset() - at
	}
	return err
}

// streamFrom is the evidence from which a record is followed beyond what is in memory.
func (p *prober) streamFrom() float64 {
	if p.census.keyText.strings < learnFirst {
		return fewKeysBits
	}
	return streamBits
}

// enough is how much may be read in vain: a file can be full of what looks like the beginning of something large.
func (p *prober) enough() int64 {
	const least = 64 << 20
	return 2*p.end + least
}

// cut reports whether reading ended because what is in memory, up to an offset, ended.
func (p *prober) cut(err error, end int64) bool {
	return end < p.end && errors.Is(err, rdb.ErrTruncated)
}

// chain is records in a row.
type chain struct {
	starts []int64
	bits   float64
	end    int64
	solid  int  // records with some evidence of their own
	strong int  // records whose values tell their own end
	closed bool // it ends with the end mark, where the file ends
	joins  bool // it ran into a record that stops told
}

// follow reads records from an offset on, until one cannot be read or there are enough of them. It stops before records that stop tells, and before a block of zeros.
func (p *prober) follow(at int64, c *chain, stop func(int64) bool) {
	*c = chain{starts: c.starts[:0], end: at}
	for len(c.starts) < chainLength {
		if len(c.starts) > 0 && stop(c.end) {
			c.joins = true
			return
		}
		f := p.probe(c.end)
		if f == nil || f.nameless && p.view.zeros(c.end, zeroRun) == zeroRun {
			return
		}
		c.starts = append(c.starts, f.start)
		c.bits += float64(f.score)
		c.end = f.end
		if f.verified || f.told {
			c.strong++
		}
		if f.score >= solidBits {
			c.solid++
		}
		if f.what == isEnd {
			c.closed = f.end == p.end
			return
		}
	}
}

// forget makes room in what is remembered: records before an offset that have little to say go.
func (p *prober) forget(from, to int64) {
	for at, f := range p.known {
		if at >= from && at < to && f.score < startBits {
			delete(p.known, at)
		}
	}
}

func (p *prober) forgetAll() { clear(p.known) }

var magics = [][]byte{[]byte("REDIS0"), []byte("VALKEY0")}

// magicAt reports whether b begins with that of an RDB and a version.
func magicAt(b []byte) bool {
	if len(b) < headerSize || b[0] != 'R' && b[0] != 'V' {
		return false
	}
	for _, m := range magics {
		if bytes.HasPrefix(b, m) && isDigits(b[len(m):headerSize]) {
			return true
		}
	}
	return false
}

// magicIn reports whether a dump begins between two offsets, or too much lies between them to tell.
func (p *prober) magicIn(from, to int64) bool {
	b := p.view.at(from, int(min(to-from, viewSize)))
	if int64(len(b)) < to-from {
		return true
	}
	for _, m := range magics {
		if bytes.Contains(b, m) {
			return true
		}
	}
	return false
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// dumpAt reads a whole dump that begins at an offset, as values can hold, and returns where it ends; ok is false if it does not come to its
// end mark. Where the file's own header is not in its place this may be it, and what it leads to some byte that looks like the mark: then the checksum
// must be right. One of zeros, which servers write that make none, says nothing: what goes on up to the end of the file is then its own, unless an end mark stands before it.
func (p *prober) dumpAt(at int64) (end int64, ok bool) {
	if p.wasted > p.enough() {
		return 0, false
	}
	r := rdb.NewReaderOptions(io.NewSectionReader(p.view.src, at, p.end-at), rdb.ReaderOptions{MaxString: longestKey, Window: dumpWindow})
	defer r.Close()
	for r.Next() {
		if e, last := r.Record().(*rdb.EOF); last && (!p.headless || e.Valid() && (e.Stored != 0 || at+e.End() < p.end || p.endMarkBefore(at))) {
			return at + e.End(), true
		}
	}
	p.wasted += r.Offset() + dumpWindow
	return 0, false
}

// isAt reports whether a byte stands at an offset.
func (p *prober) isAt(at int64, c byte) bool {
	b := p.view.at(at, 1)
	return len(b) > 0 && b[0] == c
}

// endMarkBefore reports whether an end mark stands before an offset, with its checksum or, as before version 5, without.
func (p *prober) endMarkBefore(at int64) bool {
	b := p.view.at(max(0, at-headerSize), headerSize)
	return at >= headerSize && len(b) >= headerSize && (b[0] == opEOF || p.version < firstChecked && b[headerSize-1] == opEOF)
}

// dumpWindow is how many bytes of an embedded dump are read at a time.
const dumpWindow = 16 << 10
