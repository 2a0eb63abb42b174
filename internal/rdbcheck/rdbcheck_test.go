package rdbcheck_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/internal/rdbcheck"
)

// good is 45 bytes: version 13, AUX redis-ver, database 0, RESIZEDB, SET k v, the end.
var good = stamped("REDIS0013\xfa\x09redis-ver\x058.6.3\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff")

func stamped(s string) []byte {
	return binary.LittleEndian.AppendUint64([]byte(s), crc64.Checksum([]byte(s)))
}

const head = "[offset 0] Checking RDB file x.rdb\n[offset 26] AUX FIELD redis-ver = '8.6.3'\n[offset 28] Selecting DB ID 0\n"

func counts(keys string) string {
	return "[info] " + keys + " keys read\n[info] 0 expires\n[info] 0 already expired\n[info] 0 subexpires\n"
}

// TestTranscripts has what redis-check-rdb 8.6.3 prints.
func TestTranscripts(t *testing.T) {
	cases := []struct {
		name string
		file []byte
		want string
	}{
		{"valid", good, head + "[offset 45] Checksum OK\n[offset 45] \\o/ RDB looks OK! \\o/\n" + counts("1")},
		{"checksum disabled", append(bytes.Clone(good[:37]), make([]byte, 8)...),
			head + "[offset 45] RDB file was saved with checksum disabled: no check performed.\n[offset 45] \\o/ RDB looks OK! \\o/\n" + counts("1")},
		{"truncated", good[:35], head + "--- RDB ERROR DETECTED ---\n[offset 35] Unexpected EOF reading RDB file\n" +
			"[additional info] While doing: read-object-value\n[additional info] Reading key 'k'\n[additional info] Reading type 0 (string)\n" + counts("1")},
		{"bad checksum", append(bytes.Clone(good[:37]), "12345678"...), head + "--- RDB ERROR DETECTED ---\n[offset 45] RDB CRC error\n" +
			"[additional info] While doing: check-sum\n" + counts("1")},
		{"unknown type", append(bytes.Clone(good[:31]), 99), head + "--- RDB ERROR DETECTED ---\n[offset 32] Invalid object type: 99\n" +
			"[additional info] While doing: read-type\n[additional info] Reading type 0 (string)\n" + counts("0")},
		{"text", []byte("this is a text file\n"), "[offset 0] Checking RDB file x.rdb\n--- RDB ERROR DETECTED ---\n" +
			"[offset 9] Wrong signature trying to load DB from file\n[additional info] While doing: start\n[additional info] Reading type 0 (string)\n" + counts("0")},
		{"empty", nil, "[offset 0] Checking RDB file x.rdb\n--- RDB ERROR DETECTED ---\n" +
			"[offset 0] Unexpected EOF reading RDB file\n[additional info] While doing: start\n[additional info] Reading type 0 (string)\n" + counts("0")},
		{"inside a value", stamped("REDIS0013\x02\x01s\x02\x01a\x01a\xff"), "[offset 0] Checking RDB file x.rdb\n--- RDB ERROR DETECTED ---\n" +
			"[offset 17] Internal error in RDB reading offset 0, function at rdb.c:0 -> Duplicate set members detected\n" +
			"[additional info] While doing: read-object-value\n[additional info] Reading key 's'\n[additional info] Reading type 2 (set-hashtable)\n" + counts("1") +
			"LOG Terminating server after rdb file reading failure.\n"},
		{"input ends inside a module's data", []byte("REDIS0013\xf7\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x02\x01"), "[offset 0] Checking RDB file x.rdb\n" +
			"[offset 21] MODULE AUX for: ReJSON-RL\n--- RDB ERROR DETECTED ---\n[offset 21] Unexpected EOF reading RDB file\n" +
			"[additional info] While doing: read-module-aux\n[additional info] Reading type 0 (string)\n" + counts("0")},
		{"C strings", stamped("REDIS0013\xfa\x03a\x00b\x02\x01\x02\xff"), "[offset 0] Checking RDB file x.rdb\n[offset 17] AUX FIELD a = '\x01\x02'\n" +
			"[offset 26] Checksum OK\n[offset 26] \\o/ RDB looks OK! \\o/\n" + counts("0")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			res := rdbcheck.Check(&out, "x.rdb", bytes.NewReader(c.file))
			assert.Equal(t, c.want, masked(out.String()))
			assert.Equal(t, strings.Contains(c.want, "looks OK"), res.OK)
		})
	}
}

