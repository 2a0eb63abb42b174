package rdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

func ExampleWriter() {
	var file bytes.Buffer
	w := rdb.NewWriter(&file, rdb.Version11, rdb.WriterOptions{})
	w.WriteAux([]byte("redis-ver"), []byte("7.2.0"))
	e := rdb.NewEntry(0, []byte("greeting"))
	e.ExpireAt = 4102444800000
	w.WriteEntry(e, rdb.String("hello"))
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%q\n", file.Bytes()[:26])
	// Output: "REDIS0011\xfa\tredis-ver\x057.2.0"
}

func ExampleWriter_WriteRecord() {
	src := redisFile(key(0, "k") + str("v"))
	var dst bytes.Buffer
	w := rdb.NewWriter(&dst, rdb.Version6, rdb.WriterOptions{})
	for rec, err := range rdb.NewReader(bytes.NewReader(src)).Records() {
		if err == nil {
			err = w.WriteRecord(rec)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Printf("%q\n", dst.Bytes()[:17])
	// Output: "REDIS0006\xfe\x00\x00\x01k\x01v\xff"
}

func bs(ss ...string) (b [][]byte) {
	for _, s := range ss {
		b = append(b, []byte(s))
	}
	return b
}

// write writes one key of each value.
func write(target rdb.Target, opt rdb.WriterOptions, values ...rdb.Value) ([]byte, error) {
	var buf bytes.Buffer
	w := rdb.NewWriter(&buf, target, opt)
	var errs error
	for i, v := range values {
		errs = errors.Join(errs, w.WriteEntry(rdb.NewEntry(0, fmt.Append(nil, "k", i)), v))
	}
	errs = errors.Join(errs, w.Close())
	return buf.Bytes(), errs
}

func TestWriterTypes(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 65))
	small := func(t rdb.Target) map[string]rdb.Type {
		return map[rdb.Target]map[string]rdb.Type{
			6:  {"list": 10, "long list": 1, "ints": 11, "set": 2, "long set": 2, "zset": 12, "long zset": 3, "hash": 13, "long hash": 4},
			7:  {"list": 14, "long list": 14, "ints": 11, "set": 2, "long set": 2, "zset": 12, "long zset": 3, "hash": 13, "long hash": 4},
			8:  {"list": 14, "long list": 14, "ints": 11, "set": 2, "long set": 2, "zset": 12, "long zset": 5, "hash": 13, "long hash": 4, "module": 7},
			9:  {"list": 14, "long list": 14, "ints": 11, "set": 2, "long set": 2, "zset": 12, "long zset": 5, "hash": 13, "long hash": 4, "module": 7, "stream": 15},
			10: {"list": 18, "long list": 18, "ints": 11, "set": 2, "long set": 2, "zset": 17, "long zset": 5, "hash": 16, "long hash": 4, "module": 7, "stream": 19},
			11: {"list": 18, "long list": 18, "ints": 11, "set": 20, "long set": 2, "zset": 17, "long zset": 5, "hash": 16, "long hash": 4, "module": 7, "stream": 21},
			12: {"list": 18, "long list": 18, "ints": 11, "set": 20, "long set": 2, "zset": 17, "long zset": 5, "hash": 16, "long hash": 4, "module": 7, "stream": 21, "expiring": 25, "long expiring": 24},
			13: {"list": 18, "long list": 18, "ints": 11, "set": 20, "long set": 2, "zset": 17, "long zset": 5, "hash": 16, "long hash": 4, "module": 7, "stream": 26, "expiring": 25, "long expiring": 24},
			80: {"list": 18, "long list": 18, "ints": 11, "set": 20, "long set": 2, "zset": 17, "long zset": 5, "hash": 16, "long hash": 4, "module": 7, "stream": 21, "expiring": 22, "long expiring": 22},
		}[t]
	}
	values := map[string]rdb.Value{
		"list": rdb.List(bs("a", "1")), "long list": rdb.List(bs("a", long)),
		"ints": rdb.Set(bs("3", "-70000")), "set": rdb.Set(bs("a", "1")), "long set": rdb.Set(bs(long)),
		"zset":      rdb.SortedSet{{Member: []byte("m"), Score: 1.5}},
		"long zset": rdb.SortedSet{{Member: []byte(long), Score: 1.5}},
		"hash":      rdb.Hash{{Name: []byte("f"), Value: []byte("v"), ExpireAt: rdb.NoExpire}},
		"long hash": rdb.Hash{{Name: []byte("f"), Value: []byte(long), ExpireAt: rdb.NoExpire}},
		"expiring":  rdb.Hash{{Name: []byte("f"), Value: []byte("v"), ExpireAt: 5}, {Name: []byte("g"), ExpireAt: rdb.NoExpire}},
		"long expiring": rdb.Hash{
			{Name: []byte("g"), Value: []byte(long), ExpireAt: 9}, {Name: []byte("f"), ExpireAt: 5}, {Name: []byte("h"), ExpireAt: rdb.NoExpire},
		},
		"module": &rdb.Module{ID: 0x45e25238df912c03, Items: []rdb.ModuleItem{{Kind: rdb.ModuleFloat, Float: 0.5}, {Kind: rdb.ModuleDouble, Float: math.NaN()}}},
		"stream": &rdb.Stream{Entries: []rdb.StreamEntry{{ID: rdb.StreamID{MS: 1}, Fields: bs("f", "v")}}},
	}
	for _, target := range rdb.Targets() {
		for name, v := range values {
			t.Run(fmt.Sprintf("%v %s", target, name), func(t *testing.T) {
				b, err := rdb.AppendValueDump([]byte("before"), v, target, rdb.WriterOptions{})
				want, held := small(target)[name]
				if !held {
					require.ErrorIs(t, err, rdb.ErrNotHeld)
					require.Equal(t, "before", string(b))
					return
				}
				require.NoError(t, err)
				d, err := rdb.ParseDump(b[len("before"):])
				require.NoError(t, err)
				require.NoError(t, d.Check())
				require.Equal(t, want, d.Type)
			})
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	expiring := rdb.Hash{{Name: []byte("f"), Value: []byte("v"), ExpireAt: 5}}
	nacked := &rdb.Stream{Groups: []rdb.StreamGroup{{Name: []byte("g"), Nacked: []rdb.StreamID{{MS: 1}}, Pending: []rdb.StreamPending{{ID: rdb.StreamID{MS: 1}, Count: 1}}}}}
	idmp := &rdb.Stream{Producers: []rdb.IDMPProducer{{ID: []byte("p")}}}
	for _, c := range []struct {
		name   string
		target rdb.Target
		value  rdb.Value
		want   rdb.UnsupportedError // Feature and Detail
		since  rdb.Target
	}{
		{"field expiry", 11, expiring, rdb.UnsupportedError{Feature: rdb.FeatureFieldExpire, Detail: `field "f"`}, 12},
		{"stream", 8, &rdb.Stream{}, rdb.UnsupportedError{Feature: rdb.FeatureStream}, 9},
		{"module", 7, &rdb.Module{}, rdb.UnsupportedError{Feature: rdb.FeatureModule}, 8},
		{"producers", 12, idmp, rdb.UnsupportedError{Feature: rdb.FeatureIDMP, Detail: `producer "p"`}, 13},
		{"producers, Valkey", 80, idmp, rdb.UnsupportedError{Feature: rdb.FeatureIDMP, Detail: `producer "p"`}, 0},
		{"given back", 13, nacked, rdb.UnsupportedError{Feature: rdb.FeatureNacked, Detail: `group "g", entry 1-0`}, 0},
		{"empty list", 13, rdb.List{}, rdb.UnsupportedError{Feature: rdb.FeatureEmpty}, 0},
		{"empty set", 6, rdb.Set{}, rdb.UnsupportedError{Feature: rdb.FeatureEmpty}, 0},
		{"empty zset", 80, rdb.SortedSet{}, rdb.UnsupportedError{Feature: rdb.FeatureEmpty}, 0},
		{"empty hash", 9, rdb.Hash{}, rdb.UnsupportedError{Feature: rdb.FeatureEmpty}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := write(c.target, rdb.WriterOptions{}, rdb.String("first"), c.value, rdb.String("last"))
			var got *rdb.UnsupportedError
			require.ErrorAs(t, err, &got)
			c.want.Target, c.want.Key, c.want.Kind = c.target, []byte("k1"), c.value.Kind()
			require.Equal(t, c.want, *got)
			since, ok := got.Since()
			require.Equal(t, c.since != 0, ok)
			if ok {
				require.Equal(t, c.since, since)
			}
			keys := contents(t, b)
			require.Len(t, keys, 2, "the writer goes on")

			b, err = write(c.target, rdb.WriterOptions{Drop: rdb.DropAll()}, rdb.String("first"), c.value, rdb.String("last"))
			require.NoError(t, err)
			flawless(t, b)
		})
	}
}

// TestWriterFatal is about what nothing makes the writer leave out.
func TestWriterFatal(t *testing.T) {
	field := func(at int64) rdb.Hash { return rdb.Hash{{Name: []byte("f"), Value: []byte("v"), ExpireAt: at}} }
	for _, c := range []struct {
		name    string
		target  rdb.Target
		value   rdb.Value
		feature rdb.Feature
	}{
		{"NaN", 13, rdb.SortedSet{{Member: []byte("m"), Score: math.NaN()}}, rdb.FeatureValue},
		{"no value", 13, nil, rdb.FeatureValue},
		{"half a field", 13, &rdb.Stream{Entries: []rdb.StreamEntry{{Fields: bs("f")}}}, rdb.FeatureValue},
		{"module item", 13, &rdb.Module{Items: []rdb.ModuleItem{{Kind: 9}}}, rdb.FeatureValue},
		{"field expiry 0", 12, field(0), rdb.FeatureFieldExpireRange},
		{"field expiry 2^48", 12, field(1 << 48), rdb.FeatureFieldExpireRange},
		{"field expiry -2", 80, field(-2), rdb.FeatureFieldExpireRange},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := write(c.target, rdb.WriterOptions{Drop: rdb.DropAll()}, c.value)
			var u *rdb.UnsupportedError
			require.ErrorAs(t, err, &u)
			require.Equal(t, c.feature, u.Feature)
		})
	}
	for _, at := range []int64{1, 1<<48 - 1} {
		b, err := write(12, rdb.WriterOptions{}, field(at))
		require.NoError(t, err)
		flawless(t, b)
	}
}

