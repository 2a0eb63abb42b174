package rdb_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestLibraryHeader has what servers have against the first line of a library.
func TestLibraryHeader(t *testing.T) {
	cases := []struct{ code, engine, name, err string }{
		{"#!lua name=mylib\n", "lua", "mylib", ""},
		{"#!LUA NAME='a_1'\nreturn", "LUA", "a_1", ""},
		{"#!lua name=mylib", "", "", "no line"},
		{"lua name=mylib\n", "", "", "no line"},
		{"#! \n", "", "", "no engine"},
		{"#!lua\n", "lua", "", "no library name"},
		{"#!lua name=\n", "lua", "", "no library name"},
		{"#!lua name=a name=b\n", "lua", "a", "two names"},
		{"#!lua flags=x\n", "lua", "", "unknown metadata flags=x"},
		{"#!lua name=a-b\n", "lua", "a-b", "other characters"},
		{"#!js name=a\n", "js", "a", "other than Lua: js"},
	}
	for _, c := range cases {
		engine, name, err := rdb.LibraryHeader([]byte(c.code))
		assert.Equal(t, c.engine, engine, c.code)
		assert.Equal(t, c.name, name, c.code)
		if c.err == "" {
			assert.NoError(t, err, c.code)
		} else {
			assert.ErrorContains(t, err, c.err, c.code)
		}
	}
}

func TestModuleIDOfNoModule(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int
	}{{"short", 1}, {"ninechars", -1}, {"ninechars", 1024}, {"nine char", 1}, {"ninecharé", 1}} {
		id, ok := rdb.NewModuleID(c.name, c.version)
		assert.False(t, ok, "%q, %d", c.name, c.version)
		assert.Zero(t, id)
	}
	id, ok := rdb.NewModuleID("A_b-C_d-9", 1023)
	require.True(t, ok)
	assert.Equal(t, "A_b-C_d-9", id.Name())
	assert.Equal(t, 1023, id.Version())
}

// nackStream is a stream of type 27 with a group that has two pending entries, of which one is given back.
func nackStream(given ...uint64) []byte {
	s := str("g") + ln(0) + ln(0) + ln(0) + ln(2)
	for _, p := range []uint64{1, 2} {
		s += id(p, 0) + le64(1000) + ln(1)
	}
	s += ln(1) + str("c") + le64(1000) + le64(1000) + ln(1) + id(1, 0)
	s += ln(uint64(len(given)))
	for _, p := range given {
		s += id(p, 0)
	}
	return redisFile(key(27, "k"), ln(0), streamTail(0, 1), ln(1), s, ln(100), ln(100), ln(0), ln(0), ln(0))
}

// TestNacked has entries that a consumer gave back: each has to be pending, and nobody's.
func TestNacked(t *testing.T) {
	r := rdb.NewReader(bytes.NewReader(nackStream(2)))
	var stream *rdb.Stream
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			v, err := e.Value()
			require.NoError(t, err)
			stream = v.(*rdb.Stream)
		}
	}
	require.NoError(t, r.Err())
	assert.Equal(t, []rdb.StreamID{{MS: 2}}, stream.Groups[0].Nacked)

	cases := []struct {
		name  string
		given []uint64
		code  rdb.Code
	}{
		{"not pending", []uint64{2, 3}, rdb.CodeNackUnknown},
		{"owned", []uint64{1, 2}, rdb.CodeNackUnknown},
		{"given back twice", []uint64{2, 2}, rdb.CodeNackUnknown},
		{"neither owned nor given back", nil, rdb.CodePendingUnowned},
	}
	for _, c := range cases {
		b := nackStream(c.given...)
		rep, _ := rdb.Verify(context.Background(), bytes.NewReader(b), everything)
		require.Len(t, rep.Faults, 1, c.name)
		assert.Equal(t, c.code, rep.Faults[0].Code, c.name)
		r := rdb.NewReader(bytes.NewReader(b))
		for r.Next() { // passes the value
		}
		assert.NoError(t, r.Err(), c.name)
	}
	whole := nackStream(2)
	for cut := len(whole) - 50; cut < len(whole); cut++ {
		_, err := rdb.Verify(context.Background(), bytes.NewReader(whole[:cut]), everything)
		assert.ErrorIs(t, err, rdb.ErrTruncated, "cut at %d", cut)
	}
}

// TestFieldExpiriesOfForeignListpacks counts a hash with a listpack entry that only the other family minds, as the checkers do.
func TestFieldExpiriesOfForeignListpacks(t *testing.T) {
	blob := lp("f", strings.Repeat("v", 16383-5), 1<<30) // written as Redis does
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(redisFile(key(25, "k"), le64(1<<30), str(blob))), everything)
	require.NoError(t, err)
	require.Len(t, rep.Faults, 1)
	assert.Equal(t, rdb.CodeBacklenValkey, rep.Faults[0].Code)
	assert.EqualValues(t, 1, rep.FieldExpires)
}

