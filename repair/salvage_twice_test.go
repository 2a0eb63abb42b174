package repair

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// text is a string record.
func text(key, value string) []byte { return slices.Concat([]byte{0}, str(key), str(value)) }

// bytesOf returns the bytes of all regions of a kind.
func (s *Salvaged) bytesOf(b []byte, kind RegionKind) (all []byte) {
	for _, r := range s.Regions {
		if r.Kind == kind {
			all = append(all, b[r.Start:r.End]...)
		}
	}
	return all
}

// TestSalvageNamesDuplicates: keys that are left out as others of their names are kept are named, and their bytes are regions of their own.
func TestSalvageNamesDuplicates(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 40, 1: 40}, 0, 1)
	d := newDamaged(o, "")
	at := int(o.keys[20].start)
	second, third := text("db0:key:7", "second"), text("db0:key:7", "third")
	d.splice(at, at, slices.Concat(second, third))
	s, _ := salvage(t, d.bytes, SalvageOptions{})
	first := o.keys[7]
	kept := int64(at + len(second))
	require.Equal(t, []Duplicate{
		{DB: 0, Key: []byte("db0:key:7"), Offset: first.start, Kept: kept},
		{DB: 0, Key: []byte("db0:key:7"), Offset: int64(at), Kept: kept},
	}, s.Duplicates)
	require.Equal(t, string(o.bytes[first.start:first.end])+string(second), string(s.bytesOf(d.bytes, RegionDuplicate)))
	require.EqualValues(t, first.end-first.start+int64(len(second)), s.DuplicateBytes)
	require.Equal(t, s.DuplicateBytes, s.LostBytes)
	require.Empty(t, s.Lost)

	s, _ = salvage(t, d.bytes, SalvageOptions{MaxNames: 1})
	require.EqualValues(t, 2, s.DuplicateKeys)
	require.Equal(t, []Duplicate{{DB: 0, Key: []byte("db0:key:7"), Offset: first.start, Kept: kept}}, s.Duplicates)
}

// TestSalvageNamesPartialDuplicate: a later key of which only the beginning can be read gives way to a whole one, and then it is not lost.
func TestSalvageNamesPartialDuplicate(t *testing.T) {
	const n = 4000
	file, at := around(t, large(n)["list"], n)
	first := bytes.Index(file, []byte("\x00\x0akey:before"))
	file[at-1] ^= 0x05
	whole := text("key:value", "whole")
	file = concat(file[:first], whole, file[first:])
	s, _ := salvage(t, file, SalvageOptions{Partial: PartialKeep})
	require.Empty(t, s.Lost)
	require.Zero(t, s.DamagedKeys+s.PartialKeys)
	require.Len(t, s.Duplicates, 1)
	require.EqualValues(t, first, s.Duplicates[0].Kept)
	require.Greater(t, s.Duplicates[0].Offset, int64(first))
}

// TestSalvageNamesLibraries: function libraries that are left out are named as far as they say what they are called.
func TestSalvageNamesLibraries(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 40}, 0)
	library := func(code string) []byte { return append([]byte{opFunction}, str(code)...) }
	first, nameless, second := library("#!lua name=one\nfirst"), library("no first line, which says the name"), library("#!lua name=one\nsecond")
	d := newDamaged(o, "")
	d.splice(headerSize, headerSize, concat(first, nameless, second))
	s, _ := salvage(t, d.bytes, SalvageOptions{})
	require.ElementsMatch(t, []LostLibrary{
		{Name: []byte("one"), Offset: headerSize, Code: rdb.CodeFunctionDuplicate},
		{Offset: headerSize + int64(len(first)), Code: rdb.CodeFunctionHeader},
	}, s.LibrariesLost)
	require.Equal(t, first, s.bytesOf(d.bytes, RegionDuplicate))
	require.Equal(t, nameless, s.bytesOf(d.bytes, RegionDamaged))
	require.EqualValues(t, len(first)+len(nameless), s.LostBytes)
}

// TestForgottenLibrary: what was read of a dump inside a lost value and is given up does not take the place of the file's own.
func TestForgottenLibrary(t *testing.T) {
	s := newSalvager(t.Context(), bytes.NewReader(nil), 0, SalvageOptions{})
	defer s.close()
	s.segs = []segment{{}, {gap: true}}
	for i := range 2 {
		s.libs = append(s.libs, library{cut: cut{segment: i}})
	}
	s.dropSegments(1)
	s.cutLibraries()
	require.EqualValues(t, 1, s.out.Libraries)
	require.Zero(t, s.out.LostLibraries)
	require.Empty(t, s.cuts)
}

// TestSalvageMapsEveryByte: whatever the damage, the map has no holes, and intact is what the output is made of: all records that are kept, and what
// selects databases, which is written anew.
func TestSalvageMapsEveryByte(t *testing.T) {
	t.Parallel()
	twice := func(d *damaged, r *rand.Rand) {
		for range 5 {
			k, at := d.keys[r.Intn(len(d.keys))], d.keys[r.Intn(len(d.keys))].start
			d.splice(int(at), int(at), d.original.bytes[k.start:k.end])
		}
	}
	targets, keys := []rdb.Target{rdb.Version8, rdb.Version10, rdb.Version13, rdb.Version80}, 120
	if testing.Short() {
		targets, keys = targets[2:3], 60
	}
	for i, target := range targets {
		o := generated(t, target, keys, uint64(i))
		for k, m := range mutators {
			r := rand.New(rand.NewSource(int64(i*100 + k)))
			d := newDamaged(o, m.name)
			m.damage(r, d)
			if k%2 == 0 && len(d.bytes) == len(o.bytes) {
				twice(d, r)
			}
			s, _ := salvage(t, d.bytes, SalvageOptions{})
			everyByte(t, d, s)
		}
	}
}

