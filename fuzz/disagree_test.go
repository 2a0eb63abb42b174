package fuzz

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/oracle"
)

// rdbOf is a file with a right checksum.
func rdbOf(magic string, records ...string) []byte {
	b := []byte(magic + strings.Join(records, "") + "\xff")
	return binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
}

// text is a string of less than 64 bytes.
func text(s string) string { return string(rune(len(s))) + s }

// keyOf is a key record up to its value.
func keyOf(typ byte, name string) string { return string(rune(typ)) + text(name) }

// number is a length in its longest form.
func number(n uint64) string { return "\x81" + string(binary.BigEndian.AppendUint64(nil, n)) }

func u64le(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

// listpackOf is a listpack of short strings, as a string of an RDB.
func listpackOf(entries ...string) string {
	body := ""
	for _, e := range entries {
		body += string([]byte{0x80 | byte(len(e))}) + e + string([]byte{byte(len(e) + 1)})
	}
	return packedOf(body, len(entries))
}

// packedOf puts head and end around the entries of a listpack.
func packedOf(body string, entries int) string {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(body)+7))
	head = binary.LittleEndian.AppendUint16(head, uint16(entries))
	blob := string(head) + body + "\xff"
	return number(uint64(len(blob))) + blob
}

// bigEntry is a listpack of a field and a value of 16383 bytes with its head, which Redis and Valkey write differently: the size of an entry stands behind it,
// and takes three bytes from 16383 on with Redis, from 16384 on with Valkey.
func bigEntry(backlen string) string {
	v := strings.Repeat("v", 16383-5)
	return packedOf("\x81f\x02"+"\xf0"+string(binary.LittleEndian.AppendUint32(nil, uint32(len(v))))+v+backlen, 2)
}

// streamOf is a stream of type 19 with such a length, one entry if it has a node, and what follows the counters.
func streamOf(length byte, groups string) string {
	node := strings.Repeat("\x00", 7) + "\x01" + strings.Repeat("\x00", 8)
	entries := "\x01\x01\x00\x01\x01\x01\x81f\x02\x00\x01" + "\x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01"
	return keyOf(19, "s") + "\x01" + text(node) + packedOf(entries, 10) + string([]byte{length}) + "\x01\x00" + "\x01\x00" + "\x00\x00" + "\x01" + groups
}

// sharedEntry is a group whose one pending entry two consumers have.
var sharedEntry = "\x01" + text("g") + "\x01\x00" + "\x01" + "\x01" + pendingID + u64le(1) + "\x01" +
	"\x02" + text("c") + u64le(1) + "\x01" + pendingID + text("d") + u64le(1) + "\x01" + pendingID

var pendingID = strings.Repeat("\x00", 7) + "\x01" + strings.Repeat("\x00", 8)

