package rdb

import (
	"bytes"
	"io"
)

// cutter cuts the input into blocks that begin and end between records. It finds the ends of records without looking into them, which
// is quick and cannot be done side by side; or, where all of the input is in memory, it guesses them.
type cutter struct {
	size    int // of a block
	skimmer *Reader

	// What the next block begins with.
	src  io.Reader
	rerr error  // what ended src
	left []byte // read and not yet in a block
	at   Position
	pend pending

	whole   []byte // if not nil, the input, of which blocks are parts; src is not used then
	records int    // of the last block that was cut
	guessed bool   // so is at
	room    int    // of the last guess
	odd     bool   // it took names that are not ordinary
}

// start makes the cutter read src from the beginning of a file. A size of 0 is that of blockSize.
func (c *cutter) start(src io.Reader, size int) {
	c.src, c.size, c.skimmer = src, blockSize, newReader(ReaderOptions{})
	if size > 0 {
		c.size = max(size, 16)
	}
}

// rest is what follows the end mark.
func (c *cutter) rest() io.Reader { return io.MultiReader(bytes.NewReader(c.left), c.src) }

// fill reads the input into a block.
func (c *cutter) fill(b *block) {
	if c.whole != nil {
		c.fillFrom(b, c.size)
		return
	}
	b.n = copy(b.buf, c.left)
	c.left = c.left[:0]
	for b.n < len(b.buf) && c.rerr == nil {
		var n int
		n, c.rerr = c.src.Read(b.buf[b.n:])
		b.n += n
	}
}

// fillFrom makes so many bytes of what is in memory the block's.
func (c *cutter) fillFrom(b *block, size int) {
	rest := c.whole[b.at.Offset:]
	b.n, c.rerr = min(len(rest), size), nil
	if b.buf = rest[:b.n:min(len(rest), b.n+maxBehind)]; b.n == len(rest) {
		c.rerr = io.EOF
	}
}

// cut ends a block behind its last whole record, or earlier where there are too many; the rest of it waits for the next one. Where something cannot
// be framed, or the input ends, the block is the last and has all that is there: its walk will tell what is wrong.
func (c *cutter) cut(b *block) {
	r := c.skimmer
	r.ResumeBytes(b.buf[:b.n], b.at)
	r.pend = b.pend
	if b.first && r.readHeader() != nil {
		c.endAt(b)
		return
	}
	mark, db := 0, r.dec.db
	c.records = 0
	for others := 0; ; c.records++ {
		if !r.pend.set || r.src.pos == 0 { // what is said of a key goes with it
			mark, db, c.pend = r.src.pos, r.dec.db, r.pend
		}
		if at := r.src.pos; at < b.n && b.buf[at] >= opKeyMeta && !r.modifies(b.buf[at]) || at+1 < b.n && b.buf[at] < opKeyMeta && b.buf[at+1] == 0 {
			others++
		}
		if others > mostOthers {
			c.endAfter(b, mark, db)
			return
		}
		end, err := r.skim()
		switch {
		case end:
			b.last = true
			c.keep(b, r.src.pos)
			return
		case err == nil:
		case err != errShort || c.rerr != nil:
			c.endAt(b)
			return
		case mark == 0 && c.grow(b):
		default:
			b.big = mark == 0
			c.endAfter(b, mark, db)
			return
		}
	}
}

// grow makes a block larger that is a part of one record, if there is more in memory, and passes the record, if it is then whole and of a frequent form.
func (c *cutter) grow(b *block) bool {
	if c.whole == nil || b.n != c.size {
		return false
	}
	c.fillFrom(b, grown*c.size)
	r := c.skimmer
	r.ResumeBytes(b.buf[:b.n], b.at)
	if r.pend = b.pend; b.pend.set || !r.quick(&r.frame, false) {
		c.fillFrom(b, c.size)
		return false
	}
	return true
}

// grown is so many times the size of a block.
const grown = 3

// mostOthers is how many records that are no keys, or keys without a name, a block has at most: each is kept until it is told.
const mostOthers = 4096

// endAfter ends a block behind so many bytes, where the database is known.
func (c *cutter) endAfter(b *block, n int, db uint64) {
	d := &c.skimmer.dec
	c.at = Position{b.at.Offset + int64(n), d.family, d.version, db}
	c.keep(b, n)
}

