//go:build linux && !purego

package jsonl

import (
	"encoding/base64"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// demandKernels holds the kernels to their twins.
func demandKernels(t *testing.T, b []byte) {
	if len(b) == 0 || !kernels {
		return
	}
	eachKernel(func() {
		require.Equal(t, utf8.Valid(b), validText(b), "%q", b)
		want, n := putGeneric(nil, 0, b)
		got, o := put(nil, 0, b)
		require.Equal(t, string(want[:n]), string(got[:o]), "%q", b)
		text := make([]byte, base64.RawStdEncoding.EncodedLen(len(b))+64)
		put64(text, 0, b)
		require.Equal(t, base64.RawStdEncoding.EncodeToString(b), string(text[:len(text)-64]))
	})
}

// eachKernel calls f with each of the kernels that there are.
func eachKernel(f func()) {
	had := wide
	defer func() { wide = had }()
	for _, wide = range []bool{false, true} {
		if had || !wide {
			f()
		}
	}
}

func FuzzKernels(f *testing.F) {
	f.Add([]byte("a \"quoted\" word"), uint16(0))
	f.Add([]byte("S\u00e3o Paulo \U0001f642\xf0\x9f"), uint16(4095))
	page := append(fenced(f, 2*os.Getpagesize()), 0)[:2*os.Getpagesize()]
	f.Fuzz(func(t *testing.T, b []byte, end uint16) {
		demandKernels(t, b)
		if len(b) <= len(page) { // where a page ends, and somewhere else
			at := page[len(page)-len(b):]
			copy(at, b)
			demandKernels(t, at)
			if from := len(page) - len(b) - int(end)%(len(page)-len(b)+1); from >= 0 {
				copy(page[from:], b)
				demandKernels(t, page[from:from+len(b)])
			}
		}
	})
}

// fenced returns n bytes, whole pages, before and behind which there is no memory.
func fenced(t testing.TB, n int) []byte {
	t.Helper()
	page := os.Getpagesize()
	b, err := syscall.Mmap(-1, 0, n+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	require.NoError(t, syscall.Mprotect(b[:page], syscall.PROT_NONE))
	require.NoError(t, syscall.Mprotect(b[page+n:], syscall.PROT_NONE))
	t.Cleanup(func() { syscall.Munmap(b) })
	return b[page : page+n : page+n]
}

// TestKernelsAtPages puts strings of all lengths at the ends of memory.
func TestKernelsAtPages(t *testing.T) {
	page := fenced(t, os.Getpagesize())
	r := rand.New(rand.NewPCG(7, 8))
	letters := []string{"plain", "with \"quotes\" and \\", "São Paulo ", "日本\x01", "\xff\x80", "\xe6\x97"}
	for n := 1; n < 100; n++ {
		for range 20 {
			text := make([]byte, 0, 128)
			for len(text) < n {
				text = append(text, letters[r.IntN(len(letters))]...)
			}
			for _, at := range [][]byte{page[:n], page[len(page)-n:], page[len(page)-n-1 : len(page)-1]} {
				copy(at, text)
				demandKernels(t, at)
			}
		}
	}
	runtime.KeepAlive(page)
}

// TestKernelsWriteInPlace demands that a string is written to just enough room, and where it belongs.
func TestKernelsWriteInPlace(t *testing.T) {
	page := fenced(t, os.Getpagesize())
	for n := range 80 {
		b := make([]byte, n)
		for i := range b {
			b[i] = `ab"\`[i*n%4]
		}
		eachKernel(func() {
			room := page[len(page)-6-n-slack:]
			copy(room, "before")
			out, o := put(room, 6, b)
			want, w := putGeneric([]byte("before"), 6, b)
			require.Equal(t, string(want[:w]), string(out[:o]))
		})
	}
}

// TestKernelsGrow puts long strings of which much more comes, so that the kernels stop for want of room, with and without what else makes them stop.
func TestKernelsGrow(t *testing.T) {
	for _, word := range []string{`"`, `"é`, `""""""""a`, `\"é` + "\n", "\n", "\"\x00\\", "é" + strings.Repeat(`"`, 70)} {
		for n := range 60 {
			demandKernels(t, []byte(strings.Repeat(word, 7*n+1)))
		}
	}
}

// TestRunesAtAllPlaces goes through all pairs of bytes, and through all that begin like characters of three and four, on the border of two registers too.
func TestRunesAtAllPlaces(t *testing.T) {
	if !kernels {
		t.Skip("no kernel")
	}
	b := make([]byte, 76)
	eachKernel(func() {
		for _, at := range []int{0, 1, 12, 13, 14, 15, 16, 30, 36, 60, 61, 62, 63, 64, 72} {
			demandRunes(t, b, at)
		}
	})
}

// demandRunes goes through all at one place of b.
func demandRunes(t *testing.T, b []byte, at int) {
	for i := range b {
		b[i] = 'x'
	}
	for v := range 1 << 16 {
		b[at], b[at+1] = byte(v>>8), byte(v)
		if want := utf8.Valid(b); want != validText(b) {
			t.Fatalf("%x at %d: %v", b[at:at+2], at, !want)
		}
		for third := 0x7F; third < 0x100 && b[at] >= 0xE0; third += 0x21 {
			for fourth := 0x7F; fourth < 0x100; fourth += 0x40 {
				b[at+2], b[at+3] = byte(third), byte(fourth)
				if want := utf8.Valid(b); want != validText(b) {
					t.Fatalf("%x at %d: %v", b[at:at+4], at, !want)
				}
			}
			b[at+2], b[at+3] = 'x', 'x'
		}
	}
}
