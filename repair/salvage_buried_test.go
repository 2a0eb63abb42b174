package repair

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

// TestSalvageBuried exchanges two blocks of a file, so that whole records stand in the middle of a damaged value. At most one of them may be left out, at a
// seam.
func TestSalvageBuried(t *testing.T) {
	files := map[string]string{}
	for _, f := range corpus.RDBs(t) {
		files[f.ID] = f.Path
	}
	for _, c := range []struct {
		file          string
		first, second int
	}{
		{"rdb/redis-4.0/strings.rdb", 70848, 75276},
		{"rdb/redis-6.2/strings.rdb", 47539, 71566},
	} {
		const size = 512
		require.Contains(t, files, c.file)
		b, err := os.ReadFile(files[c.file])
		require.NoError(t, err)
		d := newDamaged(newOriginal(t, c.file, b), "exchanged")
		d.applyEdits([]corpus.Edit{{Op: "swap", N: []int{c.first, size, c.second, size}}})
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.file)
		assert.LessOrEqual(t, len(sc.lost), 1, "%s: %v", c.file, sc.lost)
	}
}
