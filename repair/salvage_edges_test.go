package repair

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// TestSalvageEdges damages files of the corpus so that what stands beside the damage can be read and is not what it seems to be. Nothing wrong may come out,
// and of the untouched keys no more than the one beside the damage may be left out.
func TestSalvageEdges(t *testing.T) {
	original := corpusOriginals(t)
	for _, c := range []struct {
		name, file string
		at, cut    int // cut -1: to the end
		put        string
	}{
		{"elements of a sorted set where the file is cut short", "rdb/redis-8.6/random2.rdb", 6850, -1, ""},
		{"string that takes a counter's opcode, what is left reads as a database", "rdb/redis-5.0/lfu.rdb", 581, 1, ""},
		{"string that takes the end mark and the checksum", "rdb/redis-7.0/misc.rdb", 8593, 1, "0a"},
		{"fields of a value of a module whose type is wrong", "rdb/redis-8.6/vectors.rdb", 6123, 1, "17"},
		{"string that takes the beginning of an expiry", "rdb/redis-6.2/lfu.rdb", 744, 8, ""},
		{"expiry with a byte put into it, before any other", "rdb/redis-7.0/lfu.rdb", 94, 0, "00"},
		{"field without its opcode", "rdb/redis-7.4/modules.rdb", 10, 0, "00"},
		{"key that ends with zeros", "rdb/valkey-9.1/scripts.rdb", 270, 16, "00000000000000001c317bfadabbbe68"},
		{"count longer than need be", "rdb/valkey-9.1/hashes.rdb", 12980, 1, "8000000001"},
		{"compressed string with bytes put into it", "rdb/redis-8.0/misc.rdb", 3602, 0, "d124"},
		{"stream whose type is that of a set, which ends before it", "rdb/valkey-8.0/streams.rdb", 85, 1, "0b"},
		{"HyperLogLog with a byte put into its name", "rdb/valkey-unstable/misc.rdb", 8082, 0, "01"},
		{"ziplist of numbers that has lost its beginning", "rdb/redis-4.0/lists.rdb", 61168, 512, ""},
		{"hash with fields that could expire, in a file cut short", "rdb/redis-8.6/random2.rdb", 14599, -1, ""},
		{"hash with fields that could expire, with a byte put into it", "rdb/redis-8.6/random2.rdb", 16138, 0, "00"},
		{"HyperLogLog with a byte put before most of its name", "rdb/redis-7.4/misc.rdb", 931, 0, "ff"},
	} {
		put, err := hex.DecodeString(c.put)
		require.NoError(t, err)
		d := newDamaged(original(c.file), c.name)
		end := c.at + c.cut
		if c.cut < 0 {
			end = len(d.bytes)
		}
		d.splice(c.at, end, put)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.LessOrEqual(t, len(sc.lost), 1, "%s: %v", c.name, sc.lost)
	}
}

// TestSalvageSwappedEdges exchanges two blocks of a file, so that a value ends with the type of the next key, or with the end of its expiry.
func TestSalvageSwappedEdges(t *testing.T) {
	original := corpusOriginals(t)
	for _, c := range []struct {
		file          string
		first, second int
	}{
		{"rdb/redis-6.2/dbs.rdb", 2143, 2516},
		{"rdb/redis-8.6/lfu.rdb", 244, 653},
		{"rdb/redis-7.4/lru.rdb", 193, 421},
		{"rdb/valkey-9.1/dbs.rdb", 960, 1536},
	} {
		const size = 64
		d := newDamaged(original(c.file), "swapped")
		d.applyEdits([]corpus.Edit{{Op: "swap", N: []int{c.first, size, c.second, size}}})
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad)
	}
}

// TestSalvageValuesLikeTimes: a sound file of which values end as expiries do keeps all of its keys.
func TestSalvageValuesLikeTimes(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	const keys = 40
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(keys, keys/2))
	for i := range keys {
		e := rdb.NewEntry(0, fmt.Appendf(nil, "page:%d", i))
		if i%2 == 0 {
			e.ExpireAt = 1900000000123 + int64(i)*77777
		}
		require.NoError(t, w.WriteEntry(e, rdb.String("text\x01\x02\x03\x05\x00\x00")))
	}
	require.NoError(t, w.Close())
	s, err := Salvage(context.Background(), bytes.NewReader(b.Bytes()), int64(b.Len()), SalvageOptions{})
	require.NoError(t, err)
	require.EqualValues(t, keys, s.Keys)
	require.Zero(t, s.DoubtfulKeys)
}

