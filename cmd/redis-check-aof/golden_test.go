package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/crc64"
)

// Files of which the transcripts below tell. They are those of Redis 8.6.3 and, where it says so, 7.0.15, taken from the programs.
var (
	base40  = withCRC("REDIS0013\xfa\x08aof-base\xc0\x01\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff")
	select0 = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
	set29   = "*3\r\n$3\r\nSET\r\n$2\r\nk2\r\n$2\r\nv2\r\n"
	incr52  = select0 + set29
	set27   = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
	ts      = "#TS:1628217470\r\n" + incr52 + "#TS:1628217480\r\n" + set29
)

func withCRC(s string) string {
	return string(binary.LittleEndian.AppendUint64([]byte(s), crc64.Checksum([]byte(s))))
}

const manifest3 = "file appendonly.aof.1.base.rdb seq 1 type b\n" +
	"file appendonly.aof.1.incr.aof seq 1 type i\n" +
	"file appendonly.aof.2.incr.aof seq 2 type i\n"

const manifest2 = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"

const rdbLines = `Start checking Multi Part AOF
Start to check BASE AOF (RDB format).
[offset 0] Checking RDB file appendonlydir/appendonly.aof.1.base.rdb
[offset 21] AUX FIELD aof-base = '1'
[offset 23] Selecting DB ID 0
[offset 40] Checksum OK
[offset 40] \o/ RDB looks OK! \o/
[info] 1 keys read
[info] 0 expires
[info] 0 already expired
[info] 0 subexpires
RDB preamble is OK, proceeding with AOF tail...
`

const head = rdbLines + `AOF analyzed: filename=appendonly.aof.1.base.rdb, size=40, ok_up_to=40, ok_up_to_line=1, diff=0
BASE AOF appendonly.aof.1.base.rdb is valid
Start to check INCR files.
`

const (
	manifestPath = "appendonlydir/appendonly.aof.manifest"
	basePath     = "appendonlydir/appendonly.aof.1.base.rdb"
	incr1        = "appendonlydir/appendonly.aof.1.incr.aof"
	incr2        = "appendonlydir/appendonly.aof.2.incr.aof"
)

func set(manifest, first, second string) map[string]string {
	files := map[string]string{manifestPath: manifest, basePath: base40, incr1: first}
	if second != "" {
		files[incr2] = second
	}
	return files
}

const torn = head + `0x              4d: Expected to read 4 bytes, got 0 bytes
AOF analyzed: filename=appendonly.aof.1.incr.aof, size=77, ok_up_to=52, ok_up_to_line=19, diff=25
`

const shrink = `This will shrink the AOF appendonly.aof.1.incr.aof from 77 bytes, with 25 bytes, to 52 bytes
Continue? [y/N]: `

const usage = "Usage: redis-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n"

const trOld = `Start checking Old-Style AOF
0x              46: Expected \r\n, got: 0d00
AOF analyzed: filename=tr.aof, size=73, ok_up_to=50, ok_up_to_line=18, diff=23
`

