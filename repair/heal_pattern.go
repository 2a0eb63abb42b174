package repair

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/kvfsck/kvfsck/crc64"
)

// Two wrong bytes some way apart. Where the length is unchanged, the difference A[i] xor R[i] at the first wrong byte is what the wrong bits
// alone make of an empty register, whatever the file holds. For the bits e in byte i and f in byte i+q it is
//
//	e xor u^q(f)
//
// and for a manageable number of (e, f, q) all these are kept in one table, which is asked at every position:
//
//	two bytes in each other's place, up to 64 bytes apart:   e = f = the difference of the two
//	two flipped bits, up to 512 bytes apart:                 e, f single bits

const (
	maxSwap  = 64  // bytes apart
	maxNear  = 512 // bytes apart
	swapPlan = 255 * maxSwap
	nearPlan = 8 * 8 * maxNear
)

// pattern is a row of the table.
type pattern struct {
	first, second byte // wrong bits
	apart         int
}

func (p pattern) pack() uint32 { return uint32(p.first) | uint32(p.second)<<8 | uint32(p.apart)<<16 }

func unpackPattern(v uint32) pattern { return pattern{byte(v), byte(v >> 8), int(v >> 16)} }

// patterns is the table of all pairs of bytes.
var patterns = sync.OnceValue(func() *registerTable {
	t := newRegisterTable(swapPlan + nearPlan)
	var far [256]uint64 // u^q of each byte
	for v := range far {
		far[v] = uint64(v)
	}
	for q := 1; q <= maxNear; q++ {
		for v := 1; v < 256; v++ {
			single := v&(v-1) == 0
			if q > maxSwap && !single {
				continue
			}
			far[v] = crc64.Unshift(far[v], 1)
			t.put(uint64(v)^far[v], pattern{byte(v), byte(v), q}.pack())
			for bit := 0; single && bit < 8; bit++ {
				t.put(1<<bit^far[v], pattern{1 << bit, byte(v), q}.pack())
			}
		}
	}
	return t
})

// pair is the probe that asks the table.
type pair struct {
	s     *search
	table *registerTable
	mu    sync.Mutex
	hits  []pairHit
}

type pairHit struct {
	at int64
	pattern
}

func newPair(s *search) *pair { return &pair{s: s, table: patterns()} }

func (p *pair) look(w *window) {
	t, r := p.table, w.r[w.pad:][:len(w.a)]
	for j, a := range w.a {
		if t.maybe(a ^ r[j]) {
			p.ask(w.at+int64(j), a^r[j])
		}
	}
}

func (p *pair) ask(at int64, difference uint64) {
	v, ok := p.table.get(difference)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := (pairHit{at, unpackPattern(v)}); h.at+int64(h.apart) < p.s.n && len(p.hits) < maxFound {
		p.hits = append(p.hits, h)
	}
}

// finish makes candidates of the hits.
func (p *pair) finish() error {
	s := p.s
	s.tried(DamageSwappedBytes, s.n*maxSwap, s.odds(maxSwap, 0), "")
	for _, h := range p.hits {
		old := make([]byte, h.apart+1)
		if err := s.read(old, h.at); err != nil {
			return err
		}
		b := append([]byte(nil), old...)
		b[0] ^= h.first
		b[h.apart] ^= h.second
		c := Candidate{Edits: overwrite(h.at, old, b)}
		switch {
		case b[0] == old[h.apart] && old[0] == b[h.apart]:
			c.Kind, c.Odds = DamageSwappedBytes, s.odds(maxSwap, 0)
		case bits.OnesCount16(binary.LittleEndian.Uint16([]byte{h.first, h.second})) == 2:
			c.Kind, c.Odds = DamageTwoBits, s.odds(nearPlan, 0)
		default:
			continue
		}
		s.found(c)
	}
	return nil
}
