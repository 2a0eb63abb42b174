package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.rdb")
	b := []byte("REDIS0012\xff")
	require.NoError(t, os.WriteFile(good, binary.LittleEndian.AppendUint64(b, crc64.Checksum(b)), 0o600))
	bad := filepath.Join(dir, "bad.rdb")
	require.NoError(t, os.WriteFile(bad, []byte("REDIS0012"), 0o600))
	usage := "Usage: redis-check-rdb <rdb-file-name>\n"
	version := `^redis-check-rdb v=\S+ sha=[0-9a-f]{8}:[01] malloc=\S+ bits=(32|64) build=[0-9a-f]{16}\n$`
	cases := []struct {
		name           string
		args           []string
		exit           int
		stdout, stderr string // expressions
	}{
		{"no argument", []string{"redis-check-rdb"}, 1, `^$`, regexp.QuoteMeta(usage)},
		{"two arguments", []string{"redis-check-rdb", good, good}, 1, `^$`, regexp.QuoteMeta(usage)},
		{"version", []string{"redis-check-rdb", "-v"}, 0, version, `^$`},
		{"long version", []string{"/usr/bin/redis-check-rdb", "--version"}, 0, version, `^$`},
		{"Valkey's name", []string{"/opt/bin/valkey-check-rdb", "-v"}, 0, `^valkey-check-rdb v=`, `^$`},
		{"good", []string{"redis-check-rdb", good}, 0, `looks OK`, `^$`},
		{"bad", []string{"redis-check-rdb", bad}, 1, `Unexpected EOF`, `^$`},
		{"missing", []string{"redis-check-rdb", "/no/such/file"}, 1, `^\[offset 0\] Checking RDB file /no/such/file\n$`, `^$`},
		{"directory", []string{"redis-check-rdb", dir}, 1, `Unexpected EOF reading RDB file\n\[additional info\] While doing: start\n`, `^$`},
		{"a name longer than a line", []string{"redis-check-rdb", strings.Repeat("x", 1200)}, 1, `^\[offset 0\] Checking RDB file (x{500})(x{500})x{5}\n$`, `^$`},
		{"a flag it does not have", []string{"redis-check-rdb", "--help"}, 1, `^\[offset 0\] Checking RDB file --help\n$`, `^$`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, c.exit, run(c.args, &stdout, &stderr))
			assert.Regexp(t, c.stdout, stdout.String())
			assert.Regexp(t, c.stderr, stderr.String())
		})
	}
}
