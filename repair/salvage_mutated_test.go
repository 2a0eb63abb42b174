package repair

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// TestSalvageMutated salvages files of the corpus that mutators have damaged, mostly at one place. KVFSCK_SEED takes other places than those it was looked at with. Of whole records of other files that were put in
// no account can tell: they are counted apart.
func TestSalvageMutated(t *testing.T) {
	const least, most, blocks = 2 << 10, 400 << 10, 16 << 10 // bytes of files, and of those of which blocks of 4 KiB are changed
	t.Parallel()
	every := 16
	switch {
	case big():
		every = 1
	case testing.Short():
		every = 64
	}
	seed, _ := strconv.Atoi(os.Getenv("KVFSCK_SEED"))
	several := []string{"many", "blocks", "two dumps", "foreign tail", "header", "aux", "opcode"} // damages, or files, or not in all versions
	all := newTally(t)
	for n, f := range corpus.RDBs(t) {
		if f.Size > most || n%every != 0 {
			continue
		}
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		o := newOriginal(t, f.ID, b)
		if o == nil || len(o.keys) < 8 {
			continue
		}
		for i, m := range mutators {
			if slices.Contains(several, m.name) || f.Size < least || strings.Contains(m.name, "4096") && f.Size < blocks {
				continue
			}
			d := newDamaged(o, m.name)
			m.damage(rand.New(rand.NewSource(int64(seed*1_000_000+n*1000+i))), d)
			all.try(m.name, d)
		}
		for i, kind := range fuzz.MutationKinds() {
			if strings.HasPrefix(kind, "text-") {
				continue // changes bytes everywhere, and is healed
			}
			b, m, ok := fuzz.MutateKind(kind, uint64(seed*1_000_000+n*1000+i), o.bytes)
			if !ok {
				continue
			}
			d := newDamaged(o, m.String())
			d.becomes(b, m)
			all.try("fuzz: "+kind, d)
		}
		for places := 1; places <= 3; places++ {
			d := newDamaged(o, fmt.Sprintf("%d places", places))
			scrambleAt(rand.New(rand.NewSource(int64(seed*1_000_000+n))), d, places)
			all.try(fmt.Sprintf("%d places", places), d)
		}
	}
	total := table(t, all.scores)
	report(t, "untouched and lost", all.lost)
	report(t, "wrong", all.bad)
	require.Zero(t, total.failed)
	require.GreaterOrEqual(t, float64(total.found), 0.998*float64(total.untouched))
	require.LessOrEqual(t, float64(total.invented+total.cutShort), max(3, 1e-4*float64(total.untouched)))
}