// TestExpiryInSeconds has the opcode of Redis before 2.6, a signed number of 32 bits.
func TestExpiryInSeconds(t *testing.T) {
	for seconds, want := range map[string]int64{"\x00\x00\x00\x00": 0, "\xff\xff\xff\x7f": 2147483647000, "\xff\xff\xff\xff": -1000, "\x01\x02\x03\x04": 67305985000} {
		r := rdb.NewReader(bytes.NewReader(redisFile("\xfd"+seconds, key(0, "k"), str("v"))))
		require.True(t, r.Next())
		require.True(t, r.Next(), "%v", r.Err())
		assert.Equal(t, want, r.Record().(*rdb.Entry).ExpireAt)
	}
	for cut := 10; cut < 14; cut++ {
		_, err := rdb.Verify(context.Background(), bytes.NewReader(redisFile("\xfd\x01\x02\x03\x04")[:cut]), everything)
		assert.ErrorIs(t, err, rdb.ErrTruncated)
	}
}

// TestNamesOfUnknowns has the names of what no file can hold, as they may stand in a message.
func TestNamesOfUnknowns(t *testing.T) {
	assert.NotEmpty(t, rdb.Code("no such rule").Meaning())
	assert.NotEmpty(t, rdb.Redis.TypeName(200))
	assert.NotEmpty(t, rdb.Kind(200).String())
	assert.False(t, rdb.Target(5).Valid())
}

// TestBreakingOff ends loops over records and elements early, and reads what was passed already.
func TestBreakingOff(t *testing.T) {
	b := redisFile(key(1, "l"), ln(3), str("a"), str("b"), str("c"), key(0, "k"), str("v"))
	for range rdb.NewReader(bytes.NewReader(b)).Records() {
		break
	}
	r := rdb.NewReader(bytes.NewReader(b))
	require.True(t, r.Next()) // the header
	require.True(t, r.Next())
	e := r.Record().(*rdb.Entry)
	for el, err := range e.Elements() {
		require.NoError(t, err)
		assert.Equal(t, "a", string(el.Data))
		break
	}
	for _, err := range e.Elements() {
		assert.ErrorIs(t, err, rdb.ErrConsumed)
	}
	assert.ErrorIs(t, e.Check(), rdb.ErrConsumed)
	_, err := e.Raw()
	assert.ErrorIs(t, err, rdb.ErrConsumed)
	require.True(t, r.Next())
	assert.Equal(t, "k", string(r.Record().(*rdb.Entry).Key))

	last := error(nil)
	for _, err := range rdb.NewReader(bytes.NewReader(b[:20])).Records() {
		last = err
	}
	assert.ErrorIs(t, last, io.ErrUnexpectedEOF)
}

// TestClosedWriter writes with a writer that is closed, and with one whose destination is full.
func TestClosedWriter(t *testing.T) {
	var buf bytes.Buffer
	w := rdb.NewWriter(&buf, rdb.Version11, rdb.WriterOptions{})
	require.NoError(t, w.Close())
	value := rdb.String("v")
	methods := map[string]func(w *rdb.Writer) error{
		"header":  (*rdb.Writer).WriteHeader,
		"field":   func(w *rdb.Writer) error { return w.WriteAux([]byte("a"), []byte("b")) },
		"select":  func(w *rdb.Writer) error { return w.SelectDB(1) },
		"resize":  func(w *rdb.Writer) error { return w.ResizeDB(1, 0) },
		"slot":    func(w *rdb.Writer) error { return w.SlotInfo(1, 1, 0) },
		"library": func(w *rdb.Writer) error { return w.Function([]byte("#!lua name=a\n")) },
		"entry":   func(w *rdb.Writer) error { return w.WriteEntry(rdb.NewEntry(0, []byte("k")), value) },
		"raw": func(w *rdb.Writer) error {
			return w.WriteRaw(rdb.NewEntry(0, []byte("k")), rdb.TypeString, []byte("\x01v"))
		},
		"module": func(w *rdb.Writer) error { return w.ModuleAux(1<<20, 2, nil) },
	}
	for name, write := range methods {
		assert.ErrorIs(t, write(w), rdb.ErrClosed, name)
		full := rdb.NewWriter(fullDisk{}, rdb.Version12, rdb.WriterOptions{})
		err := write(full)
		if err == nil {
			err = full.Close()
		}
		assert.ErrorIs(t, err, errFull, name)
		assert.ErrorIs(t, write(full), errFull, name)
		assert.Error(t, write(rdb.NewWriter(&buf, 3, rdb.WriterOptions{})), name)
	}
	short := rdb.NewWriter(shortDisk{}, rdb.Version11, rdb.WriterOptions{})
	err := short.WriteHeader()
	if err == nil {
		err = short.Close()
	}
	assert.ErrorIs(t, err, io.ErrShortWrite)
	assert.ErrorContains(t, rdb.NewWriter(&buf, rdb.Version11, rdb.WriterOptions{}).WriteRecord(nil), "cannot write")
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

type shortDisk struct{}

func (shortDisk) Write(p []byte) (int, error) { return len(p) / 2, nil }

// TestConvertingFaultyRecords copies what cannot be read: nothing of the record is written, and the error is that of reading.
func TestConvertingFaultyRecords(t *testing.T) {
	cases := map[string][]byte{
		"module data cut":    []byte("REDIS0013\xf7\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x02\x01\x05\x05abc"),
		"listpack broken":    redisFile(key(16, "k"), str(strings.Replace(lp("a", "b"), "\x81a\x02", "\x81a\x03", 1))),
		"to be encoded anew": redisFile(key(27, "k"), ln(1), str("short"), str(lp(0))),
	}
	for name, b := range cases {
		for _, reencode := range []bool{false, true} {
			var out bytes.Buffer
			w := rdb.NewWriter(&out, rdb.Version11, rdb.WriterOptions{Reencode: reencode})
			require.NoError(t, w.WriteHeader())
			var err error
			for rec, rerr := range rdb.NewReader(bytes.NewReader(b)).Records() {
				if err = rerr; err == nil {
					err = w.WriteRecord(rec)
				}
				if err != nil {
					break
				}
			}
			var fe *rdb.FormatError
			assert.ErrorAs(t, err, &fe, name)
			require.NoError(t, w.Close())
			assert.EqualValues(t, 18, w.Size(), name) // head and end
		}
	}
}

// TestEndBehindOpcodes has the end mark behind so much said of a key that never comes that no block holds both, and bytes behind it that look like another record.
func TestEndBehindOpcodes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 30_000} {
		b := redisFile(key(0, "k"), str("v"), strings.Repeat("\xfc"+le64(1000), n))
		b = append(b, key(0, "behind")...)
		b = append(b, str("v")...)
		checkAgreement(t, b)
		for _, size := range []int{16, 100, 1 << 10, 256 << 10} {
			demandSplit(t, b, size, n)
		}
	}
}

