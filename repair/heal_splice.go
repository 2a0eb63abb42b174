package repair

import (
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/kvfsck/kvfsck/crc64"
)

// spliceKinds are those of the relation of heal.go: at most w bytes of the original became others, or more, or fewer.
const spliceKinds = DamageFlippedBit | DamageBurst | DamageSwappedBytes | DamageExtraBytes | DamageLostBytes | DamageReplaced | DamageChecksum

// How many bytes of the original may be free. Three always, as long as the length is unchanged or all of them were lost; more, and any where
// the length changed otherwise, where the file is so small that a coincidence stays unlikely.
const (
	leastWidth = 3
	mostWidth  = 5
	widthOdds  = 1.0 / (1 << 20)
)

// safeWidth returns how many bytes a test may leave free at each of n positions.
func safeWidth(n int64) int {
	w := mostWidth
	for w > 0 && chance(float64(n), 8*w) > widthOdds {
		w--
	}
	return w
}

// splice is the probe for local damage: the bytes [i, i+w+k) stand where the original had w others. One width serves all narrower damage, as
// the w bytes may agree with what is there in part; a damage narrower than w is then met at several positions beside each other.
type splice struct {
	s     *search
	safe  int // see safeWidth
	width int // the greatest k, and the most bytes that are free
	mu    sync.Mutex
	runs  map[int][]run // by k
	full  bool
}

// run is positions that are hits for the same k, with no gap of more than joinGap. They all stand for the same healed file: two neighbours
// give files of the same length and checksum that differ in at most joinGap+width+1 bytes; and a CRC of 64 bits has no two such files unless
// these bytes are more than eight.
type run struct {
	first, last int64
	a           uint64 // A[first]
}

const (
	joinGap = 2 // with the greatest width: 8 bytes
	maxRuns = 1 << 8
)

func newSplice(s *search) *splice {
	safe := safeWidth(s.n)
	return &splice{s: s, safe: safe, width: max(leastWidth, safe), runs: map[int][]run{}}
}

// free returns how many bytes of the original may be free at a shift of k.
func (p *splice) free(k int) int {
	switch {
	case k == 0:
		return p.width
	case k < 0:
		return max(p.safe, -k)
	default:
		return p.safe
	}
}

func (p *splice) look(w *window) {
	for k := -p.width; k <= p.width; k++ {
		shift := 8 * p.free(k)
		r := w.r[w.pad+k:][:len(w.a)]
		for j, a := range w.a {
			if (a^r[j])>>shift == 0 {
				p.hit(k, w.at+int64(j), a)
			}
		}
	}
}

// hit takes a position that passed the test. A hit whose bytes are not all in the file is none; the damage that it may stand for is met at
// a position further to the left as well.
func (p *splice) hit(k int, at int64, a uint64) {
	if at+int64(p.free(k)+k) > p.s.n {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	runs := p.runs[k]
	for i := range runs {
		r := &runs[i]
		switch {
		case at >= r.first && at <= r.last+joinGap:
			r.last = max(r.last, at)
			return
		case at < r.first && at >= r.first-joinGap:
			r.first, r.a = at, a
			return
		}
	}
	if len(runs) >= maxRuns {
		p.full = true
		return
	}
	p.runs[k] = append(runs, run{at, at, a})
}

// joined returns the runs of a shift in file order, those that blocks of the walk had cut in two joined.
func (p *splice) joined(k int) (joined []run) {
	runs := p.runs[k]
	slices.SortFunc(runs, func(a, b run) int { return int(min(1, max(-1, a.first-b.first))) })
	for _, r := range runs {
		if last := len(joined) - 1; last >= 0 && r.first <= joined[last].last+joinGap {
			joined[last].last = max(joined[last].last, r.last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// finish makes candidates of the runs.
func (p *splice) finish() error {
	p.count()
	for k := -p.width; k <= p.width; k++ {
		for _, r := range p.joined(k) {
			if err := p.candidate(k, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// candidate works out what the original had at a hit: w bytes that lead from A[i] to R[i+w+k].
func (p *splice) candidate(k int, r run) error {
	s, w := p.s, p.free(k)
	old := make([]byte, w+k)
	if err := s.read(old, r.first); len(old) > 0 && err != nil {
		return err
	}
	behind := r.first + int64(len(old))
	backward := crc64.Update(r.a, old) ^ crc64.Unshift(s.residue, s.n-behind)
	original := binary.LittleEndian.AppendUint64(nil, crc64.Unshift(backward, int64(w))^r.a)[:w]
	if k == 0 {
		s.foundAs(DamageBurst, s.sameLength(r.first, old, original))
		return nil
	}
	e := Edit{Offset: r.first, Insert: original}.trim(old)
	c := Candidate{Kind: DamageReplaced, Edits: []Edit{e}, Odds: s.odds(1, 8*len(e.Insert))}
	switch {
	case len(e.Insert) == 0:
		c.Kind = DamageExtraBytes
	case e.Remove == 0:
		c.Kind = DamageLostBytes
	default:
		c.Odds = min(1, c.Odds*float64(2*p.width)) // any k
	}
	s.found(c)
	return nil
}

// odds returns the odds of a coincidence for damage that may be anywhere, in so many forms, with so many bits free.
func (s *search) odds(forms float64, free int) float64 { return chance(float64(s.n)*forms, free) }

// sameLength returns the candidate that puts b in place of old, which has the same length, at an offset.
func (s *search) sameLength(at int64, old, b []byte) Candidate {
	edits := overwrite(at, old, b)
	c := Candidate{Kind: DamageBurst, Edits: edits, Odds: s.odds(1, 8*len(b))}
	if len(edits) == 0 {
		return c
	}
	first, last := edits[0].Offset-at, edits[len(edits)-1].Offset+edits[len(edits)-1].Remove-at
	old, b = old[first:last], b[first:last]
	switch c.Kind = classifyBytes(old, b); c.Kind {
	case DamageFlippedBit:
		c.Odds = s.odds(8, 0)
	case DamageSwappedBytes:
		c.Odds = s.odds(maxSwap, 0)
	default:
		c.Odds = s.odds(1, 8*len(b))
	}
	return c
}

// count notes what the probe looked for.
func (p *splice) count() {
	s, n, skipped := p.s, p.s.n, ""
	if p.full {
		skipped = "too many candidates"
	}
	s.tried(DamageBurst, n, s.odds(1, 8*p.free(0)), skipped)
	s.tried(DamageChecksum, crc64.Size, chance(crc64.Size, 8*p.free(0)), skipped)
	s.tried(DamageExtraBytes, n*int64(p.width), s.odds(float64(p.width), 0), skipped)
	s.tried(DamageLostBytes, n*int64(p.width), s.odds(1+math.Ldexp(1, -8), 8*p.width), skipped)
	if p.safe > 0 {
		s.tried(DamageReplaced, 2*n*int64(p.width), s.odds(2*float64(p.width), 8*p.safe), skipped)
	}
}
