package repair

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// large returns a value of every kind that has elements, too large for one node or listpack.
func large(n int) map[string]rdb.Value {
	list, set, hash := make(rdb.List, n), make(rdb.Set, n), make(rdb.Hash, n)
	scored := make(rdb.SortedSet, n)
	s := &rdb.Stream{}
	s.Length, s.Added = uint64(n), uint64(n)
	for i := range n {
		item := fmt.Appendf(nil, "item number %d", i)
		list[i], set[i] = item, item
		hash[i] = rdb.HashField{Name: item, Value: []byte("value"), ExpireAt: rdb.NoExpire}
		scored[i] = rdb.ScoredMember{Member: item, Score: float64(i)}
		s.Entries = append(s.Entries, rdb.StreamEntry{ID: rdb.StreamID{MS: uint64(i + 1)}, Fields: [][]byte{[]byte("f"), item}})
	}
	s.FirstID, s.LastID = s.Entries[0].ID, s.Entries[n-1].ID
	return map[string]rdb.Value{"list": list, "set": set, "hash": hash, "sorted set": scored, "stream": s}
}

// around is a file with a value between two strings, and the offset of the item in the middle of it.
func around(t testing.TB, v rdb.Value, n int) (file []byte, middle int) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{NoCompression: true})
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("key:before")), rdb.String("x")))
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("key:value")), v))
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("key:after")), rdb.String("y")))
	require.NoError(t, w.Close())
	middle = bytes.Index(b.Bytes(), fmt.Appendf(nil, "item number %d", n/2))
	require.Positive(t, middle)
	return b.Bytes(), middle
}

// TestSalvagePartial: of a value that is damaged in the middle the elements before are kept if that is wanted, they are counted and reported, and
// a server loads them.
func TestSalvagePartial(t *testing.T) {
	t.Parallel()
	n := 4000
	if testing.Short() {
		n = 1200
	}
	server := loaders(t)["installed"]
	for name, v := range large(n) {
		for damage, change := range map[string]func(file []byte, at int) []byte{
			"size":  func(f []byte, at int) []byte { f[at-1] ^= 0x05; return f },
			"block": func(f []byte, at int) []byte { clear(f[at : at+512]); return f },
			"end":   func(f []byte, at int) []byte { return f[:at] },
		} {
			file, at := around(t, v, n)
			file = change(file, at)
			drop, out := salvage(t, file, SalvageOptions{})
			require.Zero(t, drop.PartialKeys)
			require.NotContains(t, string(out), "key:value", "%s %s", name, damage)

			keep, out := salvage(t, file, SalvageOptions{Partial: PartialKeep})
			require.EqualValues(t, 1, keep.PartialKeys, "%s %s: %v", name, damage, keep.Regions)
			require.Equal(t, drop.Keys+1, keep.Keys, "%s %s", name, damage)
			lost := keep.Lost[0]
			require.Equal(t, "key:value", string(lost.Key), "%s %s", name, damage)
			assert.Greater(t, lost.Kept, int64(n/4), "%s %s", name, damage)
			assert.LessOrEqual(t, lost.Kept, int64(n/2), "%s %s", name, damage)
			beginning(t, out, v, lost.Kept)
			if server == nil {
				continue
			}
			got := server.Load(out)
			require.True(t, got.OK, "%s %s: %s", name, damage, got.Log)
			keys, err := got.Server.KeyCount()
			require.NoError(t, err)
			require.Equal(t, keep.Keys, keys)
		}
	}
}

// TestSalvagePartialZeros: zeros read as members without a name, the first of which would be one that no other is like.
func TestSalvagePartialZeros(t *testing.T) {
	var set rdb.Set
	for i := range 600 {
		set = append(set, strconv.AppendInt([]byte("m"), int64(i+100), 10))
	}
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{})
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("key:value")), set))
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("key:after")), rdb.String("y")))
	require.NoError(t, w.Close())
	file := b.Bytes()
	at := bytes.Index(file, []byte("m500")) - 1
	copy(file[at:], "\x00\x00\x02ab") // for one member three, and so much is left over at the end
	s, out := salvage(t, file, SalvageOptions{Partial: PartialKeep})
	require.EqualValues(t, 1, s.PartialKeys)
	require.EqualValues(t, 400, s.Lost[0].Kept)
	for rec, err := range rdb.NewReader(bytes.NewReader(out)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok && string(e.Key) == "key:value" {
			v, err := e.Value()
			require.NoError(t, err)
			require.ElementsMatch(t, set[:400], v)
		}
	}
}