// TestWriterDrops shows what is left when something is left out, and that it is counted.
func TestWriterDrops(t *testing.T) {
	var buf bytes.Buffer
	w := rdb.NewWriter(&buf, rdb.Version8, rdb.WriterOptions{Drop: rdb.DropAll()})
	require.NoError(t, w.Function([]byte("#!lua name=x\n")))
	require.NoError(t, w.SlotInfo(1, 2, 3))
	require.NoError(t, w.SlotImport(bytes.Repeat([]byte("j"), 40), nil))
	require.NoError(t, w.ModuleAux(1, 2, nil))
	e := rdb.NewEntry(3, []byte("h"))
	e.Idle, e.Freq = 7, 9
	e.Meta = []rdb.KeyMeta{{Class: 1}}
	require.NoError(t, w.WriteEntry(e, rdb.Hash{{Name: []byte("f"), Value: []byte("v"), ExpireAt: 5}}))
	require.NoError(t, w.WriteEntry(e, &rdb.Stream{}))
	require.NoError(t, w.Close())
	got := contents(t, buf.Bytes())
	want := []keyed{{DB: 3, Key: "h", ExpireAt: rdb.NoExpire, Idle: -1, Freq: -1, Value: rdb.Hash{{Name: []byte("f"), Value: []byte("v"), ExpireAt: rdb.NoExpire}}}}
	require.Empty(t, cmp.Diff(want, got, cmpopts.EquateEmpty()))
	require.Equal(t, map[rdb.Feature]int64{
		rdb.FeatureFunction: 1, rdb.FeatureSlotInfo: 1, rdb.FeatureSlotImport: 1, rdb.FeatureModuleAux: 1, rdb.FeatureIdle: 1, rdb.FeatureFreq: 1,
		rdb.FeatureKeyMeta: 1, rdb.FeatureFieldExpire: 1, rdb.FeatureStream: 1,
	}, w.Omitted())
}