// disagreements are the smallest files on which real programs do not all do the same. The words are those of the package's documentation.
var disagreements = []struct {
	what string
	file []byte
}{
	{"key that stands twice", rdbOf("REDIS0010", keyOf(0, "k"), text("v"), keyOf(0, "k"), text("w"))},
	{"set without members", rdbOf("REDIS0010", keyOf(2, "k"), "\x00")},
	{"database 99 of 16", rdbOf("REDIS0010", "\xfe\x40\x63", keyOf(0, "k"), text("v"))},
	{"library that does not compile", rdbOf("REDIS0010", "\xf5", text("#!lua name=a\n("))},
	{"module value without its module", rdbOf("REDIS0010", keyOf(7, "k"), number(0x81b5eb2dfadca97a), "\x00")},
	{"file cut between two items of a module", []byte("REDIS0010" + keyOf(7, "k") + number(0x81b5eb2dfadca97a) + "\x02\x05")},
	{"set of 2^41 members, cut short", []byte("REDIS0010" + keyOf(2, "k") + number(1<<41) + text("a"))},
	{"set of 2^44 members, cut short", []byte("REDIS0010" + keyOf(2, "k") + number(1<<44) + text("a"))},
	{"string of 2^64-2 bytes", []byte("REDIS0010" + keyOf(0, "k") + number(math.MaxUint64-1) + "v")},
	{"unfinished import of slots, no cluster", rdbOf("VALKEY080", "\xf3", text(strings.Repeat("j", 40)), "\x01\x00\x01", keyOf(0, "k"), text("v"))},
	{"magic VALKEY, version 82", rdbOf("VALKEY082", keyOf(0, "k"), text("v"))},
	{"hash whose listpack has a wrong backlen", rdbOf("REDIS0010", keyOf(16, "k"), strings.Replace(listpackOf("f", "v"), "f\x02", "f\x05", 1))},
	{"field twice in a listpack", rdbOf("REDIS0010", keyOf(16, "k"), listpackOf("f", "v", "f", "w"))},
	{"NaN in a listpack", rdbOf("REDIS0010", keyOf(17, "k"), listpackOf("m", "nan"))},
	{"stream of a wrong length", rdbOf("REDIS0010", streamOf(2, "\x00"))},
	{"pending entry with two owners", rdbOf("REDIS0010", streamOf(1, sharedEntry))},
	{"listpack entry of 16383 bytes, Redis's way", rdbOf("REDIS0010", keyOf(16, "k"), bigEntry("\x00\xff\xff"))},
	{"listpack entry of 16383 bytes, Valkey's way", rdbOf("REDIS0010", keyOf(16, "k"), bigEntry("\x7f\xff"))},
	{"magic VALKEY, version 80", rdbOf("VALKEY080", keyOf(0, "k"), text("v"))},
	{"magic REDIS, version 12", rdbOf("REDIS0012", keyOf(0, "k"), text("v"))},
	{"score \"1e\" in text", rdbOf("REDIS0007", keyOf(3, "k"), "\x01", text("m"), text("1e"))},
	{"eight classes of key metadata", rdbOf("REDIS0013", "\xf3\x08", strings.Repeat("\x01\x00\x00\x00\x00", 8), keyOf(0, "k"), text("v"))},
}

// judges are the real programs, each release's checker and then its server as it is configured by default.
var judges = []string{"", oracle.Redis86, oracle.Valkey91}

// TestDisagreements puts the table in the documentation of this package to the test.
func TestDisagreements(t *testing.T) {
	if !big {
		t.Skip("skipped: hangs take their time; KVFSCK_BIG=1 runs it")
	}
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, d := range disagreements {
		row := fmt.Sprintf("//\t%-45s", d.what)
		for _, release := range judges {
			checker := oracle.RedisCheckRDB
			check := ""
			if release == "" {
				check = oracle.Find(t, checker)
			} else {
				check = oracle.FindNewest(t, release, checker)
			}
			row += fmt.Sprintf("%-9s%-9s", checked(t, check, d.file), loaded(t, serverBinary(t, release), d.file))
		}
		row = strings.TrimRight(row, " ")
		if !strings.Contains(string(doc), row+"\n") {
			t.Errorf("not in doc.go:\n%s", row)
		}
	}
}

// forever is what no program needs for a file of a few bytes.
const forever = 10 * time.Second

func checked(t *testing.T, binary string, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.rdb")
	require.NoError(t, os.WriteFile(path, file, 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), forever)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, path)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "hangs"
	case strings.Contains(string(out), "BUG REPORT START") || errors.As(err, &exit) && !exit.Exited():
		return "crashes"
	case err != nil:
		return "refuses"
	}
	return "accepts"
}

func loaded(t *testing.T, binary string, file []byte) string {
	t.Helper()
	got := oracle.LoadRDB(t, binary, file, oracle.LoadOptions{Databases: 16, SkipSanitize: true, Timeout: forever})
	switch {
	case got.TimedOut:
		return "hangs"
	case got.Crashed:
		return "crashes"
	case !got.OK:
		return "refuses"
	}
	defer got.Server.Kill()
	keys, err := got.Server.KeyCount()
	require.NoError(t, err)
	if keys == 0 {
		return "drops"
	}
	return "accepts"
}
