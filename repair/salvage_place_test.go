package repair

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// placedWrong returns how many keys of a salvaged file are in another database than they were, by that in which they are now.
func placedWrong(t testing.TB, o *original, out []byte) map[uint64]int64 {
	of, wrong := map[string]uint64{}, map[uint64]int64{}
	for _, k := range o.keys {
		of[k.key] = k.db
	}
	for rec, err := range rdb.NewReader(bytes.NewReader(out)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok {
			if db, known := of[string(e.Key)]; known && db != e.DB {
				wrong[e.DB]++
			}
		}
	}
	return wrong
}

// TestSalvageExchangedBlocks: where two blocks of a file were exchanged the databases are not in order, so nothing that stands behind a gap is certain to be of one. None is
// made up, nor is one that the server does not have.
func TestSalvageExchangedBlocks(t *testing.T) {
	const block = 512
	for name, o := range map[string]*original{
		"two":   numbered(t, true, map[uint64]int{0: 70, 15: 20}, 0, 15),
		"three": numbered(t, true, map[uint64]int{0: 40, 3: 40, 9: 40}, 0, 3, 9),
	} {
		all, worst := int64(0), int64(0)
		for a := range len(o.bytes) / block {
			for b := range a {
				in := bytes.Clone(o.bytes)
				copy(in[a*block:], o.bytes[b*block:][:block])
				copy(in[b*block:], o.bytes[a*block:][:block])
				in[len(in)-10] ^= 1 // so that no exchange alone heals it
				offer := salvageOffer(t, in, PlanOptions{Databases: 16, AskDatabases: true, Strategies: []Strategy{StrategySalvage}})
				require.True(t, offer.Possible, "%s: %d and %d: %s", name, a, b, offer.Reason)
				s, out := salvage(t, in, SalvageOptions{})
				wrong := placedWrong(t, o, out)
				for _, d := range s.DBs {
					assert.Contains(t, o.dbs(), d.DB, "%s: %d and %d", name, a, b)
					assert.LessOrEqual(t, wrong[d.DB], d.Guessed, "%s: %d and %d: database %d", name, a, b, d.DB)
					all += d.Kept
					worst += wrong[d.DB]
				}
			}
		}
		assert.Less(t, 5*worst, all, name)
	}
}

// dbs are the databases of the keys.
func (o *original) dbs() (all []uint64) {
	for _, k := range o.keys {
		all = append(all, k.db)
	}
	return all
}

// TestSalvageLostSelectTwoGaps: what stands behind a gap in a database that was guessed is no more certain to be of that one.
func TestSalvageLostSelectTwoGaps(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 40, 9: 60}, 0, 9)
	d := newDamaged(o, "")
	for _, at := range []int64{o.keys[39].end, o.keys[70].start} {
		copy(d.bytes[at:], "\xF2\xF2\xF2\xF2\xF2\xF2")
	}
	s, out := salvage(t, d.bytes, SalvageOptions{})
	for db, n := range placedWrong(t, o, out) {
		assert.Greater(t, n, int64(55))
		for _, a := range s.DBs {
			assert.True(t, a.DB != db || a.Guessed == n, fmt.Sprint(a))
		}
	}
}

// TestSalvageCountOfAnotherFile: a count that the keys of the file cannot have, as it is of an older block, proves nothing.
func TestSalvageCountOfAnotherFile(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 600, 2: 60}, 0, 2)
	d := newDamaged(o, "")
	at := bytes.Index(d.bytes, []byte{opResizeDB})
	d.splice(at, int(o.keys[2].start), append([]byte{opResizeDB, 30, 0}, "\xF2\xF2\xF2\xF2\xF2\xF2"...))
	s, out := salvage(t, d.bytes, SalvageOptions{})
	wrong := placedWrong(t, o, out)
	for _, a := range s.DBs {
		assert.LessOrEqual(t, wrong[a.DB], a.Guessed, "database %d", a.DB)
	}
}

// TestSalvageSelectedBeyond damages the number of a database that is selected to one that the server does not have, in front of a lower one. It is not asked for more databases: with
// one wrong bit the number is known, with more the database is not certain. The last one may be right.
func TestSalvageSelectedBeyond(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 30, 2: 30, 9: 30}, 0, 2, 9)
	for _, c := range []struct {
		of, to   byte
		possible bool
		guessed  int64 // at most
	}{{2, 34, true, 0}, {2, 0x3D, true, 30}, {0, 0x20, true, 30}, {9, 41, false, 0}} {
		in := bytes.Clone(o.bytes)
		at := bytes.LastIndex(in, []byte{opSelectDB, c.of, opResizeDB})
		require.Positive(t, at)
		in[at+1] = c.to
		in[len(in)-10] ^= 1 // so that it is not healed
		offer := salvageOffer(t, in, PlanOptions{Databases: 16, AskDatabases: true, Strategies: []Strategy{StrategySalvage}})
		require.Equal(t, c.possible, offer.Possible, "%d: %s", c.to, offer.Reason)
		if !c.possible {
			require.EqualValues(t, c.to+1, offer.Databases)
			continue
		}
		var out bytes.Buffer
		_, err := offer.Salvaged.WriteTo(&out)
		require.NoError(t, err)
		wrong, guessed, all := int64(0), int64(0), int64(0)
		for _, n := range placedWrong(t, o, out.Bytes()) {
			wrong += n
		}
		for _, d := range offer.Salvaged.DBs {
			guessed, all = guessed+d.Guessed, all+d.Kept
			require.Less(t, d.DB, uint64(16), "%d", c.to)
		}
		require.EqualValues(t, 90, all, "%d", c.to)
		require.LessOrEqual(t, wrong, guessed, "%d", c.to)
		require.LessOrEqual(t, guessed, c.guessed, "%d", c.to)
	}
}

// TestSalvageCountsMissing takes out a block with what selects the last database and says how many keys it has. By the counts that are left there are too many keys then, but more than could be
// none.
func TestSalvageCountsMissing(t *testing.T) {
	const at, size = 1536, 512
	for _, base := range []string{"valkey-unstable/dbs.rdb", "valkey-8.0/dbs.rdb"} {
		d := newDamaged(corpusOriginals(t)("rdb/"+base), "")
		d.splice(at, at+size, nil)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.lost)
		assert.Empty(t, sc.bad)
	}
}
