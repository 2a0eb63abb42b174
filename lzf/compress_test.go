package lzf

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// texts returns data of n bytes in several characters.
func texts(n int) map[string][]byte {
	rnd := newRand()
	random := make([]byte, n)
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	var json, mixed bytes.Buffer
	for i := 0; json.Len() < n; i++ {
		fmt.Fprintf(&json, `{"id":%d,"name":"user-%d","score":%d,"active":%t},`, i, rnd.IntN(1e6), rnd.IntN(100), i%3 == 0)
	}
	for mixed.Len() < n {
		mixed.WriteString(strings.Repeat(string(rune('a'+rnd.IntN(26))), 1+rnd.IntN(400)))
		mixed.Write(random[:min(n, rnd.IntN(100))])
	}
	words := strings.Fields("the quick brown fox jumps over a lazy dog while seven wizards box with bright sphinxes of quartz")
	var text strings.Builder
	for text.Len() < n {
		text.WriteString(words[rnd.IntN(len(words))])
		text.WriteByte(' ')
	}
	return map[string][]byte{
		"zeros":  make([]byte, n),
		"random": random,
		"json":   json.Bytes()[:n],
		"text":   []byte(text.String()[:n]),
		"mixed":  mixed.Bytes()[:n],
		"period": bytes.Repeat([]byte("abcdefghijk"), n/11+1)[:n],
	}
}

// worst is the length that any src of n bytes fits into.
func worst(n int) int { return n + n/maxLiteral + 1 }

func demandRoundTrip(t *testing.T, src []byte) (compressed []byte) {
	t.Helper()
	dst := make([]byte, worst(len(src)))
	n, ok := Compress(dst, src)
	if !ok {
		t.Fatalf("%d bytes do not fit into %d", len(src), len(dst))
	}
	out, err := naive(dst[:n], int64(len(src)))
	if err != nil || !bytes.Equal(out, src) {
		t.Fatalf("%d bytes do not come back: %v", len(src), err)
	}
	if n > 0 {
		if m, ok := Compress(make([]byte, n), src); !ok || m != n {
			t.Fatalf("a buffer of just the length: %d, %t, want %d", m, ok, n)
		}
		if _, ok := Compress(make([]byte, n-1), src); ok {
			t.Fatal("a buffer one byte too small was enough")
		}
	}
	return dst[:n]
}

func TestRoundTrip(t *testing.T) {
	for name, data := range texts(10_000) {
		t.Run(name, func(t *testing.T) {
			for n := 0; n <= len(data); n += 1 + n/40 {
				demandRoundTrip(t, data[len(data)-n:])
			}
		})
	}
}

func TestCompressRatio(t *testing.T) {
	const n = 100_000
	limits := map[string]int{"zeros": n / 85, "period": n / 85, "json": n * 45 / 100, "text": n * 50 / 100, "random": worst(n)}
	for name, data := range texts(n) {
		limit, ok := limits[name]
		if !ok {
			continue
		}
		got := len(demandRoundTrip(t, data))
		t.Logf("%s: %d -> %d", name, n, got)
		if got > limit {
			t.Errorf("%s: %d bytes become %d, want at most %d", name, n, got, limit)
		}
	}
}

func TestCompressLongMatches(t *testing.T) {
	src := bytes.Repeat([]byte("a"), 1+264)
	if got, want := demandRoundTrip(t, src), block(lit("a"), ref(1, 264)); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	// The farthest match there is, and one byte farther.
	for extra, found := range []bool{true, false} {
		src := "needle" + strings.Repeat("z", maxDistance-6+extra) + "needle"
		got := demandRoundTrip(t, []byte(src))
		if tail := ref(maxDistance, 6); bytes.HasSuffix(got, tail) != found {
			t.Errorf("distance %d: ends in %x", maxDistance+extra, got[len(got)-8:])
		}
	}
}

// TestCompressDependsOnSourceAlone compresses with compressors of every past: new,
// used, and about to run out of positions.
func TestCompressDependsOnSourceAlone(t *testing.T) {
	data := texts(20_000)
	used := &compressor{base: gap}
	for name, src := range data {
		want := make([]byte, worst(len(src)))
		n, _ := (&compressor{base: gap}).compress(want, src)
		late := &compressor{base: math.MaxUint32 - uint32(len(src))}
		for i := range late.table {
			late.table[i] = math.MaxUint32 - uint32(i)
		}
		for which, c := range map[string]*compressor{"used": used, "late": late, "to be cleared": {}} {
			got := make([]byte, worst(len(src)))
			if m, ok := c.compress(got, src); !ok || !bytes.Equal(got[:m], want[:n]) {
				t.Errorf("%s: a compressor that is %s makes another block", name, which)
			}
		}
	}
	for range 100 {
		used.compress(make([]byte, 30_000), data["mixed"])
	}
	src := data["json"]
	want, got := make([]byte, worst(len(src))), make([]byte, worst(len(src)))
	n, _ := (&compressor{base: gap}).compress(want, src)
	if m, ok := used.compress(got, src); !ok || !bytes.Equal(got[:m], want[:n]) {
		t.Error("a compressor of long use makes another block")
	}
}

func TestCompressPositionsRunOut(t *testing.T) {
	c := &compressor{base: math.MaxUint32 - 3*gap}
	src := texts(5000)["text"]
	for i := range 8 {
		before := c.base
		dst := make([]byte, worst(len(src)))
		n, ok := c.compress(dst, src)
		out, err := naive(dst[:n], int64(len(src)))
		if !ok || err != nil || !bytes.Equal(out, src) {
			t.Fatalf("call %d from position %d: %t, %v", i, before, ok, err)
		}
	}
	if c.base > 1<<20 {
		t.Errorf("the positions never started over: %d", c.base)
	}
}