var transcripts = []struct {
	name  string
	files map[string]string
	stdin string
	args  string // by blanks
	want  string
	exit  int
	after map[string]string // files that are different afterwards
}{
	{name: "no argument", want: usage, exit: 1},
	{name: "options behind the file", args: "a --fix", want: usage, exit: 1},
	{name: "fix alone is a file", args: "--fix", want: "Cannot open file --fix: No such file or directory\n", exit: 1},
	{name: "fix and timestamp", args: "--fix --truncate-to-timestamp 1 a", want: usage, exit: 1},
	{name: "timestamp with junk", args: "--truncate-to-timestamp 1x a", want: "Invalid timestamp, aborting...\n", exit: 1},
	{name: "missing", args: "missing.aof", want: "Cannot open file missing.aof: No such file or directory\n", exit: 1},
	{name: "long path", args: strings.Repeat("x", pathMax+1), want: "Error: filepath is too long (exceeds PATH_MAX)\n" + usage, exit: 1},
	{name: "directory", files: map[string]string{"d/x": ""}, args: "d", want: "Cannot read file: d\n", exit: 1},
	{name: "empty", files: map[string]string{"empty.aof": ""}, args: "empty.aof",
		want: "Start checking Old-Style AOF\nAOF empty.aof is empty\n"},
	{name: "valid set", files: set(manifest3, incr52, incr52), args: manifestPath,
		want: head + `AOF analyzed: filename=appendonly.aof.1.incr.aof, size=52, ok_up_to=52, ok_up_to_line=13, diff=0
INCR AOF appendonly.aof.1.incr.aof is valid
AOF analyzed: filename=appendonly.aof.2.incr.aof, size=52, ok_up_to=52, ok_up_to_line=25, diff=0
INCR AOF appendonly.aof.2.incr.aof is valid
All AOF files and manifest are valid
`},
	{name: "torn", files: set(manifest2, incr52+set29[:25], ""), args: manifestPath,
		want: torn + "AOF appendonly.aof.1.incr.aof is not valid. Use the --fix option to try fixing it.\n", exit: 1},
	{name: "corrupt in the middle", files: set(manifest2, incr52+"!!!"+set29+set29, ""), args: manifestPath,
		want: head + `AOF appendonly.aof.1.incr.aof format error
AOF analyzed: filename=appendonly.aof.1.incr.aof, size=113, ok_up_to=52, ok_up_to_line=13, diff=61
AOF appendonly.aof.1.incr.aof is not valid. Use the --fix option to try fixing it.
`, exit: 1},
	{name: "fix, yes", files: set(manifest2, incr52+set29[:25], ""), args: "--fix " + manifestPath, stdin: "y\n",
		want:  torn + shrink + "Successfully truncated AOF appendonly.aof.1.incr.aof\nAll AOF files and manifest are valid\n",
		after: map[string]string{incr1: incr52}},
	{name: "fix, Yes", files: set(manifest2, incr52+set29[:25], ""), args: "--fix " + manifestPath, stdin: "Yes\n",
		want:  torn + shrink + "Successfully truncated AOF appendonly.aof.1.incr.aof\nAll AOF files and manifest are valid\n",
		after: map[string]string{incr1: incr52}},
	{name: "fix --yes", files: set(manifest2, incr52+set29[:25], ""), args: "--fix --yes " + manifestPath,
		want:  torn + shrink + "Successfully truncated AOF appendonly.aof.1.incr.aof\nAll AOF files and manifest are valid\n",
		after: map[string]string{incr1: incr52}},
	{name: "--yes fix", files: set(manifest2, incr52+set29[:25], ""), args: "--yes --fix " + manifestPath,
		want:  torn + shrink + "Successfully truncated AOF appendonly.aof.1.incr.aof\nAll AOF files and manifest are valid\n",
		after: map[string]string{incr1: incr52}},
	{name: "fix, no", files: set(manifest2, incr52+set29[:25], ""), args: "--fix " + manifestPath, stdin: "n\n",
		want: torn + shrink + "Aborting...\n", exit: 1},
	{name: "fix, no answer", files: set(manifest2, incr52+set29[:25], ""), args: "--fix " + manifestPath,
		want: torn + shrink + "Aborting...\n", exit: 1},
	{name: "fix, not the last", files: set(manifest3, incr52+set29[:25], incr52), args: "--fix " + manifestPath, stdin: "y\n",
		want: torn + "Failed to truncate AOF appendonly.aof.1.incr.aof because it is not the last file\n", exit: 1},
	{name: "timestamp", files: set(manifest2, ts, ""), args: "--truncate-to-timestamp 1628217475 " + manifestPath,
		want: rdbLines + `Truncate nothing in AOF appendonly.aof.1.base.rdb to timestamp 1628217475
BASE AOF appendonly.aof.1.base.rdb is valid
Start to check INCR files.
Successfully truncated AOF appendonly.aof.1.incr.aof to timestamp 1628217475
All AOF files and manifest are valid
`, after: map[string]string{incr1: ts[:68]}},
	{name: "timestamp, again", files: set(manifest2, ts[:68], ""), args: "--truncate-to-timestamp 1628217475 " + manifestPath,
		want: rdbLines + `Truncate nothing in AOF appendonly.aof.1.base.rdb to timestamp 1628217475
BASE AOF appendonly.aof.1.base.rdb is valid
Start to check INCR files.
Truncate nothing in AOF appendonly.aof.1.incr.aof to timestamp 1628217475
INCR AOF appendonly.aof.1.incr.aof is valid
All AOF files and manifest are valid
`},
	{name: "timestamp before everything", files: set(manifest2, ts, ""), args: "--truncate-to-timestamp 1 " + manifestPath,
		want: rdbLines + `Truncate nothing in AOF appendonly.aof.1.base.rdb to timestamp 1
BASE AOF appendonly.aof.1.base.rdb is valid
Start to check INCR files.
AOF appendonlydir/appendonly.aof.1.incr.aof has nothing before timestamp 1, aborting...
`, exit: 1},
	{name: "timestamp, not the last", files: set(manifest3, ts, incr52), args: "--truncate-to-timestamp 1628217475 " + manifestPath,
		want: rdbLines + `Truncate nothing in AOF appendonly.aof.1.base.rdb to timestamp 1628217475
BASE AOF appendonly.aof.1.base.rdb is valid
Start to check INCR files.
Failed to truncate AOF appendonlydir/appendonly.aof.1.incr.aof to timestamp 1628217475 to offset 68 because it is not the last file.
If you insist, please delete all files after this file according to the manifest file and delete the corresponding records in manifest file manually. Then re-run redis-check-aof.
`, exit: 1},
	{name: "old style, torn", files: map[string]string{"tr.aof": select0 + set27 + set27[:23]}, args: "tr.aof",
		want: trOld + "AOF tr.aof is not valid. Use the --fix option to try fixing it.\n", exit: 1},
	{name: "old style, fixed", files: map[string]string{"tr.aof": select0 + set27 + set27[:23]}, args: "--fix tr.aof", stdin: "y",
		want: trOld + `This will shrink the AOF tr.aof from 73 bytes, with 23 bytes, to 50 bytes
Continue? [y/N]: Successfully truncated AOF tr.aof
`, after: map[string]string{"tr.aof": select0 + set27}},
	{name: "manifest without its last end of line", files: set(strings.TrimRight(manifest2, "\n"), incr52, ""), args: manifestPath,
		want: `Start checking Multi Part AOF
# 
*** FATAL AOF MANIFEST FILE ERROR ***

# The AOF manifest file contains too long line

`, exit: 1},
	{name: "manifest with a bad line", files: set(manifest2+"!!!\n", incr52, ""), args: manifestPath,
		want: `Start checking Multi Part AOF
# 
*** FATAL AOF MANIFEST FILE ERROR ***

# Reading the manifest file, at line 3

# >>> '!!!'

# Invalid AOF manifest file format

`, exit: 1},
}