// TestWriterRecords writes one of every record there is and reads the same back.
func TestWriterRecords(t *testing.T) {
	meta := []rdb.KeyMeta{{Class: 0x12345601, Items: []rdb.ModuleItem{{Kind: rdb.ModuleString, String: []byte("m")}, {Kind: rdb.ModuleSInt, Int: math.MaxUint64}}}}
	fill := func(w *rdb.Writer, holdsMeta bool) (err error) {
		e := rdb.NewEntry(2, []byte("k"))
		e.ExpireAt, e.Idle, e.Freq = 1, 2, 3
		if holdsMeta {
			e.Meta = meta
		} else {
			err = w.SlotImport(bytes.Repeat([]byte("j"), 40), []rdb.SlotRange{{First: 1, Last: 2}})
		}
		return errors.Join(err, w.WriteAux([]byte("name"), []byte("value")), w.Function([]byte("#!lua name=x\nreturn")), w.ModuleAux(1<<60, 1, meta[0].Items),
			w.SelectDB(2), w.ResizeDB(1, 1), w.SlotInfo(4, 5, 6), w.WriteEntry(e, rdb.String("v")), w.Close())
	}
	for _, target := range []rdb.Target{rdb.Version13, rdb.Version80} {
		var first, second bytes.Buffer
		require.NoError(t, fill(rdb.NewWriter(&first, target, rdb.WriterOptions{}), target.Holds(rdb.FeatureKeyMeta)))
		flawless(t, first.Bytes())
		w := rdb.NewWriter(&second, target, rdb.WriterOptions{Reencode: true})
		kinds := map[string]bool{}
		for rec, err := range rdb.NewReader(bytes.NewReader(first.Bytes())).Records() {
			require.NoError(t, err)
			kinds[fmt.Sprintf("%T", rec)] = true
			require.NoError(t, w.WriteRecord(rec))
		}
		require.Equal(t, first.Bytes(), second.Bytes())
		require.Len(t, kinds, 9, "%v", kinds)
	}
}

