package fuzz

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// What a server changes by itself, or soon after it has loaded a file, is not generated: the known contents would be wrong then.

// TestNoCommandSetsNegativeZero has no ZADD of -0: it lands in a packed sorted set, which loses the sign.
func TestNoCommandSetsNegativeZero(t *testing.T) {
	scores := 0
	for seed := range uint64(200) {
		opt := AnyAOFOptions(seed)
		opt.Layout, opt.Base.Edge, opt.Base.Weights = AOFPlain, 50, Weights{SortedSet: 1}
		files, c := AOFSet(seed, opt)
		r := aof.NewReader(bytes.NewReader(files[0].Data))
		for rec, err := range r.Records() {
			require.NoError(t, err)
			cmd, ok := rec.(*aof.Command)
			if !ok || string(cmd.Args[0]) != "ZADD" {
				continue
			}
			for i := 2; i < len(cmd.Args); i += 2 {
				scores++
				require.NotEqual(t, "-0", string(cmd.Args[i]), "seed %d", seed)
			}
		}
		for _, k := range c.Keys {
			for _, m := range k.Value.(rdb.SortedSet) {
				require.False(t, m.Score == 0 && math.Signbit(m.Score), "seed %d", seed)
			}
		}
	}
	require.Positive(t, scores)
}

// TestNoIdempotentIDExpires has entries of producers in the year 2100 only: a server forgets those that are older than a stream's limit.
func TestNoIdempotentIDExpires(t *testing.T) {
	entries := 0
	for seed := range uint64(200) {
		opt := AnyOptions(seed, rdb.Version13)
		opt.Weights = Weights{Stream: 1}
		_, c := RDB(seed, opt)
		for _, k := range c.Keys {
			s := k.Value.(*rdb.Stream)
			for _, p := range s.Producers {
				require.LessOrEqual(t, len(p.Entries), int(s.IDMP.MaxEntries))
				for _, e := range p.Entries {
					entries++
					require.GreaterOrEqual(t, e.ID.MS, uint64(year2100))
				}
			}
		}
	}
	require.Positive(t, entries)
}
