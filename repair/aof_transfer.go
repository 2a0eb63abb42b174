package repair

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"io/fs"
	"math/bits"
	"slices"
	"sort"
	"sync"

	"github.com/kvfsck/kvfsck/aof"
)

// # A log that was transferred as text
//
// A transfer in text mode, an editor or a version control system changes the ends of all lines. A log begins a line every few bytes, so nothing is left that a server
// takes. But its lengths still say how many bytes an argument had:
//
//	*2\n $3\n GET\n $6\n a\nbc\n\n ...      CR LF became LF: 6 bytes were sent, and with a CR put back before the LF inside, there are 6 up to an LF
//	                     `-----'
//
// aof_transferscan.go decides for each end of line whether it was changed. What was the file is then read through a view that undoes it, and salvaged as any log is; the map
// that comes out is one of the file as it stands.

// textRule is what was done to the ends of lines.
type textRule uint8

const (
	textNone   textRule = iota
	textToLF            // CR LF -> LF
	textToCRLF          // LF -> CR LF, of every LF: CR LF became CR CR LF
	textLoneLF          // LF -> CR LF, but CR LF stays
)

// whyText is what a map says of commands that were read so.
var whyText = [...]string{
	textToLF:   "the ends of all lines, of which a transfer in text mode left LF",
	textToCRLF: "the ends of all lines, to which a transfer in text mode has added CR",
	textLoneLF: "ends of lines in arguments, to which a transfer in text mode has added CR",
}

// puts reports whether CR is put before an LF to undo it; otherwise a CR before one is taken out.
func (r textRule) puts() bool { return r == textToLF }

// end is what the ends of the framing's lines have become.
func (r textRule) end() string { return [...]string{"\r\n", "\n", "\r\r\n", "\r\n"}[r] }

// textBlockSize is how much of the file a block of marks is for.
const textBlockSize = 64 << 10

// textLog is a log with the ends of its lines as they were. It has a bit of memory for each that was not changed together with all others around.
type textLog struct {
	src  io.ReaderAt
	size int64 // of src
	rule textRule

	blocks   []textBlock // one for each textBlockSize bytes of src
	restored int64       // size of the log as it was
	commands int64       // with ends of lines in arguments that were changed
	doubts   []aofSpan   // commands of the log as it was with arguments in which it is not known which were changed

	mu     sync.Mutex // of what follows
	raw    []byte
	rawIs  int // the block that is in raw, -1: none
	out    []byte
	held   int // the one that is in out
	placed textPlace
}

// textPlace is a place in both, in a block, behind so many ends of lines of it.
type textPlace struct {
	block   int
	at, off int64 // in the file and in the log as it was
	ends    int32
}

func newTextLog(src io.ReaderAt, size int64, rule textRule) *textLog {
	return &textLog{src: src, size: size, rule: rule, rawIs: -1, held: -1, placed: textPlace{block: -1}}
}

// textBlock is the ends of lines that begin in a part of the file, in file order: where the part begins in the log as it was, how many there are, how many were
// changed, and which, if it is neither all nor none.
type textBlock struct {
	at         int64
	n, changed int32
	which      []uint64
}

func (b *textBlock) has(i int32) bool {
	if b.which == nil {
		return b.changed > 0
	}
	return b.which[i/64]>>(i%64)&1 != 0
}

// add marks n further ends of lines.
func (b *textBlock) add(n int32, changed bool) {
	if n == 0 {
		return
	}
	if mixed := changed != (b.changed > 0) && b.n > 0; mixed && b.which == nil {
		b.which = make([]uint64, (b.n+63)/64)
		for i := range b.which {
			if b.changed > 0 {
				b.which[i] = ^uint64(0)
			}
		}
		if tail := b.n % 64; tail > 0 {
			b.which[len(b.which)-1] &= 1<<tail - 1
		}
	}
	if b.which != nil {
		for i := b.n; i < b.n+n; i++ {
			if int(i/64) == len(b.which) {
				b.which = append(b.which, 0)
			}
			if changed {
				b.which[i/64] |= 1 << (i % 64)
			}
		}
	}
	b.n += n
	if changed {
		b.changed += n
	}
}

// changes returns how many of the first n were changed.
func (b *textBlock) changes(n int32) (changed int32) {
	if b.which == nil {
		return min(n, b.changed)
	}
	for i := int32(0); i < n; i += 64 {
		w := b.which[i/64]
		if n-i < 64 {
			w &= 1<<(n-i) - 1
		}
		changed += int32(bits.OnesCount64(w))
	}
	return changed
}