var (
	logPrefix  = regexp.MustCompile(`(?m)^\d+:[CM] .* [#*] `)
	sourceLine = regexp.MustCompile(`rdb\.c:\d+`)
	allocation = regexp.MustCompile(`(?m)^LOG rdb.* failed allocating \d+ bytes\n`)
)

// masked hides what differs from run to run.
func masked(out string) string {
	out = logPrefix.ReplaceAllString(out, "LOG ")
	out = sourceLine.ReplaceAllString(out, "rdb.c:0")
	return allocation.ReplaceAllString(out, "")
}

func TestRestIsLeft(t *testing.T) {
	res := rdbcheck.Check(&bytes.Buffer{}, "x", bytes.NewReader(append(bytes.Clone(good), "*1\r\n"...)))
	require.True(t, res.OK)
	assert.EqualValues(t, 45, res.End)
	rest := make([]byte, 10)
	n, _ := res.Rest.Read(rest)
	assert.Equal(t, "*1\r\n", string(rest[:n]))
}

func TestUnreadableInput(t *testing.T) {
	var out bytes.Buffer
	res := rdbcheck.Check(&out, "x", iotest.ErrReader(errors.New("is a directory")))
	assert.False(t, res.OK)
	assert.Contains(t, out.String(), "[offset 0] Unexpected EOF reading RDB file\n[additional info] While doing: start\n")
}

// TestAgainstTheRealTool compares everything printed with what redis-check-rdb 8.6 prints, on damaged files of the corpus.
func TestAgainstTheRealTool(t *testing.T) {
	binary := oracle.FindNewest(t, "redis-8.6", "redis-check-rdb")
	path := filepath.Join(t.TempDir(), "case.rdb")
	n := 0
	for r := range corpus.RDBRecipes(t) {
		if n++; n%20 != 0 || strings.Contains(r.Base, "valkey-9") {
			continue
		}
		b := r.MustApply(t)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		_, want, timedOut := oracle.CheckRDB(binary, path)
		if timedOut {
			continue
		}
		var out bytes.Buffer
		rdbcheck.Check(&out, path, bytes.NewReader(b))
		assert.Equal(t, masked(want), masked(out.String()), r.ID)
	}
}

// TestVerdictOfTheInstalledTool compares verdict and offset with those of the system's redis-check-rdb, on files that it can read.
func TestVerdictOfTheInstalledTool(t *testing.T) {
	binary := oracle.Find(t, "redis-check-rdb")
	old := append([]byte("REDIS0009"), good[9:37]...)
	old = stamped(string(old))
	path := filepath.Join(t.TempDir(), "case.rdb")
	for i := range old {
		for _, b := range [][]byte{old[:i], flipped(old, i)} {
			require.NoError(t, os.WriteFile(path, b, 0o600))
			exit, want, _ := oracle.CheckRDB(binary, path)
			var out bytes.Buffer
			res := rdbcheck.Check(&out, path, bytes.NewReader(b))
			assert.Equal(t, exit == 0, res.OK, "byte %d: %s\n%s", i, want, out.String())
		}
	}
}

// flipped returns b with the lowest bit of byte i flipped and the checksum made right, unless that is where the flip is.
func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	if end := len(b) - 8; i < end {
		binary.LittleEndian.PutUint64(b[end:], crc64.Checksum(b[:end]))
	}
	return b
}