func TestWriterRaw(t *testing.T) {
	var buf bytes.Buffer
	w := rdb.NewWriter(&buf, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.WriteRaw(rdb.NewEntry(0, []byte("s")), rdb.TypeString, []byte("\x01v")))
	err := w.WriteRaw(rdb.NewEntry(1, []byte("h")), rdb.TypeHashTTL, nil)
	require.EqualError(t, err, `rdb: version REDIS 11 cannot hold a value of type 24 (hash-hashtable-md) (hash "h", database 1); version 12 can`)
	require.NoError(t, w.Close())
	require.Len(t, contents(t, buf.Bytes()), 1)
}

func TestWriterChecksum(t *testing.T) {
	b, err := write(rdb.Version9, rdb.WriterOptions{NoChecksum: true}, rdb.String("v"))
	require.NoError(t, err)
	require.Equal(t, make([]byte, 8), b[len(b)-8:])
	b, err = write(rdb.Version9, rdb.WriterOptions{}, rdb.String("v"))
	require.NoError(t, err)
	flawless(t, b)
	require.NotEqual(t, make([]byte, 8), b[len(b)-8:])
}

func TestWriterCompression(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789"), 10)
	size := map[bool]int{}
	for _, off := range []bool{false, true} {
		b, err := write(rdb.Version9, rdb.WriterOptions{NoCompression: off}, rdb.String(text))
		require.NoError(t, err)
		require.Equal(t, text, []byte(contents(t, b)[0].Value.(rdb.String)))
		size[off] = len(b)
	}
	require.Less(t, size[false], size[true]-80)
}

// TestWriterLarge passes values that do not fit the writer's buffer.
func TestWriterLarge(t *testing.T) {
	big := bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), 10000)
	list := rdb.List{[]byte("a"), big, []byte("b")}
	for i := range 20000 {
		list = append(list, fmt.Append(nil, "item ", i))
	}
	for _, target := range rdb.Targets() {
		b, err := write(target, rdb.WriterOptions{NoCompression: true}, rdb.String(big), list)
		require.NoError(t, err)
		flawless(t, b)
		keys := contents(t, b)
		require.True(t, bytes.Equal(big, keys[0].Value.(rdb.String)))
		require.Equal(t, list, keys[1].Value)
	}
}

// noise is a string that does not compress.
func noise(seed int) rdb.String {
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	s := make(rdb.String, 1<<16)
	for i := range s {
		s[i] = byte(rnd.Uint32())
	}
	return s
}

type failing struct{ after int }

