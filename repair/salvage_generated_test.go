package repair

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// generated makes a sound file of so many keys of every kind.
func generated(t testing.TB, target rdb.Target, keys int, seed uint64) *original {
	b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Target: target, Keys: keys, Databases: 3, Expire: 30, Elements: 20, Functions: 1})
	o := newOriginal(t, fmt.Sprintf("version %d seed %d", target, seed), b)
	require.NotNil(t, o)
	return o
}

// mutator damages a file in one way.
type mutator struct {
	name   string
	damage func(r *rand.Rand, d *damaged)
}

var mutators = []mutator{
	{"bit", func(r *rand.Rand, d *damaged) {
		i := r.Intn(len(d.bytes))
		d.splice(i, i+1, []byte{d.bytes[i] ^ 1<<r.Intn(8)})
	}},
	{"framing byte", func(r *rand.Rand, d *damaged) {
		i := int(d.keys[r.Intn(len(d.keys))].start) + r.Intn(3)
		d.splice(i, i+1, []byte{byte(r.Intn(256))})
	}},
	{"first record", func(r *rand.Rand, d *damaged) { scramble(r, d, int(d.keys[0].start), 4) }},
	{"last record", func(r *rand.Rand, d *damaged) { scramble(r, d, int(d.keys[len(d.keys)-1].start), 4) }},
	{"header", func(r *rand.Rand, d *damaged) { scramble(r, d, r.Intn(6), 4) }},
	{"aux", func(r *rand.Rand, d *damaged) { scramble(r, d, 9+r.Intn(12), 3) }},
	{"zero 512", func(r *rand.Rand, d *damaged) { block(d, r, 512, func(b []byte) { clear(b) }) }},
	{"zero 4096", func(r *rand.Rand, d *damaged) { block(d, r, 4096, func(b []byte) { clear(b) }) }},
	{"noise 4096", func(r *rand.Rand, d *damaged) { block(d, r, 4096, func(b []byte) { r.Read(b) }) }},
	{"missing 512", func(r *rand.Rand, d *damaged) {
		i := r.Intn(len(d.bytes)/512-1) * 512
		d.splice(i, i+512, nil)
	}},
	{"swapped 4096", func(r *rand.Rand, d *damaged) { swap(r, d, 4096) }},
	{"cut short", func(r *rand.Rand, d *damaged) { d.splice(1+r.Intn(len(d.bytes)-1), len(d.bytes), nil) }},
	{"inserted", func(r *rand.Rand, d *damaged) {
		i, b := r.Intn(len(d.bytes)), make([]byte, 1+r.Intn(20))
		r.Read(b)
		d.splice(i, i, b)
	}},
	{"swapped 512", func(r *rand.Rand, d *damaged) { swap(r, d, 512) }},
	{"zero tail", func(r *rand.Rand, d *damaged) {
		i := r.Intn(len(d.bytes))
		d.splice(i, len(d.bytes), make([]byte, len(d.bytes)-i))
	}},
	{"many", func(r *rand.Rand, d *damaged) {
		for range 2 + r.Intn(49) {
			scramble(r, d, r.Intn(len(d.bytes)-8), 1+r.Intn(4))
		}
	}},
	{"opcode", func(r *rand.Rand, d *damaged) {
		i := bytes.IndexByte(d.bytes[12:], opSelectDB) + 12
		scramble(r, d, i, 1)
	}},
	{"inside LZF", func(r *rand.Rand, d *damaged) {
		for range 200 {
			if i := r.Intn(len(d.bytes) - 64); d.bytes[i] == 0xC3 && d.bytes[i+1]&0xC0 == 0x40 {
				scramble(r, d, i+8, 4)
				return
			}
		}
	}},
	{"two dumps", func(r *rand.Rand, d *damaged) {
		d.splice(len(d.bytes), len(d.bytes), foreign)
		scramble(r, d, r.Intn(d.size()), 3)
	}},
	{"foreign tail", func(r *rand.Rand, d *damaged) {
		from := r.Intn(len(foreign) - 100)
		d.splice(len(d.bytes), len(d.bytes), foreign[from:])
	}},
	{"blocks", func(r *rand.Rand, d *damaged) {
		for range 2 + r.Intn(10) {
			block(d, r, 512, func(b []byte) { clear(b) })
		}
	}},
}

func scramble(r *rand.Rand, d *damaged, at, n int) {
	b := make([]byte, n)
	r.Read(b)
	d.splice(at, at+n, b)
}

