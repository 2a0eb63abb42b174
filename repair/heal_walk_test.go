package repair

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// wordOf returns a search over bytes.
func wordOf(t testing.TB, b []byte) *search {
	s := newSearch(context.Background(), bytes.NewReader(b), int64(len(b)), HealOptions{Kinds: DamageBurst})
	require.NoError(t, s.survey(int64(len(b))))
	return s
}

// seen is a probe that compares all registers with those computed plainly.
type seen struct {
	t    *testing.T
	b    []byte
	a, r []uint64
	n    chan int
}

func (p *seen) look(w *window) {
	wrong := 0
	for j, a := range w.a {
		at := int(w.at) + j
		if p.a[at] != a {
			wrong++
		}
		for k := max(-w.pad, -at); k <= min(w.pad, len(p.b)-at); k++ {
			if p.r[at+k] != w.r[w.pad+j+k] {
				wrong++
			}
		}
	}
	require.Zero(p.t, wrong, "from %d on", w.at)
	p.n <- len(w.a)
}

func (p *seen) finish() error { return nil }

// TestWalk compares the registers of a walk with plain ones, around the seams of strips and blocks.
func TestWalk(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{9, 10, 100, walkStrip - 1, walkStrip, walkStrip + 1, 3*walkStrip + 5, walkBlock - 1, walkBlock, walkBlock + 1, walkBlock + walkStrip + 3} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		p := &seen{t: t, b: b, a: make([]uint64, n+1), r: make([]uint64, n+1), n: make(chan int, 1<<16)}
		for i, v := range b {
			p.a[i+1] = crc64.Update(p.a[i], []byte{v})
		}
		for i := n - 1; i >= 0; i-- {
			p.r[i] = crc64.Undo(p.r[i+1], b[i:i+1])
		}
		s := wordOf(t, b)
		require.Equal(t, p.a[n], s.residue)
		require.NoError(t, s.walk(3, []probe{p}))
		close(p.n)
		total := 0
		for m := range p.n {
			total += m
		}
		require.Equal(t, n+1, total)
	}
}

// nothing is a probe that does nothing.
type nothing struct{}

func (nothing) look(*window)  {}
func (nothing) finish() error { return nil }

func BenchmarkWalk(b *testing.B) {
	data := make([]byte, 32<<20)
	rng := rand.New(rand.NewPCG(6, 6))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	s := newSearch(context.Background(), bytes.NewReader(data), int64(len(data)), HealOptions{})
	require.NoError(b, s.survey(s.size))
	for _, c := range []struct {
		name   string
		pad    int
		probes []probe
	}{
		{"registers", 3, []probe{nothing{}}}, {"splice", 3, []probe{newSplice(s)}}, {"pairs", 0, []probe{newPair(s)}},
		{"inserted", 0, []probe{newInserted(s, 3)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				require.NoError(b, s.walk(c.pad, c.probes))
			}
		})
	}
	b.Run("survey", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			require.NoError(b, s.survey(s.size))
		}
	})
}

// TestJudge makes sure that nothing is chosen where two candidates pass the verifier, nor what may be a coincidence.
func TestJudge(t *testing.T) {
	candidate := func(at int64, odds float64) Candidate {
		return Candidate{Kind: DamageBurst, Odds: odds, Edits: []Edit{{at, 1, []byte{1}}}}
	}
	for _, c := range []struct {
		name  string
		cands []Candidate
		want  HealOutcome
	}{
		{"one", []Candidate{candidate(5, 1e-9)}, Healed},
		{"the same twice", []Candidate{candidate(5, 1e-9), candidate(5, 1e-9)}, Healed},
		{"another refused", []Candidate{candidate(5, 1e-9), candidate(1000, 1e-12)}, Healed},
		{"two", []Candidate{candidate(5, 1e-9), candidate(7, 1e-15)}, HealAmbiguous},
		{"one, unlikely", []Candidate{candidate(5, 0.1)}, HealUnproven},
		{"refused", []Candidate{candidate(1000, 1e-9)}, HealNothingFound},
		{"behind the fault", []Candidate{candidate(3000, 1e-9)}, HealNothingFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSearch(context.Background(), bytes.NewReader(make([]byte, 4000)), 4000, HealOptions{})
			s.h.Fault = &rdb.FormatError{Code: rdb.CodeType, Offset: 2000}
			s.check = func(c *Candidate) error {
				c.sum = uint64(c.Offset())
				if c.Offset() == 1000 {
					return &rdb.FormatError{Code: rdb.CodeType}
				}
				return nil
			}
			for _, cand := range c.cands {
				s.foundUpTo(4000, cand)
			}
			require.NoError(t, s.judge())
			s.conclude()
			require.Equal(t, c.want, s.h.Outcome)
			require.Equal(t, c.want == Healed, s.h.Best() != nil)
			if best := s.h.Best(); best != nil {
				require.Equal(t, int64(5), best.Offset())
			}
		})
	}
}
