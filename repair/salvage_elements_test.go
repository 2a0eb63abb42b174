package repair

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageElementsTell damages keys beside others whose names are little evidence: integers, and bytes of any kind. That they are keys, and where their values end, is told by
// the scores of a sorted set, by a group of an empty stream, and by the times of a hash.
func TestSalvageElementsTell(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	group := &rdb.Stream{Groups: []rdb.StreamGroup{{Name: []byte("g"), EntriesRead: rdb.EntriesReadUnknown, HasRead: true}}}
	for _, c := range []struct {
		name   string
		target func(w *bytes.Buffer) *rdb.Writer
		value  func(i int) rdb.Value
	}{
		{"sorted sets", writeRedis, func(i int) rdb.Value {
			var z rdb.SortedSet
			for k := range 5 {
				z = append(z, rdb.ScoredMember{Member: fmt.Append(nil, "m", k), Score: float64(k*i) + 0.5})
			}
			return z
		}},
		{"empty streams", writeRedis, func(int) rdb.Value { return group }},
		{"hashes", writeValkey, func(i int) rdb.Value {
			return rdb.Hash{{Name: []byte("a"), Value: []byte("b"), ExpireAt: 1_800_000_000_000 + int64(i)}, {Name: []byte("c"), Value: []byte("d"), ExpireAt: rdb.NoExpire}}
		}},
	} {
		var b bytes.Buffer
		w := c.target(&b)
		require.NoError(t, w.SelectDB(0))
		for i := range 60 {
			key := fmt.Append(nil, i*1000)
			if i%2 == 0 {
				key = make([]byte, 8)
				r.Read(key)
			}
			require.NoError(t, w.WriteEntry(rdb.NewEntry(0, key), c.value(i)))
		}
		require.NoError(t, w.Close())
		o := newOriginal(t, c.name, b.Bytes())
		lost, bad := 0, 0
		for i := 10; i < 50; i++ {
			d := newDamaged(o, fmt.Sprint(i))
			at := int(o.keys[i].start)
			d.splice(at, int(o.keys[i].end)-4, bytes.Repeat([]byte{0xF2, 0x99}, 20))
			sc, _ := rate(t, d)
			lost, bad = lost+len(sc.lost), bad+len(sc.bad)
		}
		assert.Zero(t, bad, c.name)
		assert.LessOrEqual(t, lost, 4, c.name)
	}
}

func writeRedis(b *bytes.Buffer) *rdb.Writer {
	return rdb.NewWriter(b, rdb.Version10, rdb.WriterOptions{Limits: &rdb.Limits{}})
}

func writeValkey(b *bytes.Buffer) *rdb.Writer {
	return rdb.NewWriter(b, rdb.Version80, rdb.WriterOptions{Limits: &rdb.Limits{}})
}