func TestTranscripts(t *testing.T) {
	for _, c := range transcripts {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeFiles(t, c.files)
			var out, stderr bytes.Buffer
			exit := run(append([]string{"redis-check-aof"}, strings.Fields(c.args)...), strings.NewReader(c.stdin), &out, &stderr)
			if got := logTime.ReplaceAllString(out.String(), "$1 "); got != c.want {
				t.Errorf("printed:\n%s\nwant:\n%s", got, c.want)
			}
			if exit != c.exit || stderr.Len() > 0 {
				t.Errorf("exit %d, want %d; stderr %q", exit, c.exit, &stderr)
			}
			for name, before := range c.files {
				want, changed := c.after[name]
				if !changed {
					want = before
				}
				if got, err := os.ReadFile(name); err != nil || string(got) != want {
					t.Errorf("%s is %q afterwards, %v", name, got, err)
				}
			}
		})
	}
}

// writeFiles makes files in the working folder, and the folders they are in.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			if err := os.MkdirAll(name[:i], 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVersion also shows the dispatch by name.
func TestVersion(t *testing.T) {
	for name, want := range map[string]string{
		"redis-check-aof": "redis-check-aof v=", "/usr/bin/valkey-check-aof": "valkey-check-aof v=", "my-valkey-check-aof-9": "valkey-check-aof v=",
		"valkey-check-aof.d/x": "redis-check-aof v=",
	} {
		for _, flag := range []string{"-v", "--version"} {
			var out bytes.Buffer
			if exit := run([]string{name, flag}, strings.NewReader(""), &out, &out); exit != 0 || !strings.HasPrefix(out.String(), want) {
				t.Errorf("%s %s: exit %d, %q", name, flag, exit, &out)
			}
		}
	}
}

// TestHardLink shows that a hard link made as a backup survives a cut, and that a symbolic link stays one.
func TestHardLink(t *testing.T) {
	t.Chdir(t.TempDir())
	content := select0 + set27[:23]
	writeFiles(t, map[string]string{"a.aof": content})
	if err := os.Chmod("a.aof", 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Link("a.aof", "backup"); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("a.aof", "link"); err != nil {
		t.Skip(err)
	}
	var out bytes.Buffer
	if exit := run([]string{"x", "--fix", "--yes", "link"}, strings.NewReader(""), &out, &out); exit != 0 {
		t.Fatal(out.String())
	}
	for name, want := range map[string]string{"a.aof": select0, "link": select0, "backup": content} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if info, err := os.Lstat("link"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v", err)
	}
	if info, err := os.Stat("a.aof"); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if ents, _ := os.ReadDir("."); len(ents) != 3 {
		t.Errorf("left behind: %v", ents)
	}
}
