package repair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// numbered writes databases with so many keys each, named by their numbers.
func numbered(t testing.TB, hints bool, dbs map[uint64]int, order ...uint64) *original {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version10, rdb.WriterOptions{})
	for _, db := range order {
		require.NoError(t, w.SelectDB(db))
		if hints {
			require.NoError(t, w.ResizeDB(uint64(dbs[db]), 0))
		}
		for i := range dbs[db] {
			e := rdb.NewEntry(db, fmt.Appendf(nil, "db%d:key:%d", db, i))
			require.NoError(t, w.WriteEntry(e, rdb.String(fmt.Sprintf("a value of database %d, number %d", db, i))))
		}
	}
	require.NoError(t, w.Close())
	o := newOriginal(t, "databases", b.Bytes())
	require.NotNil(t, o)
	return o
}

// TestSalvageLostSelect loses the selection of a database together with keys on both sides of it. What follows is put where it must have been if the
// counts, or the databases around, prove it; else where it is wanted, and counted as guessed.
func TestSalvageLostSelect(t *testing.T) {
	nine := uint64(9)
	for _, c := range []struct {
		name    string
		hints   bool
		last    bool // the database whose selection is lost is the last one
		opt     SalvageOptions
		want    uint64
		guessed bool
	}{
		{"counts", true, false, SalvageOptions{}, 1, false},
		{"policy", false, false, SalvageOptions{LostDB: &nine}, 9, true},
		{"no policy", false, false, SalvageOptions{}, 0, true},
		{"counts, last", true, true, SalvageOptions{}, 1, true},
	} {
		dbs, order := map[uint64]int{0: 30, 1: 60, 2: 30}, []uint64{0, 1, 2}
		if c.last {
			order = order[:2]
		}
		o := numbered(t, c.hints, dbs, order...)
		d := newDamaged(o, c.name)
		d.splice(int(o.keys[27].start), int(o.keys[33].start), bytes.Repeat([]byte{0xF2, 0x99}, 30))
		s, out := salvage(t, d.bytes, c.opt)
		in := map[uint64]int64{}
		for _, a := range s.DBs {
			in[a.DB] = a.Kept
			assert.Equal(t, c.guessed && a.Guessed > 0, a.Guessed > 0, c.name)
		}
		if c.want == 0 {
			require.EqualValues(t, 27+57, in[0], c.name)
		} else {
			require.EqualValues(t, 27, in[0], c.name)
			require.EqualValues(t, 57, in[c.want], c.name)
		}
		if !c.last {
			require.EqualValues(t, 30, in[2], c.name)
		}
		r := rdb.NewReader(bytes.NewReader(out))
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok && bytes.HasPrefix(e.Key, []byte("db1:")) {
				require.Equal(t, c.want, e.DB, c.name)
			}
		}
		require.NoError(t, r.Err())
	}
}

// TestSalvageDuplicates: of keys with one name in one database the last is kept, among few and among many.
func TestSalvageDuplicates(t *testing.T) {
	for _, n := range []int{40, 4000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) { testSalvageDuplicates(t, n) })
	}
}

func testSalvageDuplicates(t *testing.T, n int) {
	o := numbered(t, true, map[uint64]int{0: n, 1: n}, 0, 1)
	again := func(value string) []byte { return append(append([]byte{0}, str("db0:key:7")...), str(value)...) }
	d := newDamaged(o, "")
	at := int(o.keys[20].start)
	d.splice(at, at, append(again("second"), again("third")...))
	at = int(o.keys[n+20].start) + len(d.bytes) - len(o.bytes)
	d.splice(at, at, again("of another database"))
	s, out := salvage(t, d.bytes, SalvageOptions{})
	require.EqualValues(t, 2, s.DuplicateKeys)
	left := int64(0)
	for _, r := range s.Regions {
		if r.Kind == RegionDuplicate {
			require.Contains(t, string(d.bytes[r.Start:r.End]), "db0:key:7")
			left += r.End - r.Start
		}
	}
	require.Positive(t, left)
	require.Equal(t, left, s.LostBytes, "nothing else is left out")
	require.EqualValues(t, 2*n+1, s.Keys)
	values := map[uint64]string{}
	r := rdb.NewReader(bytes.NewReader(out))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok && string(e.Key) == "db0:key:7" {
			v, err := e.Value()
			require.NoError(t, err)
			values[e.DB] = string(v.(rdb.String))
		}
	}
	require.Equal(t, map[uint64]string{0: "third", 1: "of another database"}, values)
}

