package rdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// lzfStr is a string of n bytes, compressed: head, then tail over and over (its length must divide what is left), then last.
func lzfStr(head, tail, last string, n int) string {
	var c strings.Builder
	literal := func(s string) {
		for len(s) > 0 {
			k := min(len(s), 32)
			c.WriteByte(byte(k - 1))
			c.WriteString(s[:k])
			s = s[k:]
		}
	}
	literal(head + tail)
	left := n - len(head) - len(tail) - len(last)
	for left > 0 {
		k := min(left, 264-264%len(tail))
		if left-k == 1 || left-k == 2 {
			k -= len(tail)
		}
		if k < 9 {
			literal(strings.Repeat(tail, k/len(tail)))
		} else {
			c.Write([]byte{7 << 5, byte(k - 9), byte(len(tail) - 1)})
		}
		left -= k
	}
	literal(last)
	return "\xc3" + ln(uint64(c.Len())) + ln(uint64(n)) + c.String()
}

// listpackHead is the header of a listpack of n bytes and too many entries to be counted.
func listpackHead(n int) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(n))
	return string(append(b, 0xFF, 0xFF))
}

// allocated returns how much memory was taken while f ran, all of it, whether or not it was given back: more than was ever in use.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostileSizes verifies files whose sizes are lies or whose content is a bomb.
func TestHostileSizes(t *testing.T) {
	const big = 300 << 20
	cases := map[string][]byte{
		"string of 4 EiB":                redisFile(key(0, "k"), ln(1<<62), "x"),
		"LZF of 4 EiB":                   redisFile(key(0, "k"), "\xc3", ln(1<<62), ln(1<<62), "x"),
		"LZF to 4 EiB":                   redisFile(key(0, "k"), "\xc3\x02", ln(1<<62), "\x00a"),
		"key of 4 EiB":                   redisFile("\x00", ln(1<<62), "x"),
		"set of 2^63":                    redisFile(key(2, "k"), ln(1<<63), str("a")),
		"hash of 2^63":                   redisFile(key(4, "k"), ln(1<<63), str("a"), str("b")),
		"list of 2^63":                   redisFile(key(1, "k"), ln(1<<63), str("a")),
		"stream of 2^63 nodes":           redisFile(key(21, "k"), ln(1<<63), str("a")),
		"pending list of 2^63":           redisFile(key(21, "k"), ln(0), streamTail(0, 0), ln(1), str("g"), ln(0), ln(0), ln(0), ln(1<<63), id(1, 1)),
		"slot import of 2^63":            valkeyFile("\xf3", str(strings.Repeat("j", 40)), ln(1<<63), ln(1), ln(2)),
		"metadata of 2^63":               redisFile("\xf3", ln(1<<63), "\x01\x00\x00\x00\x00"),
		"listpack that says 4 GiB":       redisFile(key(16, "k"), str("\xff\xff\xff\xff\x02\x00\xff")),
		"bomb in a string":               redisFile(key(0, "k"), lzfStr("", "ab", "", big)),
		"bomb in a list":                 redisFile(key(18, "k"), ln(1), ln(2), lzfStr(listpackHead(big+7), "\x00\x01", "\xff", big+7)),
		"bomb in a plain node":           redisFile(key(18, "k"), ln(1), ln(1), lzfStr("", "ab", "", big)),
		"bomb in a set's member":         redisFile(key(2, "k"), ln(1), lzfStr("", "ab", "", big)),
		"bomb in a field's value":        redisFile(key(4, "k"), ln(1), str("f"), lzfStr("", "ab", "", big)),
		"bomb in a listpack's one entry": redisFile(key(20, "k"), lzfStr(longEntry(big)+"a", "a", backlen(big+5)+"\xff", 6+5+big+5+1)),
		"bomb in a stream's node":        redisFile(key(21, "k"), ln(1), str(id(1, 1)), lzfStr(listpackHead(big+7), "\x00\x01", "\xff", big+7), streamTail(1, 1), ln(0)),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && strings.HasPrefix(name, "bomb in a ") && name != "bomb in a string" {
				t.Skip("takes seconds with the race detector")
			}
			var rep *rdb.Report
			used := allocated(func() {
				rep, _ = rdb.Verify(context.Background(), bytes.NewReader(b), everything)
			})
			assert.Less(t, used, uint64(len(b)+64<<20))
			if strings.HasPrefix(name, "bomb") && !strings.Contains(name, "stream") {
				assert.Nil(t, rep.ServerFault(), "it is a valid file")
			}
		})
	}
}

// longEntry is the head of a listpack whose one entry is a string of n bytes.
func longEntry(n int) string {
	size := 6 + 5 + n + len(backlen(n+5)) + 1
	b := binary.LittleEndian.AppendUint32(nil, uint32(size))
	b = append(b, 1, 0, 0xF0)
	return string(binary.LittleEndian.AppendUint32(b, uint32(n)))
}

// backlen is what stands behind a listpack's entry of n >= 2^28-1 bytes.
func backlen(n int) string {
	return string([]byte{byte(n >> 28), 128 | byte(n>>21&127), 128 | byte(n>>14&127), 128 | byte(n>>7&127), 128 | byte(n&127)})
}

// manyReader makes the records of a file as they are read.
type manyReader struct {
	n, of int
	buf   []byte
	next  func(i int) string
}

func (m *manyReader) Read(p []byte) (int, error) {
	for len(m.buf) < len(p) && m.n < m.of {
		m.buf = append(m.buf, m.next(m.n)...)
		m.n++
	}
	if len(m.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.buf)
	m.buf = append(m.buf[:0], m.buf[n:]...)
	return n, nil
}

