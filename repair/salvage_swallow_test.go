package repair

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// smallStrings is a file of strings that take a dozen bytes each.
func smallStrings(t *testing.T, target rdb.Target, n int) *original {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, target, rdb.WriterOptions{})
	require.NoError(t, w.WriteAux([]byte("redis-ver"), []byte("8.6.3")))
	require.NoError(t, w.WriteAux([]byte("ctime"), []byte("1700000000")))
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(uint64(n), 0))
	for i := range n {
		key := fmt.Appendf(nil, "%c%d", "akx"[i%3], i*7919%n)
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, key), rdb.String(fmt.Sprint([]any{i * i, "region", "", i, uint64(i) * 48271 * 69621 * 12345}[i%5]))))
	}
	require.NoError(t, w.Close())
	return newOriginal(t, "small strings", b.Bytes())
}

// TestSalvageFirstBlockMoved: where the first block of a file was exchanged with another one, the header that stands in the middle is the file's own.
func TestSalvageFirstBlockMoved(t *testing.T) {
	o := smallStrings(t, rdb.Version13, 800)
	untouched, found, bad := 0, 0, 0
	for _, size := range []int{512, 1024, 4096} {
		for at := size; at+size <= len(o.bytes); at += size {
			d := newDamaged(o, fmt.Sprintf("%d exchanged with %d", size, at))
			d.bytes = slices.Concat(d.bytes[at:at+size], d.bytes[size:at], d.bytes[:size], d.bytes[at+size:])
			d.from = slices.Concat(d.from[at:at+size], d.from[size:at], d.from[:size], d.from[at+size:])
			sc, _ := rate(t, d)
			assert.Less(t, len(sc.lost), 24, d.kind)
			untouched, found, bad = untouched+sc.untouched, found+sc.found, bad+len(sc.bad)
		}
	}
	assert.GreaterOrEqual(t, float64(found), 0.995*float64(untouched), "%d of %d", found, untouched)
	assert.LessOrEqual(t, bad, 2) // the halves of two records read as one
}

// TestSalvageSwallowedBeforeDamage: a string that grew so much that it ends where a later record does has others inside that are damaged as well, and rows of sound ones before these.
func TestSalvageSwallowedBeforeDamage(t *testing.T) {
	o := smallStrings(t, rdb.Version10, 800)
	for _, damages := range [][]int{nil, {300}, {150, 151, 300}, {120, 200, 201, 399, 700}} {
		d := newDamaged(o, fmt.Sprint(damages))
		const first, last = 103, 400
		value := o.keys[first].start + 2 + int64(len(o.keys[first].key)) // the length of the last one's that is swallowed
		n := o.keys[last].end - value - 2
		require.Less(t, n, int64(1<<14))
		d.splice(int(value), int(value)+2, []byte{0x40 | byte(n>>8), byte(n)})
		for _, k := range damages {
			d.splice(int(o.keys[k].start), int(o.keys[k].start)+1, []byte{'g'})
		}
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, len(sc.lost), 1+len(damages), "%v", sc.lost)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageStringsNoFields: where a file has no hashes whose fields expire, strings before a gap are keys though what follows reads as such fields.
func TestSalvageStringsNoFields(t *testing.T) {
	o := smallStrings(t, rdb.Version13, 800)
	untouched, found := 0, 0
	for seed := range int64(20) {
		d := newDamaged(o, "")
		r := rand.New(rand.NewSource(seed))
		for range 3 {
			at := 16 * (8 + r.Intn(len(d.bytes)/16-8))
			d.move(at, at+16, at/2, at/2+16)
		}
		sc, _ := rate(t, d)
		untouched, found = untouched+sc.untouched, found+sc.found
	}
	t.Logf("%d of %d", found, untouched)
	assert.GreaterOrEqual(t, float64(found), 0.995*float64(untouched), "%d of %d", found, untouched)
}

// TestSalvageSwallowedInGap: the same string leads on behind a gap, and has much evidence for its name.
func TestSalvageSwallowedInGap(t *testing.T) {
	o := smallStrings(t, rdb.Version11, 1600)
	for _, damages := range [][]int{{40, 300, 900}, {80, 104, 300, 500, 900}, {90, 150, 151, 300, 400, 500, 600, 700, 880, 900}} {
		d := newDamaged(o, fmt.Sprint(damages))
		const first, last = 103, 899
		value := o.keys[first].start + 2 + int64(len(o.keys[first].key))
		n := o.keys[last].end - value - 2
		require.Less(t, n, int64(1<<14))
		d.splice(int(value), int(value)+2, []byte{0x40 | byte(n>>8), byte(n)})
		for _, k := range damages {
			d.splice(int(o.keys[k].start), int(o.keys[k].start)+1, []byte{'g'})
		}
		d.splice(int(o.keys[40].start)+1, int(o.keys[40].start)+2, []byte{0x7F, 0xF0}) // which leads far behind
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, len(sc.lost), 4+2*len(damages), "%v", sc.lost)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageSwallowedByLuck: where records take a dozen bytes each, one damaged length in ten leads to the beginning of a later one. These files have fifty damages, of which one is so.
func TestSalvageSwallowedByLuck(t *testing.T) {
	o := smallStrings(t, rdb.Version11, 2000)
	for _, seed := range []int64{
		40,  // a name of kilobytes, and a value
		69,  // a hash whose fields expire was read by luck, before
		89,  // a name, before a gap
		284, // what has little evidence for its beginning behind a gap
		317,
	} {
		d := newDamaged(o, fmt.Sprint("seed ", seed))
		scrambleAt(rand.New(rand.NewSource(seed)), d, 50)
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, len(sc.lost), 60, d.kind)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageRowsOfSound: a sound value that holds records is left alone where only the count of keys is wrong.
func TestSalvageRowsOfSound(t *testing.T) {
	var b, rows bytes.Buffer
	for i := range 30 {
		rows.Write(text(fmt.Sprint("user:", 1000+i), "some value"))
	}
	rows.WriteString("which does not end with one")
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{NoCompression: true})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(161, 0))
	for i := range 60 {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "user:%d", i)), rdb.String(fmt.Sprint("value ", i))))
	}
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("rows")), rdb.String(rows.Bytes())))
	require.NoError(t, w.Close())
	in := b.Bytes()
	in[len(in)-1] ^= 1 // the checksum
	s, out := salvage(t, in, SalvageOptions{})
	assert.Equal(t, int64(61), s.Keys)
	assert.True(t, bytes.Contains(out, rows.Bytes()))
}

// TestSalvageHollowOnce: what was noted before a part of the file was read again is not looked through where some of it is kept since.
func TestSalvageHollowOnce(t *testing.T) {
	s := &salvager{segs: []segment{{pieces: []span{{10, 20}}}, {start: 100}}}
	assert.True(t, s.keptIn(0, span{15, 30}))
	assert.False(t, s.keptIn(0, span{20, 30}))
	assert.True(t, s.keptIn(0, span{50, 120}))
}
