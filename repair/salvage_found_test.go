package repair

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

func swapped(i, j, size int) []corpus.Edit {
	return []corpus.Edit{{Op: "swap", N: []int{i, size, j, size}}}
}

// TestSalvageFound damages files of the corpus so that much that is whole was lost once. At most so many untouched keys may be left out.
func TestSalvageFound(t *testing.T) {
	original := corpusOriginals(t)
	for _, c := range []struct {
		name, file string
		edits      []corpus.Edit
		lost       int
	}{
		{"bytes of a module's value that read as a run of slots", "redis-8.6/random1.rdb", []corpus.Edit{{Op: "zero", N: []int{16854, 64}}}, 0},
		{"header in another place, with what reads as an end mark behind it", "valkey-8.0/functions.rdb", swapped(0, 12288, 4096), 0},
	} {
		d := newDamaged(original("rdb/"+c.file), c.name)
		d.applyEdits(c.edits)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.LessOrEqual(t, len(sc.lost), c.lost, "%s: %v", c.name, sc.lost)
	}
}