// block reads a part of src, and one byte behind it. The slice holds until the next call.
func (t *textLog) block(i int) (b []byte, n int, err error) {
	from := int64(i) * textBlockSize
	n = int(min(textBlockSize, t.size-from))
	want := min(n+1, int(t.size-from))
	if t.raw == nil {
		t.raw = make([]byte, textBlockSize+1)
	}
	if t.rawIs != i {
		t.rawIs = -1
		if got, err := t.src.ReadAt(t.raw[:want], from); got < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, 0, err
		}
		t.rawIs = i
	}
	return t.raw[:want], n, nil
}

// nextEnd returns where the next end of line begins in b from i on, of those that begin before n; -1 if there is none. It is the LF itself where CR are put in, and the CR
// before it otherwise.
func (r textRule) nextEnd(b []byte, i, n int) int {
	for i < n {
		if r.puts() {
			if k := bytes.IndexByte(b[i:n], '\n'); k >= 0 {
				return i + k
			}
			return -1
		}
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return -1
		}
		if k += i; k > i && b[k-1] == '\r' && k-1 < n {
			return k - 1
		}
		i = k + 1
	}
	return -1
}

// expand makes t.out a part of the log as it was.
func (t *textLog) expand(i int) error {
	if t.held == i {
		return nil
	}
	t.held = -1
	b, n, err := t.block(i)
	if err != nil {
		return err
	}
	t.out = slices.Grow(t.out[:0], 2*textBlockSize)
	marks, from := &t.blocks[i], 0
	for k, e := int32(0), t.rule.nextEnd(b, 0, n); e >= 0; k++ {
		if marks.has(k) {
			t.out = append(t.out, b[from:e]...)
			if from = e; t.rule.puts() {
				t.out = append(t.out, '\r')
			} else {
				from = e + 1
			}
		}
		e = t.rule.nextEnd(b, e+1, n)
	}
	t.out = append(t.out, b[from:max(n, from)]...)
	t.held = i
	return nil
}

// blockOf returns the block with an offset of the log as it was.
func (t *textLog) blockOf(off int64) int {
	return sort.Search(len(t.blocks), func(i int) bool { return t.blocks[i].at > off }) - 1
}

// ReadAt reads the log as it was.
func (t *textLog) ReadAt(p []byte, off int64) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if off < 0 || off >= t.restored {
		return 0, io.EOF
	}
	for i := t.blockOf(off); n < len(p); i++ {
		if i == len(t.blocks) {
			return n, io.EOF
		}
		if err := t.expand(i); err != nil {
			return n, err
		}
		n += copy(p[n:], t.out[min(int(off+int64(n)-t.blocks[i].at), len(t.out)):])
	}
	return n, nil
}

// Stat is that of the file, so that its time is known.
func (t *textLog) Stat() (fs.FileInfo, error) {
	if f, ok := t.src.(interface{ Stat() (fs.FileInfo, error) }); ok {
		return f.Stat()
	}
	return nil, fs.ErrInvalid
}

// from returns the same view of another copy of the file.
func (t *textLog) from(src io.ReaderAt) *textLog {
	other := newTextLog(src, t.size, t.rule)
	other.blocks, other.restored, other.doubts = t.blocks, t.restored, t.doubts
	return other
}

// place returns where in the file an offset of the log as it was is. It is quick for one behind the one before.
func (t *textLog) place(off int64) (at int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if off >= t.restored {
		return t.size, nil
	}
	i := t.blockOf(off)
	b, n, err := t.block(i)
	if err != nil {
		return 0, err
	}
	from := int64(i) * textBlockSize
	p := &t.placed
	if p.block != i || p.off > off {
		*p = textPlace{block: i, at: from, off: t.blocks[i].at}
	}
	for e := t.rule.nextEnd(b, int(p.at-from), n); e >= 0; e = t.rule.nextEnd(b, e+1, n) {
		next := *p
		next.off += from + int64(e) - p.at
		if next.at, next.ends = from+int64(e), p.ends+1; off <= next.off {
			break
		}
		switch changed := t.blocks[i].has(p.ends); {
		case changed && t.rule.puts(): // CR, which is not in the file
			next.off++
		case changed:
			next.at++
		}
		next.at++
		next.off++ // LF, or the CR that stays
		if off < next.off {
			return from + int64(e), nil
		}
		*p = next
	}
	return p.at + off - p.off, nil
}