// TestMemoryStaysFlat verifies a set of many members, and many keys, with a bound on what duplicates may take.
func TestMemoryStaysFlat(t *testing.T) {
	const n = 1 << 20
	t.Run("members", func(t *testing.T) {
		src := io.MultiReader(strings.NewReader("REDIS0012"+key(2, "k")+ln(n)), &manyReader{of: n, next: func(i int) string { return str("m" + strconv.Itoa(i%(n-1))) }}, strings.NewReader("\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
		checkFlat(t, src, rdb.CodeSetDuplicate)
	})
	t.Run("keys", func(t *testing.T) {
		src := io.MultiReader(strings.NewReader("REDIS0012"), &manyReader{of: n, next: func(i int) string { return key(0, "k"+strconv.Itoa(i%(n-1))) + "\xc0\x01" }}, strings.NewReader("\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
		checkFlat(t, src, rdb.CodeDuplicateKey)
	})
}

func checkFlat(t *testing.T, src io.Reader, want rdb.Code) {
	t.Helper()
	var rep *rdb.Report
	opt := everything
	opt.DuplicateMemory, opt.TempDir = 4<<20, t.TempDir()
	used := allocated(func() { rep, _ = rdb.Verify(context.Background(), src, opt) })
	require.NotNil(t, rep.ServerFault())
	assert.Equal(t, want, rep.ServerFault().Code)
	assert.Len(t, rep.Faults, 2, "that and the missing checksum")
	assert.Less(t, used, uint64(64<<20))
}

func TestScanDouble(t *testing.T) {
	cases := []struct {
		text string
		want float64
		used int
	}{
		{"1.5", 1.5, 3}, {"-2e3x", -2000, 4}, {" 7", 7, 2}, {"3xy", 3, 1}, {"1e", 1, 1}, {"1e+", 1, 1}, {".5", .5, 2}, {"5.", 5, 2}, {".", 0, 0},
		{"0x10", 16, 4}, {"0x1p4", 16, 5}, {"0x", 0, 1}, {"inf", math.Inf(1), 3}, {"-Infinity!", math.Inf(-1), 9}, {"infin", math.Inf(1), 3},
		{"nan", math.NaN(), 3}, {"-nan", math.NaN(), 4}, {"nan(a_1)2", math.NaN(), 8}, {"nan(", math.NaN(), 3}, {"nan(-)", math.NaN(), 3}, {"", 0, 0}, {"abc", 0, 0}, {"1\x002", 1, 1}, {"1e999", math.Inf(1), 5}, {"1e-999", 0, 6}, {"+4", 4, 2}, {"--4", 0, 0},
	}
	for _, c := range cases {
		v, used := rdb.ScanDouble([]byte(c.text))
		assert.Equal(t, c.used, used, "%q", c.text)
		if math.IsNaN(c.want) {
			assert.True(t, math.IsNaN(v), "%q", c.text)
		} else {
			assert.Equal(t, c.want, v, "%q", c.text)
		}
	}
}

// TestNotesOfABlock: what is kept of records until it is told does not grow with their number, in a file of hardly anything else.
func TestNotesOfABlock(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 32 MiB of tiny records")
	}
	many := func(s string) string { return strings.Repeat(s, 8<<20/len(s)) }
	sound := strings.Repeat("\x00\x01k\x01v", 2000)
	for name, body := range map[string]string{
		"databases":  many("\xfe\x00\xfe\x01"),
		"fields":     many("\xfa\x01a\x01b"),
		"among keys": strings.Repeat(sound+many("\xfe\x00")[:1<<20], 4),
		"faults":     many("\x02\x01k\x02\x01a\x01a"),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dump.rdb")
			require.NoError(t, os.WriteFile(path, []byte("REDIS0011"+body+"\xff\x00\x00\x00\x00\x00\x00\x00\x00"), 0o600))
			body = ""
			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			most, n := uint64(0), 0
			opt := rdb.VerifyOptions{Workers: 4, KeepGoing: true, MaxFaults: 10, Progress: func(int64) {
				if n++; n < 9 || n%50 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
				}
			}}
			_, _ = rdb.Verify(t.Context(), f, opt)
			t.Logf("%.1f MB", float64(most)/1e6)
			assert.Less(t, most, uint64(64<<20))
		})
	}
}

// TestUntoldFaults: where more is wrong than a report names, all is counted, and what decides is named.
func TestUntoldFaults(t *testing.T) {
	set := "\x02\x01%d\x02\x01a\x01a" // a member twice, which servers refuse
	var b strings.Builder
	b.WriteString("REDIS0011\xfe\x00")
	for i := range 3000 {
		if i < 2000 {
			b.WriteString("\x00\x02" + string([]byte{byte(i), byte(i >> 8)}) + "\xc3\x02\x01\x00a") // a compressed string of one byte, which is sound
		}
		fmt.Fprintf(&b, set, i%10)
	}
	b.WriteString("\xff\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, most := range []int{1, 10, 0} {
		opt := rdb.VerifyOptions{KeepGoing: true, MaxFaults: most, Workers: 1}
		want, wantErr := rdb.Verify(t.Context(), strings.NewReader(b.String()), opt)
		require.GreaterOrEqual(t, want.Total, int64(3000))
		opt.Workers = 3
		got, err := rdb.Verify(t.Context(), strings.NewReader(b.String()), opt)
		assert.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
		assert.Equal(t, want.Total, got.Total)
		assert.Equal(t, want.Keys, got.Keys)
		assert.Equal(t, len(want.Faults), len(got.Faults))
	}
}
