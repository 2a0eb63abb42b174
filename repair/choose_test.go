package repair

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func planOf(t *testing.T, b []byte, opt PlanOptions) *Plan {
	t.Helper()
	p, err := NewPlan(context.Background(), bytes.NewReader(b), int64(len(b)), opt)
	require.NoError(t, err)
	return p
}

// TestTruncateIsNoSalvage: what zeros read as are keys to who stops at the first fault, but salvage is what is carried out all the same.
func TestTruncateIsNoSalvage(t *testing.T) {
	sound, err := os.ReadFile(filepath.Join("..", "testdata", "redis-8.6-sample.rdb"))
	require.NoError(t, err)
	more := 0
	for at := 40; at < len(sound)-40 && (more == 0 || !testing.Short()); at += 31 {
		for _, n := range []int{3, 8, 12} {
			b := bytes.Clone(sound)
			clear(b[at : at+n])
			p := planOf(t, b, PlanOptions{Strategies: []Strategy{StrategySalvage, StrategyTruncate}})
			if p.Sound() || !p.Offers[0].Possible {
				continue
			}
			require.Equal(t, StrategySalvage, p.Chosen.Strategy, "%d zeros at %d", n, at)
			if p.Offers[1].Keys > p.Offers[0].Keys {
				more++
			}
		}
	}
	require.Positive(t, more)
}

// TestMoreDatabases: where nothing but the number of databases is in the way, that is asked for, and nothing less is taken.
func TestMoreDatabases(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 20, 20: 20, 40: 20}, 0, 20, 40)
	flipped, torn := bytes.Clone(o.bytes), bytes.Clone(o.bytes)
	flipped[len(flipped)/3] ^= 4
	clear(torn[len(torn)/3:][:40])
	for strategy, b := range map[Strategy][]byte{StrategyHeal: flipped, StrategySalvage: torn} {
		p := planOf(t, b, PlanOptions{Databases: 16, AskDatabases: true})
		assert.Nil(t, p.Chosen, strategy)
		for _, o := range p.Offers {
			if o.Strategy == strategy {
				assert.EqualValues(t, 41, o.Databases, strategy)
			}
		}
		p = planOf(t, b, PlanOptions{Databases: 41})
		require.NotNil(t, p.Chosen, strategy)
		assert.Equal(t, strategy, p.Chosen.Strategy)
	}
}

// TestNoMoreDatabases: where it is known that the server has no more databases, the number of one beyond is damaged, in a file that is; then its keys are put where they can be of, and it is
// said that this is not certain.
func TestNoMoreDatabases(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 20, 5: 20, 9: 20}, 0, 5, 9)
	at := bytes.LastIndex(o.bytes, []byte{opSelectDB, 9, opResizeDB})
	for _, c := range []struct {
		number byte
		want   uint64
	}{{9 ^ 0x20, 9}, {30, 14}, {0x3F, 5}} { // of the last no single bit makes one that the server has
		b := bytes.Clone(o.bytes)
		b[at+1] = c.number
		clear(b[100:140])
		p := planOf(t, b, PlanOptions{Databases: 16, AskDatabases: true})
		require.Nil(t, p.Chosen)
		require.True(t, p.Offers[1].NoMore)
		p = planOf(t, b, PlanOptions{Databases: 16})
		require.NotNil(t, p.Chosen, "%d", c.number)
		require.Equal(t, StrategySalvage, p.Chosen.Strategy)
		kept, guessed := map[uint64]int64{}, int64(0)
		for _, db := range p.Chosen.Salvaged.DBs {
			kept[db.DB] += db.Kept
			guessed += db.Guessed
		}
		assert.Less(t, slices.Max(slices.Collect(maps.Keys(kept))), uint64(16))
		assert.GreaterOrEqual(t, kept[c.want], int64(20), "%d: %v", c.number, kept)
		assert.GreaterOrEqual(t, guessed, int64(20), "%d", c.number)
	}
	sound := numbered(t, true, map[uint64]int{0: 20, 41: 20}, 0, 41) // nothing says that this is damaged
	p := planOf(t, sound.bytes, PlanOptions{Databases: 16})
	require.Nil(t, p.Chosen)
	require.EqualValues(t, 42, p.Offers[1].Databases)
}

// TestHealedWithoutFirst: a file behind which another one stands, and whole, is not healed by taking out what it has itself, if that is more.
func TestHealedWithoutFirst(t *testing.T) {
	for _, c := range []struct {
		first, second int
		want          Strategy
	}{{60, 10, StrategySalvage}, {6, 60, StrategyHeal}} {
		first, second := numbered(t, true, map[uint64]int{0: c.first}, 0), numbered(t, true, map[uint64]int{1: c.second}, 1)
		b := bytes.Clone(first.bytes)
		clear(b[:8])
		clear(b[len(b)-12:])
		b = append(b, second.bytes...)
		p := planOf(t, b, PlanOptions{})
		require.NotNil(t, p.Chosen)
		assert.Equal(t, c.want, p.Chosen.Strategy)
		assert.True(t, p.Offers[0].Possible)
		p = planOf(t, b, PlanOptions{Strategies: []Strategy{StrategyHeal}})
		assert.Equal(t, StrategyHeal, p.Chosen.Strategy)
		assert.EqualValues(t, c.second, p.Chosen.Keys)
	}
}