// TestSalvageFirstExpiry: of the first key's expiry, together with what selects its database, only the end is left. Other keys expire, so this one is not
// kept as one that never does.
func TestSalvageFirstExpiry(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 40 {
		e := rdb.NewEntry(0, fmt.Appendf(nil, "page:%d", i))
		if i%3 == 0 {
			e.ExpireAt = 4712345678901 + int64(i)*77777
		}
		require.NoError(t, w.WriteEntry(e, rdb.String(fmt.Appendf(nil, "text of page %d", i))))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "first expiry", b.Bytes())
	d := newDamaged(o, "its beginning lost")
	at := int(o.keys[0].start)
	d.splice(at-2, at+4, []byte{0x22, 0, 0x51, 0xa9, 0xbc, 0x74})
	sc, s := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Empty(t, sc.lost)
	assert.EqualValues(t, 39, s.Keys)
}

// TestSalvageExpiryReadAsEnd: an expiry of which most is 0xFF reads as an end mark and a checksum. What it belonged to is not kept without it.
func TestSalvageExpiryReadAsEnd(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 40 {
		e := rdb.NewEntry(0, fmt.Appendf(nil, "page:%d", i))
		e.ExpireAt = 1712345678901 + int64(i)*77777
		v := rdb.Value(rdb.String("dolor sed sit elit eiusmod abc"))
		if i%2 == 1 {
			v = rdb.Set{fmt.Append(nil, "x", i), fmt.Append(nil, "y", i)}
		}
		require.NoError(t, w.WriteEntry(e, v))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "expiries", b.Bytes())
	d := newDamaged(o, "an expiry, and the end of the value before it")
	at := int(o.keys[1].start)
	d.splice(at-3, at+6, bytes.Repeat([]byte{0xFF}, 9))
	sc, s := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.Empty(t, sc.lost)
	assert.EqualValues(t, 39, s.Keys)
}

// TestSalvageFalseEnd makes an end mark of what selects the last database, when as many keys were seen as the file said so far. It is no end: records
// begin within its checksum, or it stands right behind what selects a database, or its checksum is none.
func TestSalvageFalseEnd(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 60, 3: 60, 9: 60}, 0, 3, 9)
	at := bytes.LastIndex(o.bytes, []byte{opSelectDB, 9, opResizeDB})
	require.Positive(t, at)
	for name, c := range map[string]struct {
		from, n int
		keys    int64
	}{
		"the selection": {at, 1, 180}, "the counts": {at + 2, 9, 179}, "the operand, and what follows": {at + 1, 24, 179},
	} {
		b := bytes.Clone(o.bytes)
		for i := range c.n {
			b[c.from+i] = opEOF
		}
		for _, summed := range []bool{true, false} {
			if !summed {
				clear(b[len(b)-8:])
			}
			s, _ := salvage(t, b, SalvageOptions{})
			require.GreaterOrEqual(t, s.Keys, c.keys, "%s: %v", name, s.Regions)
		}
	}
}

// TestSalvageSwallowedByName loses a record whose bytes read as the head of another one, with a name that reaches to the value of the last record: no name is so long, and
// those that it passes over are kept.
func TestSalvageSwallowedByName(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	key := func() []byte { // as many programs' keys are
		k := make([]byte, 6+r.Intn(8))
		r.Read(k)
		return k
	}
	for i := range 60 {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, key()), rdb.String(strings.Repeat("a value of some length ", 1+i%7))))
	}
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("last")), rdb.Set{[]byte("1"), []byte("2")}))
	require.NoError(t, w.Close())
	o := newOriginal(t, "names", b.Bytes())
	bad, first := bytes.Clone(o.bytes), o.keys[3]
	value := o.keys[len(o.keys)-1].end - 13 // the set of integers, and its size before it
	clear(bad[first.start:first.end])
	clear(bad[o.keys[40].start:o.keys[40].end]) // what is between leads to none of those behind
	n := int(value) - int(first.end)
	require.Less(t, n, 1<<14)
	copy(bad[first.end-3:], []byte{byte(rdb.TypeSetIntset), 0x40 | byte(n>>8), byte(n)})
	s, _ := salvage(t, bad, SalvageOptions{})
	require.GreaterOrEqual(t, s.Keys, int64(len(o.keys)-5), "%v", s.Regions)
}

