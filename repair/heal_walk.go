package repair

import (
	"sync"
	"sync/atomic"

	"github.com/kvfsck/kvfsck/crc64"
)

// The walk computes A[i] and R[i] (see heal.go) at every position and shows them to probes, which compare them.
//
// The file is cut into blocks, which goroutines take in turn. A block needs no other: the survey kept A at its start, and R differs from A
// by what zeros alone make of the residue, which takes O(log n) steps from the end of the file to anywhere:
//
//	A[i] xor R[i] = u^(n-i)(residue)
//
// Within a block both registers are stepped forward, strip by strip, into arrays that fit the first-level cache. A step waits for the one
// before; so each strip is stepped in two halves at once, the register in its middle coming from the fast kernel of package crc64.
//
//	block   |-------------------------------- 1 MiB -------------------------------|
//	strip            |---- half ----|---- half ----|
//	array        |pad|                             |pad|    pad: how far from i probes look

const (
	walkBlock = 1 << 20 // bytes, a multiple of walkStrip
	walkStrip = 1 << 12
)

// window is a strip of the file and the registers at its positions.
type window struct {
	at  int64    // position of a[0]
	a   []uint64 // forward registers
	r   []uint64 // backward registers, from position at-pad on, pad more than a on either side
	pad int
}

// probe is a test made at every position. It is called by several goroutines at once.
type probe interface {
	look(w *window)
	// finish makes candidates of what was seen; it is called once, after the walk.
	finish() error
}

// walkAll looks for the kinds that are found in a walk.
func (s *search) walkAll() error {
	var probes []probe
	pad := 0
	if s.wants(spliceKinds) {
		p := newSplice(s)
		probes, pad = append(probes, p), p.width
	}
	if s.wants(DamageSwappedBytes | DamageTwoBits) {
		probes = append(probes, newPair(s))
	}
	if s.blocks != nil {
		probes = append(probes, newInserted(s, int64(pad)))
	}
	err := s.walk(pad, probes)
	for _, p := range probes {
		if err == nil {
			err = p.finish()
		}
	}
	return err
}

// walk shows all positions from 0 to n to the probes, of which none looks further than pad positions around.
func (s *search) walk(pad int, probes []probe) error {
	blocks := s.n/walkBlock + 1
	s.meter.expect(s.n)
	var (
		next   atomic.Int64
		failed atomic.Bool
		wg     sync.WaitGroup
		once   sync.Once
		err    error
	)
	for range min(int64(workers()), blocks) {
		wg.Go(func() {
			w := newWalker(s, pad)
			for !failed.Load() {
				at := (next.Add(1) - 1) * walkBlock
				if at > s.n {
					return
				}
				if e := w.block(at, probes); e != nil {
					once.Do(func() { err = e })
					failed.Store(true)
				}
				s.meter.did(min(walkBlock, s.n-at))
			}
		})
	}
	wg.Wait()
	return err
}

// walker is a goroutine of a walk.
type walker struct {
	s    *search
	pad  int
	buf  []byte
	a, r []uint64
	step *[256]uint64
}

func newWalker(s *search, pad int) *walker {
	w := &walker{s: s, pad: pad, step: stepTable()}
	w.buf = make([]byte, min(walkBlock, s.n+1)+2*int64(pad))
	size := min(walkStrip, int(min(s.n+1, walkStrip))) + 2*pad
	w.a, w.r = make([]uint64, size), make([]uint64, size)
	return w
}

// stepTable returns the registers after each byte.
func stepTable() *[256]uint64 {
	t := new([256]uint64)
	for v := range t {
		t[v] = crc64.Update(0, []byte{byte(v)})
	}
	return t
}

// block walks the positions from at on. Outside the file zeros are taken to stand: those before it leave A at 0.
func (w *walker) block(at int64, probes []probe) error {
	s, pad := w.s, w.pad
	if err := s.ctx.Err(); err != nil {
		return err
	}
	count := int(min(walkBlock, s.n+1-at))
	buf := w.buf[:count+2*pad]
	if err := s.readAround(buf, at-int64(pad)); err != nil {
		return err
	}
	a := crc64.Undo(s.marks[at/walkBlock], buf[:pad])
	r := a ^ crc64.Unshift(s.residue, s.n-at+int64(pad))
	a, r = w.fill(0, buf[:2*pad], a, r)
	rest := buf[2*pad:]
	for off := 0; off < count; off += walkStrip {
		m := min(walkStrip, count-off)
		a, r = w.fill(2*pad, rest[off:off+m], a, r)
		win := window{at: at + int64(off), a: w.a[pad : pad+m], r: w.r[:m+2*pad], pad: pad}
		for _, p := range probes {
			p.look(&win)
		}
		copy(w.a, w.a[m:m+2*pad])
		copy(w.r, w.r[m:m+2*pad])
	}
	return nil
}

// readAround reads bytes of the word; what is outside it becomes zeros.
func (s *search) readAround(p []byte, at int64) error {
	clear(p)
	if at < 0 {
		p, at = p[-at:], 0
	}
	if at >= s.n {
		return nil
	}
	return s.read(p[:min(int64(len(p)), s.n-at)], at)
}

// fill steps both registers over p and puts those before each byte into the arrays, from an index on. It returns those behind p.
func (w *walker) fill(index int, p []byte, a, r uint64) (uint64, uint64) {
	half := len(p) / 2
	first, second := p[:half], p[half:2*half]
	a1, r1 := w.a[index:][:half], w.r[index:][:half]
	a2, r2 := w.a[index+half:][:half], w.r[index+half:][:half]
	aa, rr := crc64.Update(a, first), crc64.Update(r, first)
	t := w.step
	for i := range first {
		v := first[i]
		a1[i], r1[i] = a, r
		a = a>>8 ^ t[byte(a)^v]
		r = r>>8 ^ t[byte(r)^v]
		v = second[i]
		a2[i], r2[i] = aa, rr
		aa = aa>>8 ^ t[byte(aa)^v]
		rr = rr>>8 ^ t[byte(rr)^v]
	}
	if odd := p[2*half:]; len(odd) > 0 {
		w.a[index+2*half], w.r[index+2*half] = aa, rr
		aa, rr = crc64.Update(aa, odd), crc64.Update(rr, odd)
	}
	return aa, rr
}