// TestSalvageDuplicateOfAnotherDatabase: a key whose database is guessed does not take the place of one whose own is certain.
func TestSalvageDuplicateOfAnotherDatabase(t *testing.T) {
	o := numbered(t, false, map[uint64]int{0: 30, 5: 30, 9: 30}, 0, 5, 9)
	d := newDamaged(o, "")
	d.splice(int(o.keys[40].start), int(o.keys[40].start), append(append([]byte{0}, str("db0:key:7")...), str("of database 5")...))
	d.splice(int(o.keys[29].start), int(o.keys[31].start), bytes.Repeat([]byte{0xF2, 0x99}, 30))
	s, out := salvage(t, d.bytes, SalvageOptions{})
	require.EqualValues(t, 1, s.DuplicateKeys)
	seen := 0
	for rec, err := range rdb.NewReader(bytes.NewReader(out)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok && string(e.Key) == "db0:key:7" {
			v, err := e.Value()
			require.NoError(t, err)
			require.NotEqual(t, "of database 5", string(v.(rdb.String)))
			seen++
		}
	}
	require.Equal(t, 1, seen)
}

func str(s string) []byte { return append(appendLength(nil, uint64(len(s))), s...) }

// TestTruncate keeps what is before the first damage.
func TestTruncate(t *testing.T) {
	o := generated(t, rdb.Version10, 100, 1)
	d := newDamaged(o, "")
	d.splice(int(o.keys[70].start), int(o.keys[70].start)+1, []byte{0xF2})
	s, err := Truncate(context.Background(), bytes.NewReader(d.bytes), int64(len(d.bytes)), SalvageOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 70, s.Keys)
	var out bytes.Buffer
	_, err = s.WriteTo(&out)
	require.NoError(t, err)
	rep, err := rdb.Verify(context.Background(), &out, rdb.VerifyOptions{Hints: true})
	require.NoError(t, err)
	require.EqualValues(t, 70, rep.Keys)
}

var errDisk = errors.New("the disk does not answer")

// brokenDisk fails from an offset on.
type brokenDisk struct {
	io.ReaderAt
	from int64
}

func (d brokenDisk) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > d.from {
		return 0, errDisk
	}
	return d.ReaderAt.ReadAt(p, at)
}

