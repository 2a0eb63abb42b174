package repair

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// TestUnlikely: what the first look at a head takes for unlikely has too little evidence when it is read, wherever in a file that is.
func TestUnlikely(t *testing.T) {
	looked, files := 0, uint64(6)
	if testing.Short() {
		files = 2
	}
	for seed := range files {
		b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Target: rdb.Version10, Keys: 300, StringSize: 40, Elements: 60, Weights: fuzz.Weights{Hash: 2, Set: 1, SortedSet: 1, String: 4}})
		bad := bytes.Clone(b)
		clear(bad[len(b)/2 : len(b)/2+100])
		s := newSalvager(context.Background(), bytes.NewReader(bad), int64(len(bad)), SalvageOptions{})
		require.NoError(t, s.run())
		p := &s.probe
		for at := range int64(len(bad)) {
			head := p.view.at(at, probeAhead)
			if !p.plausible(head) || !p.unlikely(head) {
				continue
			}
			looked++
			var f record
			p.x.r.ResumeBytes(head, p.position(at))
			if p.x.head(&f) && f.start == at && f.what == isKey {
				require.Less(t, p.census.headBits(&f, p.x.entry, head), float64(rejectBits), "seed %d, offset %d", seed, at)
			}
		}
		s.close()
	}
	require.Greater(t, looked, 100)
}

// TestProbeBeyondEnd: where another file follows, what is asked of the bytes behind the end is no panic.
func TestProbeBeyondEnd(t *testing.T) {
	o := withFields(t, 40, 8, 20, 40)
	s := newSalvager(context.Background(), bytes.NewReader(o.bytes), int64(len(o.bytes)), SalvageOptions{})
	defer s.close()
	require.NoError(t, s.run())
	p := &s.probe
	p.end /= 2
	for at := p.end - 100; at < p.end+2000; at++ {
		p.forgetAll()
		p.probe(at)
		p.likelyHead(at)
		p.fieldAt(at)
		p.fieldBefore(at)
		p.otherType(at, 0)
		p.firstByteWrong(at)
		p.headSpoiled(at)
		p.headBehind(at)
		p.putBefore(at, 1)
		p.timeNoType(at, 1)
		p.dumpAt(at)
		p.rest(at)
		p.elementsAt(at)
		p.integerThrough(at)
	}
}
