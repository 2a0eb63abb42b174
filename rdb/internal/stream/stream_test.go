package stream

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
)

// node is a listpack of ints and strings.
func node(entries ...any) []byte {
	var w listpack.Writer
	w.Reset(nil)
	for _, e := range entries {
		switch e := e.(type) {
		case int:
			w.AddInt(int64(e))
		case int64:
			w.AddInt(e)
		case string:
			w.AddString([]byte(e))
		}
	}
	b, err := w.Finish()
	if err != nil {
		panic(err)
	}
	return b
}

// seen walks a node and returns what was shown, in words.
func seen(b []byte) (out []string, live int64, n *Node, err error) {
	n = &Node{}
	var it listpack.Iter
	it.Reset(b)
	live, err = n.Walk(&it, func(e *Entry) { out = append(out, fmt.Sprintf("%d-%d %q %v", e.MS, e.Seq, e.Fields, e.Deleted())) })
	return out, live, n, err
}

// records is a node of three: one of the master's fields, one deleted, one of its own fields.
var records = []any{2, 1, 2, "f", 7, 0,
	FlagSameFields, 0, 0, "a", -5, 5,
	FlagSameFields | FlagDeleted, 1, 2, "b", "c", 5,
	0, 3, 0, 1, "own", int64(1 << 40), 6}

func TestWalk(t *testing.T) {
	out, live, n, err := seen(node(records...))
	require.NoError(t, err)
	assert.NoError(t, n.Miscount())
	assert.EqualValues(t, 2, live)
	assert.Equal(t, []string{`0-0 ["f" "a" "7" "-5"] false`, `1-2 ["f" "b" "7" "c"] true`, `3-0 ["own" "1099511627776"] false`}, out)

	var it listpack.Iter
	it.Reset(node(records...))
	live, err = n.Walk(&it, nil)
	assert.NoError(t, err)
	assert.EqualValues(t, 2, live, "without showing them")

	_, live, _, err = seen(node(0, 0, 0, 0))
	assert.NoError(t, err)
	assert.Zero(t, live, "a node without records")
	_, live, _, err = seen(node(1, 0, 0, "0", "2", "1", "+1", 3))
	assert.ErrorContains(t, err, "record's id is no number")
	assert.Zero(t, live)
}

// TestFaults breaks each rule of the records.
func TestFaults(t *testing.T) {
	with := func(place int, v any) []any {
		r := slices.Clone(records)
		r[place] = v
		return r
	}
	cases := []struct {
		name    string
		entries []any
		reason  string
	}{
		{"nothing", nil, "ends where a count of entries is expected"},
		{"count", with(0, "x"), "count of entries is no number"},
		{"deleted", with(1, "x"), "count of deleted entries is no number"},
		{"fields", with(2, ""), "count of fields is no number"},
		{"fields too many", []any{0, 0, int64(1 << 62)}, "ends where a field name is expected"},
		{"end of the master", with(5, 1), "the master record does not end with 0"},
		{"no end of the master", records[:5], "ends where a end of the master record is expected"},
		{"flags", with(6, "f"), "record's flags is no number"},
		{"ms", with(7, "f"), "record's id is no number"},
		{"seq", with(8, "f"), "record's id is no number"},
		{"value missing", records[:10], "ends where a value is expected"},
		{"size missing", records[:11], "ends where a record's size is expected"},
		{"size", with(11, 6), "a record's size is not that of the record"},
		{"own fields", with(21, "x"), "count of fields is no number"},
		{"own fields missing", records[:22], "ends where a field or value is expected"},
		{"own size", with(24, 5), "a record's size is not that of the record"},
		{"one more record", with(0, 3), "ends where a record's flags is expected"},
		{"one record less", with(0, 1), "entries behind the last record"},
		{"fewer than none", with(0, -2), "ends where a record's flags is expected"},
	}
	for _, c := range cases {
		_, _, _, err := seen(node(c.entries...))
		var e *CorruptError
		if assert.ErrorAs(t, err, &e, c.name) {
			assert.Equal(t, c.reason, e.Reason, c.name)
			assert.ErrorIs(t, err, ErrCorrupt, c.name)
			assert.Contains(t, err.Error(), c.reason, c.name)
		}
	}
}