// TestNoValue takes the value of what was read from nothing, and writes what is none.
func TestNoValue(t *testing.T) {
	unknown := rdb.NewEntry(0, []byte("k"))
	unknown.Type = 200
	for name, e := range map[string]*rdb.Entry{
		"NewEntry": rdb.NewEntry(0, []byte("k")), "of no type": unknown, "zero": {}, "of a zero Dump": new(rdb.Dump).Entry(), "of a Dump by hand": (&rdb.Dump{Type: rdb.TypeHash, Version: 11}).Entry(),
	} {
		w := rdb.NewWriter(io.Discard, rdb.Version11, rdb.WriterOptions{})
		var d rdb.Digest
		for what, do := range map[string]func() error{
			"Value":       func() error { _, err := e.Value(); return err },
			"Visit":       func() error { return e.Visit(func(*rdb.Element) bool { return true }) },
			"Check":       e.Check,
			"Skip":        e.Skip,
			"Raw":         func() error { _, err := e.Raw(); return err },
			"WriteRecord": func() error { return w.WriteRecord(e) },
			"DigestValue": func() error { _, _, err := rdb.DigestValue(e, rdb.DigestAsFile); return err },
			"Digest.Add":  func() error { return d.Add(e) },
			"Elements": func() (err error) {
				for _, err = range e.Elements() {
				}
				return err
			},
		} {
			assert.ErrorIs(t, do(), rdb.ErrNoValue, "%s of an entry %s", what, name)
		}
	}
	_, err := new(rdb.Dump).Value()
	assert.ErrorIs(t, err, rdb.ErrNoValue)
	assert.ErrorIs(t, new(rdb.Dump).Check(), rdb.ErrNoValue)
	_, err = new(rdb.ModuleAux).Items()
	assert.ErrorIs(t, err, rdb.ErrNoValue)

	w := rdb.NewWriter(io.Discard, rdb.Version11, rdb.WriterOptions{})
	assert.ErrorIs(t, w.WriteRecord(new(rdb.ModuleAux)), rdb.ErrNoValue)
	for _, v := range []rdb.Value{nil, (*rdb.Stream)(nil), (*rdb.Module)(nil)} {
		var u *rdb.UnsupportedError
		assert.ErrorAs(t, w.WriteEntry(rdb.NewEntry(3, []byte("k")), v), &u)
		assert.Equal(t, "k", string(u.Key))
		_, err := rdb.AppendValueDump(nil, v, rdb.Version11, rdb.WriterOptions{})
		assert.ErrorAs(t, err, &u)
	}
}

// idleReader gives nothing any more behind some bytes, and does not end.
type idleReader struct{ r io.Reader }

func (r idleReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// TestIdleReader ends with an error where the input gives nothing any more, before, inside and behind the file, and where a check begins in it.
func TestIdleReader(t *testing.T) {
	b := redisFile(key(0, "k"), str("v"))
	for cut := range len(b) + 1 {
		for _, workers := range []int{1, 2} {
			for _, from := range []*rdb.Position{nil, {Offset: 9, Version: 11}} {
				_, err := rdb.Verify(t.Context(), idleReader{bytes.NewReader(b[:cut])}, rdb.VerifyOptions{Workers: workers, From: from})
				assert.ErrorIs(t, err, io.ErrNoProgress, "cut at %d, %d workers, from %v", cut, workers, from)
			}
		}
	}
}