type fullDisk struct{ room int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.room -= len(p); d.room < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// TestSalvageErrors: errors of input and output come through, and a salvage can be ended.
func TestSalvageErrors(t *testing.T) {
	o := generated(t, rdb.Version10, 300, 1)
	d := newDamaged(o, "")
	d.splice(int(o.keys[50].start), int(o.keys[50].start)+2, []byte{0xF2, 0xC4})
	src, size := bytes.NewReader(d.bytes), int64(len(d.bytes))
	_, err := Salvage(context.Background(), brokenDisk{src, size / 2}, size, SalvageOptions{})
	require.ErrorIs(t, err, errDisk)
	_, err = Truncate(context.Background(), brokenDisk{src, 4000}, size, SalvageOptions{})
	require.ErrorIs(t, err, errDisk)

	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err = Salvage(ctx, src, size, SalvageOptions{Progress: func(int64) { calls++; cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Positive(t, calls)
	_, err = Truncate(ctx, src, size, SalvageOptions{})
	require.ErrorIs(t, err, context.Canceled)

	s, err := Salvage(context.Background(), src, size, SalvageOptions{})
	require.NoError(t, err)
	_, err = s.WriteTo(&fullDisk{1000})
	require.ErrorIs(t, err, errDisk)
	s.src = brokenDisk{src, size / 2}
	_, err = s.WriteTo(io.Discard)
	require.ErrorIs(t, err, errDisk)
	for kind := RegionHeader; kind <= RegionEnd; kind++ {
		require.NotEmpty(t, kind.String())
	}
}

// TestSalvageSelectInNoise: a SELECTDB beside a gap is a part of what is lost there where it makes no sense.
func TestSalvageSelectInNoise(t *testing.T) {
	for _, hints := range []bool{true, false} {
		for name, damage := range map[string]func(b []byte, at, next int){
			"before a gap":                 func(b []byte, at, _ int) { copy(b[at:], []byte{opSelectDB, 0x40 | 7923>>8, 7923 & 0xFF, 0xF2, 0xF2}) },
			"behind a gap":                 func(b []byte, at, next int) { copy(b[at:], "\xF2\xF2"); copy(b[next-2:], []byte{opSelectDB, 52}) },
			"before a gap, a likely one":   func(b []byte, at, _ int) { copy(b[at:], []byte{opSelectDB, 3, 0xF2, 0xF2}) },
			"before a gap, the same again": func(b []byte, at, _ int) { copy(b[at:], []byte{opSelectDB, 0, 0xF2, 0xF2}) },
		} {
			if !hints && name == "before a gap, a likely one" {
				continue // nothing is known against it
			}
			o := numbered(t, hints, map[uint64]int{0: 400}, 0)
			b := bytes.Clone(o.bytes)
			damage(b, int(o.keys[200].start), int(o.keys[201].start))
			s, _ := salvage(t, b, SalvageOptions{})
			require.EqualValues(t, 399, s.Keys, name)
			require.Len(t, s.DBs, 1, name)
			require.Zero(t, s.DBs[0].DB, name)
		}
	}
}

// TestDatabasesBeyond: no file is promised that the server would refuse, because it does not have a database.
func TestDatabasesBeyond(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 40, 25: 40}, 0, 25)
	b := bytes.Clone(o.bytes)
	b[o.keys[20].start] = 0xF2
	for _, limit := range []uint64{0, 16, 26} {
		o := salvageOffer(t, b, PlanOptions{Databases: limit, AskDatabases: true, Strategies: []Strategy{StrategySalvage}})
		require.Equal(t, limit != 16, o.Possible)
		if require.Len(t, o.Salvaged.DBs, 2); limit == 16 {
			require.Contains(t, o.Reason, "database 25")
		}
	}
}

// salvageOffer is the only offer of a plan, applied if it is possible.
func salvageOffer(t *testing.T, b []byte, opt PlanOptions) *Offer {
	p, err := NewPlan(t.Context(), bytes.NewReader(b), int64(len(b)), opt)
	require.NoError(t, err)
	require.Len(t, p.Offers, 1)
	if p.Offers[0].Possible {
		_, err := p.Apply(t.Context(), filepath.Join(t.TempDir(), "out.rdb"), nil)
		require.NoError(t, err)
	}
	return &p.Offers[0]
}

// TestSalvageSelectOutOfOrder damages the number of a database that is selected. Where it is then not in order, of keys that can be of another database it is told, and none gives way to
// one of its name in another database.
func TestSalvageSelectOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		order   []uint64
		which   int    // the database whose selection is damaged
		number  byte   // and what it is then
		in      uint64 // where its keys are then
		guessed []uint64
	}{
		{"same as the next one", []uint64{0, 2, 3, 9}, 1, 3, 1, []uint64{1, 3}},
		{"same as the next one, which leaves but one", []uint64{0, 1, 2, 3}, 1, 2, 1, []uint64{1}},
		{"first, same as the next one", []uint64{0, 2, 3, 9}, 0, 2, 0, []uint64{0}},
		{"same as the last one", []uint64{0, 2, 3, 15}, 2, 15, 3, []uint64{3}},
		{"higher than the next one", []uint64{0, 2, 3, 9}, 1, 11, 1, []uint64{1}},
		{"lower than the one before", []uint64{1, 2, 8, 9}, 2, 0, 3, []uint64{3}},
		{"one of two", []uint64{0, 9, 10, 15}, 1, 13, 13, []uint64{10, 13}},
	} {
		dbs := map[uint64]int{}
		for _, db := range c.order {
			dbs[db] = 20
		}
		o := numbered(t, true, dbs, c.order...)
		d := newDamaged(o, c.name)
		sel := bytes.Index(o.bytes, []byte{opSelectDB, byte(c.order[c.which]), opResizeDB})
		d.splice(sel+1, sel+2, []byte{c.number})
		s, out := salvage(t, d.bytes, SalvageOptions{})
		require.Len(t, newOriginal(t, "out", out).keys, 80, c.name)
		guessed := []uint64(nil)
		for _, a := range s.DBs {
			if assert.Contains(t, []int64{0, 20}, a.Kept, "%s: %v", c.name, s.DBs); a.Guessed > 0 {
				guessed = append(guessed, a.DB)
				assert.EqualValues(t, 20, a.Guessed, c.name)
			}
			if a.DB == c.in {
				assert.EqualValues(t, 20, a.Kept, "%s: %v", c.name, s.DBs)
			}
		}
		assert.Equal(t, c.guessed, guessed, "%s: %v", c.name, s.DBs)
	}
}

// TestSalvageSelectTwice: a database that is selected twice because a part of the file stands twice has no keys that could be of another one.
func TestSalvageSelectTwice(t *testing.T) {
	o := numbered(t, true, map[uint64]int{0: 20, 2: 2, 9: 20}, 0, 2, 9)
	sel := bytes.Index(o.bytes, []byte{opSelectDB, 2, opResizeDB})
	end := bytes.Index(o.bytes, []byte{opSelectDB, 9, opResizeDB})
	s, _ := salvage(t, concat(o.bytes[:end], o.bytes[sel:end], o.bytes[end:]), SalvageOptions{})
	for _, a := range s.DBs {
		assert.Zero(t, a.Guessed, "%v", s.DBs)
	}
	assert.EqualValues(t, 42, s.Keys)
}

// TestSalvageNumberZeroed: zeros that begin just behind the opcode of a SELECTDB say nothing of the number.
func TestSalvageNumberZeroed(t *testing.T) {
	o := numbered(t, true, map[uint64]int{4: 40}, 4)
	bad := bytes.Clone(o.bytes)
	sel := bytes.Index(bad, []byte{opSelectDB, 4, opResizeDB})
	clear(bad[sel+1 : sel+100])
	s, _ := salvage(t, bad, SalvageOptions{})
	require.Greater(t, s.Keys, int64(30))
	for _, a := range s.DBs {
		assert.Equal(t, a.Kept, a.Guessed, "%v", s.DBs)
	}
}