// TestListpackFaults breaks the listpack below: its own errors come through, and a wrong count in its head is told apart.
func TestListpackFaults(t *testing.T) {
	b := node(records...)
	for i := 6; i < len(b)-1; i++ {
		broken := slices.Clone(b)
		broken[i] ^= 0x40
		_, _, _, err := seen(broken)
		if err != nil {
			assert.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, listpack.ErrCorrupt), "byte %d: %v", i, err)
		}
	}
	for cut := 7; cut < len(b); cut++ {
		_, _, n, err := seen(b[:cut])
		assert.Error(t, err, "cut at %d", cut)
		assert.NoError(t, n.Miscount())
	}
	b[4]++
	_, live, n, err := seen(b)
	assert.NoError(t, err)
	assert.Error(t, n.Miscount())
	assert.EqualValues(t, 2, live)
	b = node(records[:20]...)
	b[4]++
	_, _, _, err = seen(b)
	assert.ErrorIs(t, err, ErrCorrupt, "the count is wrong and the records end too early")
}

// FuzzWalk walks anything; what is shown does not depend on the walk before, nor on whether it is shown.
func FuzzWalk(f *testing.F) {
	f.Add(node(records...))
	f.Add(node(0, 0, 0, 0))
	f.Add(node(records[:20]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, live, n, err := seen(b)
		if int64(len(out)) < live {
			t.Fatalf("%d shown, %d live", len(out), live)
		}
		var it listpack.Iter
		it.Reset(b)
		again, err2 := n.Walk(&it, nil)
		if again != live || (err == nil) != (err2 == nil) {
			t.Fatalf("%d, %v; again %d, %v", live, err, again, err2)
		}
		demandPlain(t, b)
	})
}

// demandPlain demands that Plain accepts nothing that Walk does not, and returns whether it accepts.
func demandPlain(t *testing.T, b []byte) bool {
	t.Helper()
	plain, ok := Plain(b)
	if !ok {
		return false
	}
	_, live, n, err := seen(b)
	if err != nil || n.Miscount() != nil || live != plain {
		t.Fatalf("%d, but %d, %v, %v: %q", plain, live, err, n.Miscount(), b)
	}
	var it listpack.Iter
	it.Reset(b)
	if _, err := n.Walk(&it, nil); err != nil {
		t.Fatal(err)
	}
	if redis, valkey := it.Only(); redis >= 0 || valkey >= 0 {
		t.Fatalf("only for one family: %d, %d", redis, valkey)
	}
	return true
}

func TestPlain(t *testing.T) {
	sound := node(records...)
	require.True(t, demandPlain(t, sound))
	require.True(t, demandPlain(t, node(0, 0, 0, 0)))
	require.False(t, demandPlain(t, node("0", 0, 0, 0)), "text for a number is for Walk to read")
	accepted := 0
	for i := range sound {
		for bit := range 8 {
			b := slices.Clone(sound)
			b[i] ^= 1 << bit
			if demandPlain(t, b) {
				accepted++ // a letter
			}
		}
	}
	require.Less(t, accepted, 4*len(sound), "letters, ids and unknown flags may change")
	for n := range sound {
		require.False(t, demandPlain(t, sound[:n]))
	}
}

func BenchmarkPlain(b *testing.B) {
	all := []any{100, 0, 2, "field", "other", 0}
	for i := range 100 {
		all = append(all, FlagSameFields, i, 0, "value", i, 5)
	}
	blob := node(all...)
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		if _, ok := Plain(blob); !ok {
			b.Fatal("not plain")
		}
	}
}