// salvage returns the account and the output, which has no fault.
func salvage(t testing.TB, file []byte, opt SalvageOptions) (*Salvaged, []byte) {
	s, err := Salvage(context.Background(), bytes.NewReader(file), int64(len(file)), opt)
	require.NoError(t, err)
	var out bytes.Buffer
	_, err = s.WriteTo(&out)
	require.NoError(t, err)
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(out.Bytes()), rdb.VerifyOptions{DuplicateKeys: true, Hints: true})
	require.NoError(t, err)
	require.Equal(t, s.Keys, rep.Keys, "%v %+v", s.Regions, s.partials)
	return s, out.Bytes()
}

// beginning demands that the elements kept are the first ones of the value.
func beginning(t testing.TB, out []byte, v rdb.Value, kept int64) {
	r := rdb.NewReader(bytes.NewReader(out))
	for r.Next() {
		e, ok := r.Record().(*rdb.Entry)
		if !ok || string(e.Key) != "key:value" {
			continue
		}
		got, err := e.Value()
		require.NoError(t, err)
		switch want := v.(type) {
		case rdb.List:
			require.Equal(t, want[:kept], got)
		case rdb.Set:
			require.Equal(t, want[:kept], got)
		case rdb.Hash:
			require.Equal(t, want[:kept], got)
		case rdb.SortedSet: // servers write them from the highest score down
			require.ElementsMatch(t, want[len(want)-int(kept):], got)
		case *rdb.Stream:
			require.Equal(t, want.Entries[:kept], got.(*rdb.Stream).Entries)
		}
		return
	}
	t.Error("the key is not there")
}

// TestSalvagePartialDuplicate prefers a whole key to a later one of which only the beginning is left.
func TestSalvagePartialDuplicate(t *testing.T) {
	const n = 4000
	file, at := around(t, large(n)["list"], n)
	whole := []byte("\x00\x09key:value\x05whole")
	first := bytes.Index(file, []byte("\x00\x0akey:before"))
	file[at-1] ^= 0x05
	file = concat(file[:first], whole, file[first:])
	s, out := salvage(t, file, SalvageOptions{Partial: PartialKeep})
	require.Zero(t, s.PartialKeys)
	require.EqualValues(t, 1, s.DuplicateKeys)
	require.Contains(t, string(out), string(whole))
}

// TestSalvageServersLoadPartial has the servers of each family load what is kept of generated files with damaged values.
func TestSalvageServersLoadPartial(t *testing.T) {
	servers := map[rdb.Target]string{rdb.Version10: "installed", rdb.Version13: oracle.Redis86, rdb.Version80: oracle.Valkey91}
	all := loaders(t)
	for target, name := range servers {
		if all[name] == nil {
			continue
		}
		partial := int64(0)
		for seed := range uint64(4) {
			o := generated(t, target, 60, seed)
			d := newDamaged(o, "")
			for i := 3; i < len(o.keys); i += 7 {
				at := int(o.keys[i].start+o.keys[i].end) / 2
				d.splice(at, at+2, []byte{0xFE, 0x81})
			}
			s, out := salvage(t, d.bytes, SalvageOptions{Partial: PartialKeep})
			partial += s.PartialKeys
			got := all[name].Load(out)
			require.True(t, got.OK, "%s seed %d: %s", name, seed, got.Log)
			keys, err := got.Server.KeyCount()
			require.NoError(t, err)
			require.Equal(t, s.Keys, keys, "%s seed %d", name, seed)
		}
		assert.Positive(t, partial, name)
	}
}