var errDisk = errors.New("no space left")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestWriterErrors(t *testing.T) {
	w := rdb.NewWriter(&failing{after: 1 << 17}, rdb.Version12, rdb.WriterOptions{})
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = w.WriteEntry(rdb.NewEntry(0, []byte("k")), noise(i))
	}
	require.ErrorIs(t, err, errDisk)
	require.ErrorIs(t, w.SelectDB(1), errDisk)
	require.ErrorIs(t, w.Close(), errDisk)

	w = rdb.NewWriter(io.Discard, rdb.Version12, rdb.WriterOptions{})
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	require.ErrorIs(t, w.SelectDB(1), rdb.ErrClosed)

	w = rdb.NewWriter(io.Discard, 14, rdb.WriterOptions{})
	require.ErrorIs(t, w.WriteHeader(), rdb.ErrVersion)
	require.ErrorIs(t, w.Close(), rdb.ErrVersion)
	_, err = rdb.AppendValueDump(nil, rdb.String("v"), 14, rdb.WriterOptions{})
	require.ErrorIs(t, err, rdb.ErrVersion)
}

// TestWriterPreRelease is about what no server that was released loads.
func TestWriterPreRelease(t *testing.T) {
	w := rdb.NewWriter(io.Discard, rdb.Version13, rdb.WriterOptions{})
	err := w.WriteRecord(&rdb.Function{PreGA: true, Name: []byte("lib")})
	require.EqualError(t, err, `rdb: version REDIS 13 cannot hold a function library of a Redis 7.0 release candidate: "lib"`)
	require.ErrorIs(t, w.WriteRaw(rdb.NewEntry(0, nil), rdb.TypeModulePreGA, nil), rdb.ErrNotHeld)
	require.Error(t, w.WriteRecord(nil))
}

// TestWriterListNodes sets limits of nodes in items and in bytes.
func TestWriterListNodes(t *testing.T) {
	list := rdb.List(bs("a", "b", "c", "d", "e", "f", "g"))
	for _, c := range []struct{ size, nodes int }{{3, 3}, {1, 7}, {0, 7}, {100, 1}, {-1, 1}, {-9, 1}} {
		limits := rdb.DefaultLimits()
		limits.ListSize = c.size
		for _, target := range []rdb.Target{rdb.Version7, rdb.Version10, rdb.Version12} {
			b, err := rdb.AppendValueDump(nil, list, target, rdb.WriterOptions{Limits: &limits})
			require.NoError(t, err)
			require.Equal(t, c.nodes, int(b[1]), "%v, %d", target, c.size)
		}
	}
}

// TestWriterFaulty demands that a damaged value is not passed on, and that the next one is.
func TestWriterFaulty(t *testing.T) {
	for _, reencode := range []bool{false, true} {
		src := redisFile(key(16, "h")+str(lp("f", "v", "f", "w")), key(1, "e")+ln(0), key(2, "e2")+ln(0), key(0, "s")+str("v"))
		var dst bytes.Buffer
		w := rdb.NewWriter(&dst, rdb.Version13, rdb.WriterOptions{Reencode: reencode})
		var errs []error
		for rec, err := range rdb.NewReader(bytes.NewReader(src)).Records() {
			require.NoError(t, err)
			if err := w.WriteRecord(rec); err != nil {
				errs = append(errs, err)
			}
		}
		require.Len(t, errs, 3)
		require.ErrorIs(t, errs[0], rdb.ErrContent)
		require.ErrorIs(t, errs[1], rdb.ErrNotHeld)
		require.ErrorIs(t, errs[2], rdb.ErrNotHeld)
		flawless(t, dst.Bytes())
		require.Len(t, contents(t, dst.Bytes()), 1)
	}
}

// TestFeatures demands of the table of features that it is complete and that what it says is what happens.
func TestFeatures(t *testing.T) {
	for f := rdb.FeatureAux; f <= rdb.FeatureValue; f++ {
		require.NotEmpty(t, f.String(), f)
		require.False(t, f.Advisory() && f.Droppable())
		require.Equal(t, f.Advisory() || f.Droppable(), f.Without() != "", f.String())
		require.Equal(t, f.Droppable(), rdb.DropAll().Has(f))
	}
	require.True(t, rdb.Features(rdb.FeatureStream).Has(rdb.FeatureStream))
	require.False(t, rdb.Features(rdb.FeatureStream).Has(rdb.FeatureModule))
}
