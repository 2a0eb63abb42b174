package main

import (
	"bytes"
	"context"

	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/internal/report"
)

// kind is a row of the table of kinds of files that can be checked.
type kind struct {
	name    string
	matches func(head []byte) bool // by the first bytes of the content
	check   func(ctx context.Context, in *input.Input, opt *checkOptions, update func()) report.Target
}

// headSize is how much of a file the table looks at.
const headSize = 16

// kinds is asked from the top. What nothing matches is checked as the first, which says what is wrong with it.
var kinds = []kind{
	{report.KindRDB, isRDB, checkRDB},
}

func isRDB(head []byte) bool {
	return bytes.HasPrefix(head, []byte("REDIS")) || bytes.HasPrefix(head, []byte("VALKEY"))
}

// kindOf returns the row of a file.
func kindOf(head []byte) *kind {
	for i := range kinds {
		if kinds[i].matches(head) {
			return &kinds[i]
		}
	}
	return &kinds[0]
}

// foreign are files that are often taken for a snapshot, told by their first bytes.
var foreign = []struct {
	magic []byte
	what  string
}{
	{[]byte("*"), "it looks like an append-only file: redis-check-aof reads those"},
	{[]byte("#TS:"), "it looks like an append-only file: redis-check-aof reads those"},
	{[]byte("file "), "it looks like the manifest of an append-only file: redis-check-aof reads those"},
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