// TestSalvageLongNameOfDamaged: a key whose length has become one of kilobytes has other records in its name, and a value by luck, which is damaged and ends behind the expiry of a record. It takes
// no records with it.
func TestSalvageLongNameOfDamaged(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 120 {
		e, v := rdb.NewEntry(0, fmt.Appendf(nil, "%c:%d", "uqx"[i%3], i)), make([]byte, 50+r.Intn(200))
		if i%4 == 0 {
			r.Read(e.Key)
		}
		e.ExpireAt = 1_800_000_000_000 + r.Int63n(1e10)
		r.Read(v)
		require.NoError(t, w.WriteEntry(e, rdb.List{v, []byte("sit amet")}))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "lists", b.Bytes())
	const expiry = 9
	types := map[int]bool{}
	for _, k := range o.keys {
		types[int(k.start)+expiry] = true
	}
	lost := 0
	for i := 10; i < 60; i++ {
		at := int(o.keys[i].start) + expiry
		value := int(o.keys[i+20].start)
		for n := stringSize(o.bytes[value:]); n < 40 || !types[value+n]; n = stringSize(o.bytes[value:]) {
			value++
		}
		d := newDamaged(o, fmt.Sprint("name of key ", i))
		d.splice(at, at+3, append([]byte{byte(rdb.TypeSetIntset)}, appendLength(nil, uint64(value-at-3))...))
		sc, _ := rate(t, d)
		lost += len(sc.lost)
		assert.Empty(t, sc.bad)
	}
	require.LessOrEqual(t, lost, 60)
}

// TestSalvageFieldNoKey: the last field of a plain hash behind an empty value, which reads as a string with its key, is no key, neither where the hash is whole behind damage
// nor where its head is lost.
func TestSalvageFieldNoKey(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{Limits: &rdb.Limits{HashValue: 64, HashEntries: 1}})
	hash := func(key string, text ...string) {
		var h rdb.Hash
		for i := 0; i < len(text); i += 2 {
			h = append(h, rdb.HashField{Name: []byte(text[i]), Value: []byte(text[i+1]), ExpireAt: rdb.NoExpire})
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte(key)), h))
	}
	require.NoError(t, w.SelectDB(0))
	for i := range 60 {
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Appendf(nil, "user:%d", i)), rdb.String(fmt.Sprintf("value-of-%d", i))))
		if i%20 == 10 {
			long := strings.Repeat("h", 100)
			hash(fmt.Sprint("x", i), "1", "2", "", "", "f", long)
			hash(fmt.Sprint("profile:", i), "bio", long, "email", "", "n", "1")
		}
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "fields", b.Bytes())
	tried := 0
	for _, k := range o.keys {
		whole := strings.HasPrefix(k.key, "x")
		if !whole && !strings.HasPrefix(k.key, "profile") {
			continue
		}
		bad := bytes.Clone(o.bytes)
		if whole {
			clear(bad[k.start-40 : k.start-1])
		} else {
			clear(bad[k.start : k.start+12])
		}
		_, out := salvage(t, bad, SalvageOptions{})
		names := newOriginal(t, "out", out).names
		require.False(t, names["f"] || names["n"], "%s: %v", k.key, names)
		require.Equal(t, whole, names[k.key], "%s: %v", k.key, names)
		tried++
	}
	require.Equal(t, 6, tried)
}

