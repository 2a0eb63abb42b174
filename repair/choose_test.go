package repair

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
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
		p := planOf(t, b, PlanOptions{Databases: 16})
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
