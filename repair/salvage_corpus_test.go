package repair

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
)

// applyEdits applies the edits of a recipe.
func (d *damaged) applyEdits(edits []corpus.Edit) {
	for _, e := range edits {
		span := func(off, n int) (int, int) { return min(off, len(d.bytes)), min(off+n, len(d.bytes)) }
		switch e.Op {
		case "set":
			i, j := span(e.N[0], len(e.Data))
			d.splice(i, j, e.Data)
		case "ins":
			i, _ := span(e.N[0], 0)
			d.splice(i, i, e.Data)
		case "del":
			i, j := span(e.N[0], e.N[1])
			d.splice(i, j, nil)
		case "dup":
			i, j := span(e.N[0], e.N[1])
			d.move(j, j, i, j)
		case "swap":
			i, j := span(e.N[0], e.N[1])
			k, l := span(e.N[2], e.N[3])
			first, second := newDamaged(d.original, ""), newDamaged(d.original, "")
			first.bytes, first.from = d.bytes[i:j:j], d.from[i:j:j]
			second.bytes, second.from = d.bytes[k:l:l], d.from[k:l:l]
			d.bytes = concat(d.bytes[:i], second.bytes, d.bytes[j:k], first.bytes, d.bytes[l:])
			d.from = concat(d.from[:i], second.from, d.from[j:k], first.from, d.from[l:])
		case "zero":
			i, j := span(e.N[0], e.N[1])
			d.splice(i, j, make([]byte, j-i))
		case "copy":
			i, j := span(e.N[0], e.N[2])
			k, l := span(e.N[1], e.N[2])
			d.move(k, l, i, j)
		case "trunc":
			i, _ := span(e.N[0], 0)
			d.splice(i, len(d.bytes), nil)
		case "append":
			d.splice(len(d.bytes), len(d.bytes), e.Data)
		case "crc", "appendcrc":
			i := len(d.bytes)
			if e.Op == "crc" {
				i = max(0, i-8)
			}
			sum := appendChecksum(d.bytes[:i])
			d.splice(i, len(d.bytes), sum)
		}
	}
}

// TestSalvageRecipes salvages the damaged files of the corpus.
func TestSalvageRecipes(t *testing.T) {
	every := 12
	if big() {
		every = 1
	}
	scores := map[string]*score{}
	originals := map[string]*original{}
	var lost, bad []string
	n := 0
	for r := range corpus.RDBRecipes(t) {
		if n++; n%every != 0 {
			continue
		}
		o := originals[r.Base]
		if o == nil {
			b, err := os.ReadFile(r.BasePath(t))
			require.NoError(t, err)
			o = newOriginal(t, r.Base, b)
			originals[r.Base] = o
		}
		if o == nil {
			continue
		}
		d := newDamaged(o, r.ID+" "+r.Kind)
		d.applyEdits(r.Edits)
		require.NoError(t, r.Verify(d.bytes, false))
		sc, _ := rate(t, d)
		if scores[r.Kind] == nil {
			scores[r.Kind] = &score{}
		}
		scores[r.Kind].add(&sc)
		lost, bad = append(lost, sc.lost...), append(bad, sc.bad...)
	}
	total := table(t, scores)
	report(t, "untouched and lost", lost)
	report(t, "wrong", bad)
	require.Zero(t, total.failed)
	// What is left are single keys beside damage in very small files, and damage that leaves a well-formed record.
	require.GreaterOrEqual(t, float64(total.found), 0.998*float64(total.untouched))
	require.LessOrEqual(t, float64(total.invented+total.cutShort), 0.0002*float64(total.untouched))
}

func concat[T any](parts ...[]T) (all []T) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func appendChecksum(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(nil, crc64.Checksum(b))
}
