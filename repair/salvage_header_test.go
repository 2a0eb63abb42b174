package repair

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageVersionOfWriter: behind a damaged header the version is the writer's, not that of a file inside a value.
func TestSalvageVersionOfWriter(t *testing.T) {
	for _, c := range []struct {
		target, inside rdb.Target
	}{{rdb.Version9, rdb.Version80}, {rdb.Version12, rdb.Version80}, {rdb.Version80, rdb.Version12}} {
		inner, _ := fuzz.RDB(7, fuzz.RDBOptions{Target: c.inside, Keys: 5})
		head, _ := fuzz.RDB(7, fuzz.RDBOptions{Target: c.target, Keys: 5})
		end := len(head) - 9 // the end mark and the checksum
		in := slices.Concat(head[:end], []byte("\x00\x05inner\x80"), binary.BigEndian.AppendUint32(nil, uint32(len(inner))), inner, head[end:])
		copy(in[3:], "?????")
		s, err := Salvage(context.Background(), bytes.NewReader(in), int64(len(in)), SalvageOptions{})
		require.NoError(t, err)
		assert.True(t, s.HeaderDamaged)
		assert.Equal(t, int(c.target), s.Version)
	}
}

// TestSalvageVersionEdited: another version in the header is damage where the writer, and what it wrote, say so.
func TestSalvageVersionEdited(t *testing.T) {
	o := generated(t, rdb.Version80, 200, 4)
	for _, header := range []string{"REDIS0009", "REDIS0011", "REDIS0000"} {
		d := newDamaged(o, header)
		d.splice(0, headerSize, []byte(header))
		sc, s := rate(t, d)
		assert.Equal(t, 80, s.Version)
		assert.True(t, s.HeaderDamaged)
		assert.Empty(t, sc.bad)
		assert.Empty(t, sc.lost)
	}
}

// TestSalvageVersionOfOthers: the same of a header of the other family, and of a version that has no fields such as follow it. A server between releases does not say which version it writes.
func TestSalvageVersionOfOthers(t *testing.T) {
	originals := corpusOriginals(t)
	for _, c := range []struct {
		base, header string
	}{{"redis-7.4/largecfg.rdb", "VALKEY080"}, {"redis-8.6/hfe.rdb", "VALKEY080"}, {"valkey-unstable/misc.rdb", "REDIS0005"}} {
		d := newDamaged(originals("rdb/"+c.base), c.header)
		d.splice(0, headerSize, []byte(c.header))
		sc, s := rate(t, d)
		assert.True(t, s.HeaderDamaged)
		assert.Empty(t, sc.bad)
		assert.Empty(t, sc.lost)
	}
}

// TestSalvageBeginsInValue: a file that lost all before the last bytes of a value, which are zeros, does not begin with a string without a name.
func TestSalvageBeginsInValue(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version12, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 30 {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "key:%d", i)), rdb.String("value\x00\x00\x00")))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "zeros", b.Bytes())
	d := newDamaged(o, "begins in a value")
	d.splice(0, int(o.keys[3].end)-3, nil)
	sc, _ := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Empty(t, sc.lost)
}

// TestSalvageHeaderInsideGap: a header inside a damaged value, which is compressed, does not make what follows a file of its own.
func TestSalvageHeaderInsideGap(t *testing.T) {
	o := generated(t, rdb.Version13, 1000, 3)
	d := newDamaged(o, "two dumps")
	d.splice(len(d.bytes), len(d.bytes), foreign)
	const at = 1261330 // in a string that holds a header 756 bytes on
	d.splice(at, at+3, []byte{0x82, 0x9E, 0x3C})
	sc, _ := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Empty(t, sc.lost)
}

// TestSalvageVersionOfKept: a file without header and fields is written in no version newer than its own, so that the server which wrote it loads it; nor in one that lacks what is kept.
func TestSalvageVersionOfKept(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for target := rdb.Version6; target <= rdb.Version13; target++ {
		for seed := range seeds {
			o := generated(t, target, 120, seed)
			for _, cut := range []int{headerSize, 100, 300, 2000} {
				s, out := salvage(t, o.bytes[min(cut, len(o.bytes)/2):], SalvageOptions{})
				if cut > 60 { // behind the field that tells it
					assert.LessOrEqual(t, s.Version, int(target), "seed %d, %d bytes missing", seed, cut)
				}
				for rec, err := range rdb.NewReader(bytes.NewReader(out)).Records() {
					require.NoError(t, err)
					if e, ok := rec.(*rdb.Entry); ok {
						require.LessOrEqual(t, typeVersions[e.Type].first, s.Version)
					}
				}
			}
		}
	}
}

// TestSalvageVersionNotOfCut: a record that was read by luck and is left out has no part in that.
func TestSalvageVersionNotOfCut(t *testing.T) {
	s := newSalvager(context.Background(), bytes.NewReader(nil), 0, SalvageOptions{})
	defer s.close()
	s.guessed = true
	s.segs = []segment{{pieces: []span{{100, 200}, {300, 400}}}}
	for at, version := range map[int64]int{100: 9, 350: 10, 250: 14, 40: 12} {
		s.needs(version, at)
	}
	s.settleVersion()
	assert.Equal(t, 10, s.out.Version)
}

// TestSalvageHeaderMoved exchanges the first block of a file without a checksum with another one: the header stands in the middle, and begins no file of its own.
func TestSalvageHeaderMoved(t *testing.T) {
	const size = 4 << 10
	d := newDamaged(corpusOriginals(t)("rdb/redis-5.0/nochecksum.rdb"), "blocks exchanged")
	for i := range size {
		j := 2*size + i
		d.bytes[i], d.bytes[j] = d.bytes[j], d.bytes[i]
		d.from[i], d.from[j] = d.from[j], d.from[i]
	}
	sc, _ := rate(t, d)
	assert.LessOrEqual(t, len(sc.lost), 2, sc.lost)
	assert.Empty(t, sc.bad)
}

// TestSalvageHeaderBehindPacked moves the beginning of such a file behind a key of which the packed value ends with the byte of an end mark.
func TestSalvageHeaderBehindPacked(t *testing.T) {
	d := newDamaged(corpusOriginals(t)("rdb/redis-5.0/nochecksum.rdb"), "beginning moved")
	packed := slices.IndexFunc(d.keys[30:], func(k sourceKey) bool { return d.bytes[k.end-1] == opEOF })
	require.Positive(t, packed)
	x, y := int(d.keys[20].start), int(d.keys[30+packed].end)
	d.bytes = slices.Concat(d.bytes[x:y], d.bytes[:x], d.bytes[y:])
	d.from = slices.Concat(d.from[x:y], d.from[:x], d.from[y:])
	sc, _ := rate(t, d)
	assert.LessOrEqual(t, len(sc.lost), 1, sc.lost)
	assert.Empty(t, sc.bad)
}

// TestSalvageBeginsTwice has the first 851 bytes of a file without fields twice: what follows the second header is the file itself, not another one behind it.
func TestSalvageBeginsTwice(t *testing.T) {
	const size = 851
	d := newDamaged(corpusOriginals(t)("rdb/redis-2.8/dbs.rdb"), "begins twice")
	d.splice(size, size, d.original.bytes[:size])
	sc, _ := rate(t, d)
	assert.Empty(t, sc.lost)
	assert.Empty(t, sc.bad)
}