// block changes an aligned block.
func block(d *damaged, r *rand.Rand, size int, change func([]byte)) {
	i := r.Intn(len(d.bytes)/size) * size
	b := append([]byte{}, d.bytes[i:i+size]...)
	change(b)
	d.splice(i, i+size, b)
}

// swap puts two aligned blocks into each other's place.
func swap(r *rand.Rand, d *damaged, size int) {
	n := len(d.bytes) / size
	i, j := r.Intn(n/2)*size, (n/2+r.Intn(n-n/2))*size
	b, from := bytes.Clone(d.bytes), slices.Clone(d.from)
	copy(d.bytes[i:i+size], b[j:j+size])
	copy(d.from[i:i+size], from[j:j+size])
	copy(d.bytes[j:j+size], b[i:i+size])
	copy(d.from[j:j+size], from[i:i+size])
}

// foreign is another file.
var foreign, _ = fuzz.RDB(4711, fuzz.RDBOptions{Target: rdb.Version10, Keys: 60})

// size is that of the file before it was damaged.
func (d *damaged) size() int { return len(d.original.bytes) }

// becomes makes b the damaged file, of which is known what was done to it. It begins as before and ends as before, but for the checksum; what of the rest stood elsewhere is found out.
func (d *damaged) becomes(b []byte, m fuzz.Mutation) {
	if m.Kind == "record-splice" || m.Kind == "splice" {
		d.put = [2]int{m.Offset, m.Offset + m.Length}
	}
	i, last := alike(d.bytes, b)
	if n := crc64.Size; last == 0 && i < len(b) && min(len(b), len(d.bytes)) > n { // the checksum was made anew
		d.splice(len(d.bytes)-n, len(d.bytes), b[len(b)-n:])
		i, last = alike(d.bytes[:len(d.bytes)-n], b[:len(b)-n])
		last += n
	}
	d.splice(i, len(d.bytes)-last, b[i:len(b)-last])
	d.trace(i, len(b)-last)
}

// alike returns how many bytes two files have in common at their beginnings, and at their ends.
func alike(a, b []byte) (first, last int) {
	n := min(len(a), len(b))
	for first < n && a[first] == b[first] {
		first++
	}
	for last < n-first && a[len(a)-1-last] == b[len(b)-1-last] {
		last++
	}
	return first, last
}

// trace finds out what of the bytes [i, j), which were put in, stood elsewhere in the original.
func (d *damaged) trace(i, j int) {
	const least, word, most = 24, 8, 16 // bytes that are no accident, by how many places are found, how many of these are looked at
	old, b := d.original.bytes, d.bytes
	if j-i < least {
		return
	}
	places := map[uint64][]int32{}
	for p := range len(old) - word + 1 {
		w := binary.LittleEndian.Uint64(old[p:])
		if l := places[w]; len(l) < most {
			places[w] = append(l, int32(p))
		}
	}
	for p := i; p+least <= j; {
		at, n := 0, 0
		for _, c := range places[binary.LittleEndian.Uint64(b[p:])] {
			l, _ := alike(old[c:], b[p:j])
			if l > n {
				at, n = int(c), l
			}
		}
		if n < least {
			p++
			continue
		}
		for k := range n {
			d.from[p+k] = int32(at + k)
		}
		p += n
	}
}

// TestSalvageGenerated salvages generated files that every mutator has damaged.
func TestSalvageGenerated(t *testing.T) {
	t.Parallel()
	rounds, keys := 1, 200
	if big() {
		rounds, keys = 20, 1000
	}
	all := newTally(t)
	targets := []rdb.Target{rdb.Version8, rdb.Version10, rdb.Version12, rdb.Version13, rdb.Version80}
	if testing.Short() {
		targets = targets[:1]
	}
	for i, target := range targets {
		o := generated(t, target, keys, uint64(i))
		for round := range rounds {
			for _, m := range mutators {
				d := newDamaged(o, fmt.Sprintf("%s %d", m.name, round))
				m.damage(rand.New(rand.NewSource(int64(round*1000+i))), d)
				all.try(m.name, d)
			}
			for _, kind := range fuzz.MutationKinds() {
				if strings.HasPrefix(kind, "text-") {
					continue // changes bytes everywhere, and is healed
				}
				b, m, ok := fuzz.MutateKind(kind, uint64(round*100+i), o.bytes)
				if !ok {
					continue
				}
				d := newDamaged(o, m.String())
				d.becomes(b, m)
				all.try("fuzz: "+kind, d)
			}
		}
	}
	total := table(t, all.scores)
	report(t, "untouched and lost", all.lost)
	report(t, "wrong", all.bad)
	require.Zero(t, total.failed)
	require.GreaterOrEqual(t, float64(total.found), 0.999*float64(total.untouched))
	// Nothing tells a whole record of another file that was put in, or a valid expiry, from the file's own; and a block in another's place may continue the value of a key with what fits.
	require.LessOrEqual(t, float64(total.invented+total.cutShort), max(2, 0.000003*float64(total.untouched)))
}