func everyByte(t *testing.T, d *damaged, s *Salvaged) {
	at, sum := int64(0), map[RegionKind]int64{}
	kept := make([]bool, len(d.bytes))
	for _, g := range s.out {
		for _, p := range g.pieces {
			for i := s.lead + p.start; i < s.lead+p.end; i++ {
				if kept[i] {
					t.Fatalf("%s: byte %d is written twice", d.kind, i)
				}
				kept[i] = true
			}
		}
	}
	for _, r := range s.Regions {
		require.Equal(t, at, r.Start, "%s: %v", d.kind, s.Regions)
		require.Greater(t, r.End, r.Start, "%s: %v", d.kind, s.Regions)
		at = r.End
		sum[r.Kind] += r.End - r.Start
		for i := r.Start; i < r.End; i++ {
			switch {
			case r.Kind != RegionIntact && kept[i]:
				t.Fatalf("%s: byte %d is %v, and written", d.kind, i, r.Kind)
			case r.Kind == RegionIntact && !kept[i]:
				n := selection(d.bytes[i:])
				if n <= 0 {
					t.Fatalf("%s: byte %d is intact, and not written", d.kind, i)
				}
				i += n - 1
			}
		}
	}
	require.EqualValues(t, len(d.bytes), at, d.kind)
	lost := sum[RegionLost] + sum[RegionDamaged] + sum[RegionDoubt] + sum[RegionPadding] + sum[RegionDuplicate]
	assert.Equal(t, lost, s.LostBytes, d.kind)
	assert.Equal(t, sum[RegionDuplicate], s.DuplicateBytes, d.kind)
}

// selection returns the size of what selects a database, or says how many keys it has, that b begins with, 0 if it does not.
func selection(b []byte) int64 {
	size := 1
	switch b[0] {
	case opSelectDB:
		_, n, _, _ := lengthForm(b[1:])
		size += n
	case opResizeDB:
		for range 2 {
			_, n, _, _ := lengthForm(b[size:])
			size += n
		}
	default:
		return 0
	}
	return int64(size)
}

// TestSalvageReasonOfDuplicates: a file in which nothing else is wrong is not said to be damaged.
func TestSalvageReasonOfDuplicates(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 40}, 0)
	again := text("db0:key:7", "again")
	end := len(o.bytes) - 1 - crc64.Size
	b := slices.Concat(o.bytes[:end], again, o.bytes[end:])
	damaged, _ := salvage(t, b, SalvageOptions{})
	require.Contains(t, salvageReason(damaged), "inside of a string")
	require.Contains(t, salvageReason(damaged), "of those with one name the last is kept")
	clear(b[len(b)-crc64.Size:])
	unsummed, _ := salvage(t, b, SalvageOptions{})
	require.NotContains(t, salvageReason(unsummed), "damaged")
	require.Contains(t, salvageReason(unsummed), "of those with one name the last is kept")
}

// TestSalvageMapsOneBehindAnother: a file that is cut short, and another one behind it, into which the record that is cut may seem to reach.
func TestSalvageMapsOneBehindAnother(t *testing.T) {
	o := generated(t, rdb.Version13, 60, 3)
	places := 40
	if testing.Short() {
		places = 4
	}
	for i := range places {
		at := len(o.bytes) * (places + i) / (3 * places)
		d := newDamaged(o, "one behind another")
		d.bytes = slices.Concat(o.bytes[:at], o.bytes)
		s, _ := salvage(t, d.bytes, SalvageOptions{})
		everyByte(t, d, s)
	}
}

// TestSalvageTwiceAndDoubtful: a key that stands twice, and about which there is doubt, too, is left out once, whatever else stands twice.
func TestSalvageTwiceAndDoubtful(t *testing.T) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	for i := range 44 {
		name := fmt.Appendf(nil, "key:%d", i)
		e := rdb.NewEntry(uint64(i/40*5), name)
		switch i {
		case 2:
			e.Key = []byte("key:1")
		case 30:
			e.Key, e.ExpireAt = []byte("key:0"), 0x6F2065756C617620 // which is text
		}
		if i == 40 {
			require.NoError(t, w.SelectDB(5)) // so that the keys behind the damage may be of another database
		}
		require.NoError(t, w.WriteEntry(e, rdb.String(fmt.Sprint("value of key ", i))))
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "twice", b.Bytes())
	d := newDamaged(o, "noise")
	at := int(o.keys[20].start)
	d.splice(at, at+20, bytes.Repeat([]byte{0xF2, 0x91}, 10))
	s, out := salvage(t, d.bytes, SalvageOptions{})
	require.EqualValues(t, 41, s.Keys)
	require.EqualValues(t, 2, s.DuplicateKeys)
	require.Len(t, newOriginal(t, "out", out).keys, 41)
}