// Guessing looks at so many bytes at the end of a block, at the least and at the most, for chains of so many records, and gives up after so many tries.
const (
	guessLeast = 4 << 10
	guessMost  = 64 << 10
	guessChain = 6
	guessTries = 2 << 10
)

// guess ends a block between two records without following those before. Chains of records that begin at the wrong place soon run into the right ones,
// or end; so where two chains that begin apart from each other agree on where the last record ends, that is very likely
// right. It reports false where it has no guess. What it cannot see is another database being selected on the way.
//
// The room for chains grows where records are large, and becomes less again where they are small. Chains begin with ordinary names unless there are none.
func (c *cutter) guess(b *block) bool {
	if b.first || c.rerr != nil {
		return false
	}
	for tries := guessTries; ; c.room *= 2 {
		c.room = max(c.room, guessLeast)
		room := min(c.room, b.n)
		end, n := c.chain(b, b.n-room, guessChain, &tries)
		if end != 0 {
			if other, _ := c.chain(b, b.n-room/2, guessChain/2, &tries); other == end {
				if n > 8*guessChain {
					c.room /= 2
				}
				c.keep(b, end)
				b.n = end
				c.at, c.pend = Position{b.at.Offset + int64(end), b.at.Family, b.at.Version, b.at.DB}, pending{}
				return true
			}
		}
		if c.room >= guessMost || tries <= 0 {
			if c.odd = !c.odd; !c.odd {
				return false
			}
			c.room, tries = 0, guessTries
		}
	}
}

// chain looks for a chain of at least so many records that begins at the index or soon behind it and goes on to the end of the block. It returns the end of the
// last one, 0 if there is none, and how many there are.
func (c *cutter) chain(b *block, from, least int, tries *int) (end, n int) {
	r := c.skimmer
	for limit := from + (b.n-from)/2; from < limit; from++ {
		// Opcodes are no place to begin, a type follows. Then a length, or a number for a name.
		if b.at.Family.info(Type(b.buf[from])) == nil {
			continue
		}
		if n := b.buf[from+1]; !ordinaryName(b.buf[from+1:b.n]) && (!c.odd || n >= len32 && n > 0xC0|encLZF) {
			continue
		}
		r.ResumeBytes(b.buf[from:b.n], Position{b.at.Offset + int64(from), b.at.Family, b.at.Version, b.at.DB})
		end, n = 0, 0
		var err error
		for ended := false; err == nil && !ended && *tries > 0; *tries-- {
			if !r.pend.set {
				end = from + r.src.pos
			}
			if ended, err = r.skim(); err == nil {
				n++
			}
		}
		if err == errShort && n >= least {
			return end, n
		}
	}
	return 0, 0
}

// ordinaryName reports whether b begins with a name of 1 to 63 bytes, none of them a control character, as nearly all names are. What is compressed has such
// characters every few bytes.
func ordinaryName(b []byte) bool {
	if len(b) < 64 || b[0] == 0 || b[0] > 63 {
		return false
	}
	for _, c := range b[1 : 1+b[0]] {
		if c < ' ' {
			return false
		}
	}
	return true
}

// keep leaves what is behind the first n bytes of a block for the next one.
func (c *cutter) keep(b *block, n int) {
	if !b.big {
		if c.whole == nil {
			c.left = append(c.left[:0], b.buf[n:b.n]...)
		}
		b.n = n
	}
}

func (c *cutter) endAt(b *block) {
	b.last, b.rerr = true, c.rerr
}

// resume makes the cutter go on behind a record that was too large for a block and that r has read from a stream.
func (c *cutter) resume(r *Reader) {
	s := &r.src
	c.at = Position{s.offset(), r.dec.family, r.dec.version, r.dec.db}
	c.pend = r.pend
	if c.whole != nil {
		return
	}
	tail := bytes.NewReader(bytes.Clone(s.buf[s.pos:s.end]))
	if s.rerr != nil {
		c.src = io.MultiReader(tail, failingReader{s.rerr})
	} else {
		c.src = io.MultiReader(tail, c.src)
	}
}

// failingReader fails again as a reader did.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