// TestSalvageGeneratedWrong has damages of which records were kept that were not in the file, or many lost.
func TestSalvageGeneratedWrong(t *testing.T) {
	for _, c := range []struct {
		target rdb.Target
		file   int64
		kind   string // a mutator, or a mutation of package fuzz
		round  int64
		lost   int
	}{
		{rdb.Version8, 0, "framing byte", 2, 2}, // a head of a collection so large that it would fill the file many times over: what follows is no elements
		{rdb.Version8, 0, "aux", 15, 0},
		{rdb.Version10, 1, "framing byte", 6, 0},
		{rdb.Version12, 2, "fuzz: record-remove", 7, 0}, // a key is missing by the counts, and the last elements of a set read as another one
		{rdb.Version80, 4, "blocks", 0, 0},              // the same of two elements behind a torn set, which read as a string
		{rdb.Version13, 3, "many", 12, 4},               // and of a field behind one that expires
		{rdb.Version80, 4, "framing byte", 13, 1},       // the nodes of a list, of which the key is torn
		{rdb.Version10, 1, "swapped 512", 19, 0},        // the end of a stream's id
		{rdb.Version8, 0, "noise 4096", 3, 0},           // noise that reads as two integers
		{rdb.Version10, 1, "many", 5, 1},                // a damaged sorted set ends with the expiry of the next key
		{rdb.Version12, 2, "fuzz: record-cut", 10, 1},   // and one that nothing shows the damage of
		{rdb.Version13, 3, "swapped 4096", 15, 1},       // a block of one database in a value of another
		{rdb.Version12, 2, "swapped 4096", 12, 0},       // one in the rest of a torn value
	} {
		if testing.Short() && c.kind != "framing byte" {
			continue
		}
		o := generated(t, c.target, 1000, uint64(c.file))
		d := newDamaged(o, fmt.Sprintf("%s %d", c.kind, c.round))
		if kind, ok := strings.CutPrefix(c.kind, "fuzz: "); ok {
			b, _, ok := fuzz.MutateKind(kind, uint64(c.round*100+c.file), o.bytes)
			require.True(t, ok)
			d.becomes(b, fuzz.Mutation{})
		} else {
			i := slices.IndexFunc(mutators, func(m mutator) bool { return m.name == c.kind })
			mutators[i].damage(rand.New(rand.NewSource(c.round*1000+c.file)), d)
		}
		sc, _ := rate(t, d)
		assert.LessOrEqual(t, len(sc.lost), c.lost, "%s: %v", d.name, sc.lost)
		assert.Empty(t, sc.bad, d.kind)
	}
}

// TestSalvageUndamaged: of a sound file everything is kept, whatever it holds.
func TestSalvageUndamaged(t *testing.T) {
	files := uint64(60)
	switch {
	case big():
		files = 600
	case testing.Short():
		files = 12
	}
	seeds := []uint64{
		618, // an empty key behind a value that ends with zeros
		158, // an empty key with a length longer than need be
		874, // a value that is one byte over and over, that of RESIZEDB
		63,  // the first key of a database without counts has no name
		106, // the same, its value is packed
		542, // no fields, and a value near the beginning is a file with some
		317, // a type that is not written any more, in a file without a checksum
	}
	for seed := range files {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		opt := fuzz.AnyOptions(seed)
		opt.Keys *= 20
		b, _ := fuzz.RDB(seed, opt)
		s, err := Salvage(context.Background(), bytes.NewReader(b), int64(len(b)), SalvageOptions{})
		require.NoError(t, err)
		require.Zero(t, s.LostBytes, "seed %d: %v", seed, s.Regions)
		require.Zero(t, s.Gaps, seed)
		require.True(t, s.Complete)
		rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{})
		require.NoError(t, err)
		require.Equal(t, rep.Keys, s.Keys, seed)
	}
}
