package rdb

import "github.com/kvfsck/kvfsck/lzf"

// Reading where every value is passed and none is wanted, as fast as [Verify] walks its blocks:
//
//	for again := false; ; again = true {
//		r.OpenPass(p, again)
//		for {
//			ok, passed := r.Pass(true)
//			...
//			if !passed { err := entry.Check() ... }
//		}
//		if r.Settle() {
//			break
//		}
//	}

// OpenPass is [Reader.Open] for a reading with [Reader.Pass], behind which [Reader.Settle] is to be asked. again says that it is the second
// one of the piece, as Settle demanded.
func (r *Reader) OpenPass(p *Piece, again bool) {
	r.Open(p)
	r.still = false // keys are kept
	if r.later = nil; p.big || again {
		return
	}
	if r.put == nil {
		r.put = make([]lzf.Block, 0, 256)
	}
	r.later = r.put[:0]
}

// Pass is [Reader.Next], but of a key that is whole in memory, of a form that writers use, and about whose value no rule says anything, it passes
// the value too: passed is true then, and the value cannot be taken any more. Without check it looks at no rule.
func (r *Reader) Pass(check bool) (ok, passed bool) {
	k := &r.frame
	if r.single || !r.quick(k, check) {
		return r.Next(), false
	}
	b := r.src.buf[:r.src.end]
	if !check && !r.quickText(b, k) {
		r.src.pos = k.start
		return r.Next(), false
	}
	r.quickEntry(b, k, r.src.base+int64(k.end))
	return true, true
}

// said takes the idle time and the access counter from what quick passed before a type.
func (e *Entry) said(b []byte) {
	for p := 0; p < len(b); {
		switch b[p] {
		case opExpireTimeMS:
			p += 9
		case opFreq:
			e.Freq = int(b[p+1])
			p += 2
		default:
			var idle uint64
			if idle, p = lengthAt(b[:cap(b)], p+1); p == 0 {
				return
			}
			e.Idle = int64(idle)
		}
	}
}

// Settle reports whether all that a reading of a piece passed was sound: compressed strings are checked behind all others, which is faster in
// numbers. If not, the piece is to be read again from its beginning, and what the first reading said of its values does not count.
func (r *Reader) Settle() bool {
	if r.later == nil {
		return true
	}
	sound := lzf.ValidateAll(r.src.buf[:r.src.end], r.later)
	r.put, r.later = r.later, nil
	return sound
}

// Skip passes the value without looking into it. Where the caller knows that it is sound that is all there is to find out.
func (e *Entry) Skip() error {
	if e.r == nil {
		return ErrNoValue
	}
	return e.r.finishValue()
}

// Bytes returns what of the piece is in memory, and where in the file that begins. It is the piece's, until that is used again.
func (p *Piece) Bytes() (b []byte, at int64) { return p.buf[:p.n], p.at.Offset }

// Frame passes the next record, with what is said of its key before it, without looking at what it holds, its name included. ok is false if none
// begins here; short says that the input ended before that could be told.
func (r *Reader) Frame() (ok, short bool) {
	for said := false; ; said = true {
		if b := r.src.buf[r.src.pos:r.src.end]; said && len(b) > 0 && b[0] >= opKeyMeta && !r.modifies(b[0]) {
			return false, false // it is not of a key
		}
		if _, err := r.skim(); err != nil {
			return false, err == errShort
		}
		if !r.pend.set {
			return true, false
		}
	}
}

// modifies reports whether an opcode says something of the key to come.
func (r *Reader) modifies(op byte) bool {
	switch op {
	case opExpireTimeMS, opExpireTime, opIdle, opFreq:
		return true
	}
	return op == opKeyMeta && r.dec.family != Valkey
}
