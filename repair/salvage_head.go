package repair

import (
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// Whether a record ends where it says shows in what stands behind it. If that is a record too, all is well; where reading failed just there it
// is a damaged one, and the question is what of it can still be recognised. One wrong, missing or additional byte is supposed at a time.
const (
	onceBits    = -8 // what it costs that a byte of a head is supposed wrong
	nearlyBits  = 8  // a byte of a known field that is where it should be
	nearlyLeast = 40 // evidence that chance gives such bytes
)

// likelyHead is the evidence that a record begins at an offset, perhaps one with a wrong byte or damaged later.
func (p *prober) likelyHead(at int64) float64 {
	b := p.view.at(at, 1<<10)
	if int64(len(b)) > p.end-at {
		b = b[:max(0, p.end-at)]
	}
	if len(b) < 3 {
		return math.Inf(-1)
	}
	best := max(p.soundHead(at, b), p.brokenKey(b), nearlyField(b))
	for _, n := range append(p.brokenModifiers(b), p.brokenSlot(b)) {
		if n == 0 {
			continue
		}
		best = max(best, p.soundHead(at+int64(n), b[n:])+onceBits)
	}
	if n, bits := p.modifiers(b); n > 0 {
		best = max(best, bits+max(onceBits/4, p.brokenKey(b[n:])))
	}
	if b[0] >= opMeta {
		for _, n := range []int{1, operands(b)} {
			if n > 0 && n+2 < len(b) {
				best = max(best, p.soundHead(at+int64(n), b[n:])+onceBits-2)
			}
		}
	}
	return best
}

// operands returns how many bytes an opcode takes that begins b, with what belongs to it: it may have been put before a head, where other bytes would
// be the end of a value. It is 0 for opcodes with much behind them.
func operands(b []byte) int {
	lengths := 0
	switch b[0] {
	case opFreq:
		return 2
	case opExpireTimeMS:
		return 9
	case opExpireTime:
		return 5
	case opIdle, opSelectDB:
		lengths = 1
	case opResizeDB:
		lengths = 2
	case opSlotInfo:
		lengths = 3
	case opFunction, opFunctionOld:
		if n := stringSize(b[1:]); n > 0 {
			return 1 + n
		}
		return 0
	case opModuleAux:
		return moduleSize(b, 1)
	case opAux:
		n := stringSize(b[1:])
		if m := stringSize(b[min(1+n, len(b)):]); n > 0 && m > 0 {
			return 1 + n + m
		}
		return 0
	default:
		return 0
	}
	at := 1
	for range lengths {
		_, n, enc, shortest := lengthForm(b[min(at, len(b)):])
		if n == 0 || enc || !shortest {
			return 0
		}
		at += n
	}
	return at
}

// brokenKey is the evidence that b begins with a type and a key, one of which is wrong or missing.
func (p *prober) brokenKey(b []byte) float64 {
	const few, looked = 6, 12 // bytes of a key whose length is not known
	if len(b) < 3 {
		return math.Inf(-1)
	}
	best := max(p.keyText(b[1:]), p.keyText(b)) + onceBits
	if p.census.table[b[0]] != current || b[0] >= opMeta {
		return best
	}
	_, size, _, _ := lengthForm(b[1:])
	for _, n := range []int{2, 1 + size} { // behind the length, whether a byte of it is wrong or it has another form now
		if n > 1 && n < len(b) {
			text := max(p.census.keyText.likeness(p.census.valueText, b[n:min(n+few, len(b))], false),
				p.census.keyText.likeness(p.census.valueText, b[n:min(n+looked, len(b))], false))
			best = max(best, p.census.typeBits(rdb.Type(b[0]))+min(textMost, text)+onceBits)
		}
	}
	return best
}

// modifiers is the evidence in an expiry, idle time or access counter that begin b, and how many bytes they take.
func (p *prober) modifiers(b []byte) (n int, bits float64) {
	c := p.census
	if len(b) > 9 && b[0] == opExpireTimeMS {
		t := int64(binary.LittleEndian.Uint64(b[1:]))
		if t < year2000 || t > year10000 {
			return 0, 0
		}
		n, bits = 9, c.share(c.expires, 0.25)+timeBits
	}
	if len(b) < n+8 {
		return n, bits
	}
	switch b[n] {
	case opFreq:
		return n + 2, bits + c.share(c.freqs, 1.0/16)
	case opIdle:
		if _, size, enc, shortest := lengthForm(b[n+1:]); size > 0 && !enc && shortest {
			return n + 1 + size, bits + c.share(c.idle, 1.0/16)
		}
	}
	return n, bits
}

// brokenModifiers returns where a type may stand behind an expiry, idle time or access counter with a wrong byte.
func (p *prober) brokenModifiers(b []byte) (at []int) {
	c := p.census
	if len(b) < 24 {
		return nil
	}
	t := int64(binary.LittleEndian.Uint64(b[1:]))
	if b[0] == opExpireTimeMS && c.expires > 0 || t > year2000 && t < year10000 {
		at = append(at, 9, 11, 12)
	}
	if often := float64(c.idle+c.freqs) > mostly*float64(c.keys); often || b[0] == opIdle || b[0] == opFreq {
		at = append(at, 2)
		if c.idle > 0 {
			at = append(at, 3, 6)
		}
	}
	return at
}

// nearlyField is the evidence that b begins with a field that servers write among the keys, with wrong bytes.
func nearlyField(b []byte) float64 {
	const field = "\xfa\x09slot-info"
	if len(b) < len(field) {
		return math.Inf(-1)
	}
	same := 0
	for i := range field {
		if b[i] == field[i] {
			same++
		}
	}
	return float64(same*nearlyBits - nearlyLeast)
}

// soundHead is the evidence of a record's head without faults.
func (p *prober) soundHead(at int64, b []byte) float64 {
	if !p.plausible(b) {
		return math.Inf(-1)
	}
	var f record
	p.x.r.ResumeBytes(b, p.position(at))
	if !p.x.head(&f) || f.start != at {
		return math.Inf(-1)
	}
	if f.what == isKey {
		return p.census.headBits(&f, p.x.entry, b)
	}
	return p.census.weighOther(&f, p.x, b, p.end)
}

// keyText is the evidence that b begins with a key, written as a string.
func (p *prober) keyText(b []byte) float64 {
	v, n, enc, shortest := lengthForm(b)
	switch {
	case n == 0 || !shortest || v == 0 && !enc || enc && v == 3:
		return math.Inf(-1)
	case enc:
		return 4
	case v > uint64(len(b)-n):
		return math.Inf(-1)
	}
	key := b[n : n+int(v)]
	return p.census.keyBits(key, b)
}

// otherType reports whether a record begins at an offset of which only the type is wrong: with another type it ends where a sound one begins, not behind the one that is known to
// be next; 0: none is.
func (p *prober) otherType(at, next int64) bool {
	b := p.view.at(at, probeAhead)
	if int64(len(b)) > p.end-at {
		b = b[:max(0, p.end-at)]
	}
	if len(b) < 4 || p.keyText(b[1:]) < hopelessBits {
		return false
	}
	b = b[:min(len(b), probeAhead)]
	for t := range rdb.Type(opMeta) {
		if p.census.table[t] != current || t == rdb.Type(b[0]) {
			continue
		}
		p.trial = append(append(p.trial[:0], byte(t)), b[1:]...)
		p.x.r.ResumeBytes(p.trial, p.position(at))
		var f record
		if !p.x.head(&f) || f.what != isKey || p.x.value(&f) != nil || f.damaged || f.start != at {
			continue
		}
		end := f.end
		if (next == 0 || end <= next) && p.soundHead(end, p.view.at(end, 1<<10)) >= tailMin {
			return true
		}
		b = p.view.at(at, probeAhead)[:len(b)]
	}
	return false
}

// firstByteWrong reports whether a record begins at an offset of which only the first byte is wrong, and is printable now, as if the text before it
// went on. If text had lost its end a record would begin behind what looks like more of it.
func (p *prober) firstByteWrong(at int64) bool {
	b := p.view.at(at, 1<<10)
	if int64(len(b)) > p.end-at {
		b = b[:max(0, p.end-at)]
	}
	text := 0
	for text < len(b) && printable(b[text]) {
		text++
	}
	if p.soundHead(at+int64(text), b[text:]) >= tailMin {
		return false
	}
	for _, n := range append(p.brokenModifiers(b), p.brokenSlot(b)) {
		if n > 0 && p.soundHead(at+int64(n), b[n:]) >= tailMin {
			return true
		}
	}
	return len(b) > 4 && p.keyText(b[1:]) >= tailMin && p.otherType(at, 0)
}

// brokenSlot returns where a record may stand behind the announcement of a slot of which the first byte is wrong, 0 if that cannot be one.
func (p *prober) brokenSlot(b []byte) int {
	if !p.x.slots || len(b) < 4 {
		return 0
	}
	at := 1
	for range 3 {
		_, n, enc, shortest := lengthForm(b[min(at, len(b)):])
		if n == 0 || enc || !shortest {
			return 0
		}
		at += n
	}
	return min(at, len(b))
}

// headBehind returns how many bytes before the next record stand at an offset, if they are too few for a record; else 0.
func (p *prober) headBehind(at int64) int64 {
	const least = 4 // bytes of a record
	if p.soundHead(at, p.view.at(at, 1<<10)) >= tailMin {
		return 0
	}
	for k := int64(1); k < least; k++ {
		if p.soundHead(at+k, p.view.at(at+k, 1<<10)) >= headMin {
			return k
		}
	}
	return 0
}

// putBefore reports whether so many bytes at an offset are rather what was put between two records than the end of the first one.
func (p *prober) putBefore(at, k int64) bool {
	b := p.view.at(at, 64)
	return len(b) > 0 && b[0] >= opMeta && (k == 1 || k == int64(operands(b)))
}