// TestSalvageLastNodeNoKey: the last node of a list, which is a compressed string, with bytes before it that read as the head of a string, is no key, though some keys of the file
// are no text either.
func TestSalvageLastNodeNoKey(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 40 {
		key := fmt.Appendf(nil, "list:%d", i)
		if i%5 == 0 {
			r.Read(key)
		}
		var l rdb.List
		for k := range 300 {
			l = append(l, fmt.Appendf(nil, "an element of a list, the %dth of them, and some text that is the same in all of them", i*k))
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, key), l))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "lists", b.Bytes())
	tried, step := 0, 1
	if testing.Short() {
		step = 6
	}
	for i := 3; i < len(o.keys)-3; i += step {
		k, bad := o.keys[i], bytes.Clone(o.bytes)
		node := k.end - 1
		for node > k.start && (bad[node] != 0xC3 || int64(stringSize(bad[node:])) != k.end-node) {
			node--
		}
		if node < k.start+200 {
			continue
		}
		r.Read(bad[k.start : node-1])
		copy(bad[node-40:], "nothing before") // that noise made it seem to have
		name := bad[node-26 : node]           // 0, its size, and it; at the end what kind of node follows
		name[0], name[1] = byte(rdb.TypeString), 24
		_, out := salvage(t, bad, SalvageOptions{})
		for _, got := range newOriginal(t, "out", out).keys {
			require.True(t, o.names[got.key], "%d: %q", i, got.key)
		}
		tried++
	}
	require.Greater(t, tried, 20/step)
}

// TestSalvageLastNodeNoSortedSet: the last node of a list of names and numbers is what a sorted set holds, and the end of the node before it, with the kind of this one, what a name could be.
func TestSalvageLastNodeNoSortedSet(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{NoCompression: true})
	require.NoError(t, w.SelectDB(0))
	const name = 40 // bytes of it, with the end of the last item, its size, the end of the node, and the kind of the next
	for i := range 14 {
		key := fmt.Appendf(nil, "list:%d", i)
		if i%5 == 0 {
			r.Read(key)
		}
		var l rdb.List
		for k := range 400 {
			item := make([]byte, 60)
			r.Read(item)
			item[24], item[25] = byte(rdb.TypeZsetListpack), name
			l = append(l, item, fmt.Append(nil, 1000+k*7))
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, key), l))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "lists", b.Bytes())
	for i := 3; i < len(o.keys)-3; i++ {
		at := int(o.keys[i].start) + 100
		bad := slices.Delete(bytes.Clone(o.bytes), at, at+1)
		_, out := salvage(t, bad, SalvageOptions{})
		for _, got := range newOriginal(t, "out", out).keys {
			require.True(t, o.names[got.key], "%d: %q", i, got.key)
		}
	}
}

// TestSalvageIntegerKeys damages the first of many keys that are integers. What is learnt from those behind the damage says that others before these are keys too.
func TestSalvageIntegerKeys(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(100, 0))
	for i := range 100 {
		key := fmt.Append(nil, i-50)
		if i%8 == 7 {
			key = fmt.Append(nil, int64(i+10)*3_000_000_000) // no integer as servers write them
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, key), rdb.String("ab"[:i%3])))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "integers", b.Bytes())
	d := newDamaged(o, "a byte put into the first key")
	d.splice(int(o.keys[0].start)+1, int(o.keys[0].start)+1, []byte{0})
	sc, _ := rate(t, d)
	assert.Empty(t, sc.bad)
	assert.LessOrEqual(t, len(sc.lost), 1, "%v", sc.lost)
}

// TestSalvageFieldBehindEmptyValue: the last field of a hash, whose beginning is lost, and the empty value before it read as a string, the name of which is like the names of the fields before.
func TestSalvageFieldBehindEmptyValue(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{Limits: &rdb.Limits{}})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.ResizeDB(40, 0))
	for i := range 40 {
		var v rdb.Value = rdb.String(fmt.Sprintf("a value of session %d", i))
		if i == 20 {
			var h rdb.Hash
			for k := range 60 {
				f := rdb.HashField{Name: fmt.Append(nil, "f", k*7), Value: fmt.Append(nil, "value", k), ExpireAt: rdb.NoExpire}
				if k == 58 {
					f.Value = nil
				} else if k == 59 {
					f.Value = []byte(strings.Repeat("lorem ipsum ", 12))
				}
				h = append(h, f)
			}
			v = h
		}
		require.NoError(t, w.WriteEntry(rdb.NewEntry(0, fmt.Append(nil, "session:", i)), v))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "hash", b.Bytes())
	for _, cut := range []int64{30, 200, 600} {
		d := newDamaged(o, fmt.Sprint(cut))
		d.splice(int(o.keys[20].start)-9, int(o.keys[20].start+cut), nil)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, cut)
		assert.LessOrEqual(t, len(sc.lost), 1, "%v", sc.lost)
	}
}
