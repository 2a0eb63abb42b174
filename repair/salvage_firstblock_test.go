package repair

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSalvageFirstBlockInString exchanges the first block with one that lies in a long string.
func TestSalvageFirstBlockInString(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range []struct {
		base           string
		size, at, lost int
	}{{"redis-7.2/strings.rdb", 4096, 40960, 8}, {"redis-7.0/strings.rdb", 4096, 61440, 4}, {"redis-3.2/strings.rdb", 4096, 57344, 6}, {"redis-6.2/strings.rdb", 512, 39936, 2}, {"redis-5.0/strings.rdb", 512, 46080, 0}} {
		d := newDamaged(originals("rdb/"+c.base), fmt.Sprintf("%d exchanged with %d", c.size, c.at))
		d.bytes = slices.Concat(d.bytes[c.at:c.at+c.size], d.bytes[c.size:c.at], d.bytes[:c.size], d.bytes[c.at+c.size:])
		d.from = slices.Concat(d.from[c.at:c.at+c.size], d.from[c.size:c.at], d.from[:c.size], d.from[c.at+c.size:])
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, len(sc.lost), c.lost, "%s: %v", d.kind, sc.lost)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageDumpInString: a dump that a string holds where a sector begins is that string's, also in a file that has lost its header.
func TestSalvageDumpInString(t *testing.T) {
	text := func(i int) []byte {
		return append(append([]byte{0}, str(fmt.Sprintf("user:%d", i))...), str("a value of text")...)
	}
	dump := generated(t, 12, 30, 5).bytes
	first := concat([]byte{0xFE, 0, 0xFB, 41, 0}, many(20, text))
	head := []byte("\x00\x06holder\x80\x00\x00\x00\x00")
	pad := sectorSize - (headerSize+len(first)+len(head))%sectorSize
	n := pad + len(dump) + 100
	copy(head[len(head)-4:], []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	o := ofRecords(t, concat(first, head, make([]byte, pad), dump, make([]byte, 100), many(20, func(i int) []byte { return text(100 + i) })))
	require.Len(t, o.keys, 41)
	d := newDamaged(o, "no header")
	d.splice(0, headerSize, make([]byte, headerSize))
	sc, _ := rate(t, d)
	assert.Empty(t, sc.lost)
	assert.Empty(t, sc.bad)
}