// restoredAt returns where an offset of the file is in the log as it was.
func (t *textLog) restoredAt(at int64) (int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := int(at / textBlockSize)
	if at >= t.size || i >= len(t.blocks) {
		return t.restored, nil
	}
	b, _, err := t.block(i)
	if err != nil {
		return 0, err
	}
	in := int(at % textBlockSize)
	ends := int32(0)
	for e := t.rule.nextEnd(b, 0, in); e >= 0; e = t.rule.nextEnd(b, e+1, in) {
		ends++
	}
	changed := int64(t.blocks[i].changes(ends))
	if !t.rule.puts() {
		changed = -changed
	}
	return t.blocks[i].at + int64(in) + changed, nil
}

// doubtful reports whether c is such a command of the log.
func (t *textLog) doubtful(c *aofCommand) bool {
	if t == nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(t.doubts, c.start, func(d aofSpan, start int64) int { return cmp.Compare(d.start, start) })
	return ok
}

// unsure leaves out a command of which the ends of lines may have been others, unless the options say that it is kept.
func (s *aofSalvage) unsure(c *aofCommand) bool {
	if !s.undone.doubtful(c) {
		return false
	}
	s.out.Doubtful++
	if s.opt.Doubtful {
		return false
	}
	s.leaveOut(AOFRegion{Kind: AOFDamaged, Start: c.start, End: c.end, Commands: 1, Why: "which of the ends of lines in an argument were changed is not known"}, c.special == aof.Ordinary)
	s.out.Lost++
	return true
}

// changes reports whether ends of lines are changed in a part of the log as it was: then the sizes differ, as all changes are of one kind.
func (t *textLog) changes(start, end int64) bool {
	from, err1 := t.place(start)
	to, err2 := t.place(end)
	return err1 == nil && err2 == nil && to-from != end-start
}

// restores reports whether only some commands are changed, and c is one of them.
func (t *textLog) restores(c *aofCommand) bool {
	return t != nil && t.rule == textLoneLF && t.changes(c.start, c.end)
}

// faults is how many commands were not kept, or at least textLeast if none was.
func (s *SalvagedAOF) faults() int64 {
	if s.Kept == 0 {
		return textLeast
	}
	return s.Lost + s.Doubtful
}

// salvageText salvages the log as it was.
func salvageText(ctx context.Context, t *textLog, opt AOFOptions) (*SalvagedAOF, error) {
	if opt.end > 0 {
		end, err := t.restoredAt(opt.end - 1)
		if err != nil {
			return nil, err
		}
		opt.end = end + 1
	}
	out := &SalvagedAOF{Size: t.restored, Cut: -1, untimed: -1}
	if err := out.walk(ctx, t, opt); err != nil {
		return out, err
	}
	return out, out.place(t)
}

// place turns the account of the log as it was into one of the file.
func (s *SalvagedAOF) place(t *textLog) error {
	s.text, s.asWas = t, s.Regions
	s.Regions, s.Sound, s.Size = slices.Clone(s.Regions), false, t.size
	var err error
	at := func(off int64) int64 {
		if off < 0 {
			return off
		}
		place, e := t.place(off)
		err = cmp.Or(err, e)
		return place
	}
	for i := range s.Regions {
		r := &s.Regions[i]
		start, end := r.Start, r.End
		if i > 0 {
			r.Start = s.Regions[i-1].End
		} else {
			r.Start = at(start)
		}
		r.End = at(end)
		r.Edits = slices.Clone(r.Edits)
		for k, e := range r.Edits {
			r.Edits[k].Offset = at(e.Offset)
			r.Edits[k].Remove = at(e.Offset+e.Remove) - r.Edits[k].Offset
		}
		switch changed := end-start != r.End-r.Start; {
		case changed && r.Kind == AOFIntact:
			r.Kind, r.Why = AOFHealed, whyText[t.rule]
			s.Healed += r.Commands
		case changed && r.Kind == AOFPreamble:
			r.Kind, r.Why = AOFHealed, whyText[t.rule]
		}
	}
	s.Preamble, s.Cut, s.untimed = at(s.Preamble), at(s.Cut), at(s.untimed)
	return err
}
