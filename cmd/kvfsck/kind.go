package main

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/rdb"
)

// kind is a row of the table of kinds of files.
type kind struct {
	name    string
	matches func(name string, head []byte) bool // by the first bytes of the content, and the name where these do not tell
	open    func(*target) error
}

// sniffSize is how much of a file the table and the hints look at.
const sniffSize = 4096

// kinds is asked from the top. What nothing matches is taken for the last, which says what is wrong with it.
var kinds = []kind{
	{report.KindAOF, isLog, openLog},
	{report.KindManifest, isManifest, openManifest},
	{report.KindRDB, isRDB, openRDB},
}

func isRDB(_ string, head []byte) bool {
	return bytes.HasPrefix(head, []byte("REDIS")) || bytes.HasPrefix(head, []byte("VALKEY"))
}

// isLog reports whether a file is a log: commands, annotations, or an RDB that says that it was written for one, as those of servers
// from 4.0 on do. What else a file called .aof has is damage.
func isLog(name string, head []byte) bool {
	named := strings.HasSuffix(name, ".aof")
	switch {
	case isRDB(name, head):
		return named || writtenForLog(head)
	case len(head) > 0 && head[0] == '*':
		return named || framed(head)
	case len(head) > 0 && head[0] == '#' && !named:
		return framed(head) && !isManifest(name, head)
	}
	return named && !isManifest(name, head)
}

// framed reports whether what begins with the first byte of a log does so by more than that: with a whole first line, or with the line ends of commands. A damaged
// snapshot may begin with any byte.
func framed(head []byte) bool {
	line, _, whole := bytes.Cut(head, []byte("\r\n"))
	text := func(b []byte) bool {
		return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r == utf8.RuneError })
	}
	switch {
	case bytes.Contains(head, []byte("\r\n$")):
		return true
	case !whole && len(head) == sniffSize:
		return false // no line is so long
	case line[0] == '*':
		return len(bytes.TrimLeft(line[1:], "-0123456789")) == 0
	}
	return text(line)
}

// writtenForLog looks for the field that says so in the fields at the start of an RDB: aof-preamble before 7.0, and in bases of sets
// aof-base.
func writtenForLog(head []byte) bool {
	r := rdb.NewReader(bytes.NewReader(head))
	defer r.Close()
	for r.Next() {
		switch rec := r.Record().(type) {
		case *rdb.Header:
		case *rdb.Aux:
			if name := string(rec.Name); (name == "aof-preamble" || name == "aof-base") && string(rec.Value) == "1" {
				return true
			}
		default:
			return false
		}
	}
	return false
}

// isManifest reports whether the first line that is no comment begins an entry, as the servers' checker has it. What else a file called .manifest has is damage.
func isManifest(name string, head []byte) bool {
	if strings.HasSuffix(name, ".manifest") && !isRDB(name, head) && !bytes.HasPrefix(head, []byte("*")) {
		return true
	}
	for line := range bytes.Lines(head) {
		if line[0] != '#' {
			return bytes.HasPrefix(line, []byte("file"))
		}
	}
	return false
}

// kindOf returns the row of a file.
func kindOf(name string, head []byte) *kind {
	for i := range kinds {
		if kinds[i].matches(name, head) {
			return &kinds[i]
		}
	}
	return &kinds[len(kinds)-1]
}

// foreign are files that are often taken for a snapshot, told by their first bytes.
var foreign = []struct {
	magic []byte
	what  string
}{
	{[]byte("*"), "it looks like an append-only file, under a name that is not one's"},
	{[]byte("#TS:"), "it looks like an append-only file, under a name that is not one's"},
	{[]byte("file "), "it looks like the manifest of an append-only file: kvfsck check and export read those"},
	{[]byte("\x1F\x8B"), "it is compressed with gzip, which no server undoes: gunzip it first"},
	{[]byte("\x28\xB5\x2F\xFD"), "it is compressed with zstd, which no server undoes here: unzstd it first"},
	{[]byte("\x04\x22\x4D\x18"), "it is compressed with lz4, which no server undoes here: unlz4 it first"},
	{[]byte("BZh"), "it looks like a bzip2 archive: decompress it first"},
	{[]byte("\xFD7zXZ"), "it looks like an xz archive: decompress it first"},
	{[]byte("PK\x03\x04"), "it looks like a zip archive: unpack it first"},
	{[]byte("\x00\x00\x00\x00"), "it begins with zero bytes, as after a crash of the machine: look for a copy from before"},
}

// guess says what a file that is no snapshot looks like, or nothing.
func guess(head []byte) string {
	for _, f := range foreign {
		if bytes.HasPrefix(head, f.magic) {
			return f.what
		}
	}
	return ""
}

var magic = regexp.MustCompile(`REDIS00[01]\d|VALKEY0\d\d`)

// snapshotAt returns where behind other bytes a snapshot begins, 0 if nowhere.
func snapshotAt(head []byte) int {
	if at := magic.FindIndex(head); at != nil {
		return at[0]
	}
	return 0
}
