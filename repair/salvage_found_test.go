package repair

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kvfsck/kvfsck/internal/corpus"
)

func swapped(i, j, size int) []corpus.Edit {
	return []corpus.Edit{{Op: "swap", N: []int{i, size, j, size}}}
}

func set(at int, put string) corpus.Edit {
	return corpus.Edit{Op: "set", N: []int{at}, Data: []byte(put)}
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
		{"key of 8805 bytes, by luck, that leads to a record", "redis-8.6/functions.rdb", swapped(0, 8192, 4096), 0},
		{"strings behind a hash that seem to be fields of it", "redis-8.6/random2.rdb", []corpus.Edit{set(5491, ":"), set(5716, "\xf1"), set(6042, "\x17")}, 0},
		{"string before which bytes read as a field that expires", "redis-8.0/strings.rdb", swapped(16384, 56320, 512), 0},
		{"strings buried in one that is compressed", "redis-8.6/strings.rdb", swapped(28672, 36864, 4096), 2},
	} {
		d := newDamaged(original("rdb/"+c.file), c.name)
		d.applyEdits(c.edits)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.LessOrEqual(t, len(sc.lost), c.lost, "%s: %v", c.name, sc.lost)
	}
}
