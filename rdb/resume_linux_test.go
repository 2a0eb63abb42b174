package rdb_test

import (
	"os"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestResumeBytesAlone: what is behind the bytes that a reader got, within their capacity, is somebody else's. Here it is a page that nobody may touch.
func TestResumeBytesAlone(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	page := os.Getpagesize()
	pages, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	defer func() { _ = syscall.Munmap(pages) }()
	require.NoError(t, syscall.Mprotect(pages[page:], syscall.PROT_NONE))

	body := "\x81a\x02\x81b\x02\x81c\x02\x81d\x02" // a: b, c: d
	listpack := string(rune(6+len(body)+1)) + "\x00\x00\x00\x04\x00" + body + "\xff"
	entry := "\x10\x05a key" + string(rune(len(listpack))) + listpack
	b := pages[page-len(entry) : page]
	copy(b, entry)
	r := rdb.NewReader(nil)
	r.ResumeBytes(b, rdb.Position{Offset: 9, Family: rdb.Redis, Version: 12})
	require.True(t, r.Next(), r.Err())
	require.NoError(t, r.Record().(*rdb.Entry).Check())
}
