package repair

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

// TestSalvageBuried exchanges two blocks of a file, so that whole records stand in the middle of a damaged value. At most one of them may be left out, at a
// seam.
func TestSalvageBuried(t *testing.T) {
	original := corpusOriginals(t)
	for _, c := range []struct {
		file          string
		first, second int
	}{
		{"rdb/redis-4.0/strings.rdb", 70848, 75276},
		{"rdb/redis-6.2/strings.rdb", 47539, 71566},
	} {
		const size = 512
		d := newDamaged(original(c.file), "exchanged")
		d.applyEdits([]corpus.Edit{{Op: "swap", N: []int{c.first, size, c.second, size}}})
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.file)
		assert.LessOrEqual(t, len(sc.lost), 1, "%s: %v", c.file, sc.lost)
	}
}
