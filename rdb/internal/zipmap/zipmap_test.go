package zipmap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
	"github.com/kvfsck/kvfsck/rdb/internal/packed/packedtest"
)

func Example() {
	var w Writer
	w.Reset(nil)
	w.Add([]byte("name"), []byte("foo"))
	w.Add([]byte("age"), []byte("7"))
	blob := w.Finish()
	fmt.Printf("% x\n", blob)

	var it Iter
	for it.Reset(blob); it.Next(); {
		fmt.Printf("%q field: %v\n", it.Str(), it.IsField())
	}
	fmt.Println(it.Err())

	blob[0] = 3
	_, err := Validate(blob)
	fmt.Println(err, errors.Is(err, ErrCorrupt))
	// Output:
	// 02 04 6e 61 6d 65 03 00 66 6f 6f 03 61 67 65 01 00 37 ff
	// "name" field: true
	// "foo" field: false
	// "age" field: true
	// "7" field: false
	// <nil>
	// zipmap: corrupt at byte 0: the header states another number of entries: have 3, want 2 true
}

func le(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

func TestRules(t *testing.T) {
	long := strings.Repeat("v", 300)
	for _, tc := range []struct {
		name   string
		blob   string
		kind   Kind // 0: sound
		offset int64
		entry  int64
	}{
		{name: "sound", blob: "\x02\x01a\x01\x00b\x01c\x00\x00\xff"},
		{name: "long value", blob: "\x01\x01a\xfe" + le(300) + "\x00" + long + "\xff"},
		{name: "long field", blob: "\x01\xfe" + le(300) + long + "\x01\x00b\xff"},
		{name: "free bytes", blob: "\x01\x01a\x01\x03bxxx\xff"},
		{name: "more free bytes than any writer left", blob: "\x01\x01a\x01\x09b123456789\xff"},
		{name: "free bytes that look like an end", blob: "\x02\x01a\x01\x01b\xff\x01c\x01\x00d\xff"},
		{name: "count unknown", blob: "\xfe\x01a\x01\x00b\xff"},
		{"empty", "", packed.TooShort, 0, -1},
		{"an end alone", "\xff", packed.TooShort, 0, -1},
		{"last byte no end", "\x01\x01a\x01\x00b\x00", packed.BadTerminator, 6, 2},
		{"no pairs", "\x00\xff", packed.Empty, 0, -1},
		{"count too great", "\x02\x01a\x01\x00b\xff", packed.BadCount, 0, -1},
		{"count too small", "\x01\x01a\x01\x00b\x01c\x01\x00d\xff", packed.BadCount, 0, -1},
		{"count 255 means 255", "\xff\x01a\x01\x00b\xff", packed.BadCount, 0, -1},
		{"field reaches out", "\x01\x05ab\xff", packed.OutOfBounds, 1, 0},
		{"field length cut", "\x01\xfe\x01\x00\xff", packed.OutOfBounds, 1, 0},
		{"field without value", "\x01\x01a\xff", packed.OutOfBounds, 3, 1},
		{"value length cut", "\x01\x01a\xfe\x01\x00\xff", packed.OutOfBounds, 3, 1},
		{"value without free byte", "\x01\x01a\x00\xff", packed.OutOfBounds, 3, 1},
		{"value reaches out", "\x01\x01a\x05\x00b\xff", packed.OutOfBounds, 3, 1},
		{"free bytes reach out", "\x01\x01a\x01\x05b\xff", packed.OutOfBounds, 3, 1},
		{"length and free bytes that wrap together", "\x01\x01a\xfe" + le(0xfffffff0) + "\x12bb\xff", packed.OutOfBounds, 3, 1},
		{"field length in the long form", "\x01\xfe" + le(1) + "a\x01\x00b\xff", packed.LongLength, 1, 0},
		{"value length in the long form", "\x01\x01a\xfe" + le(253) + "\x00" + long[:253] + "\xff", packed.LongLength, 3, 1},
		{"value length in the other long form", "\x01\x01a\xff" + le(1) + "\x00b\xff", packed.LongLength, 3, 1},

		// What looks wrong and is accepted by Redis 7.0 and 8.6 and by Valkey 9.1.
		{name: "value length announced by FF", blob: "\x01\x01a\xff" + le(300) + "\x00" + long + "\xff"},
		{name: "254 in the long form", blob: "\x01\x01a\xfe" + le(254) + "\x00" + long[:254] + "\xff"},
		{name: "end before the last byte", blob: "\x01\x01a\x01\x00b\xffxyz\xff"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			b := []byte(tc.blob)
			_, walk := packedtest.Agree(t, new(Iter), new(Iter), b, rng)
			n, err := Validate(b)
			var corrupt *CorruptError
			if tc.kind == 0 {
				if err != nil || n == 0 {
					t.Fatal(n, err)
				}
				packedtest.CutShort(t, new(Iter), b)
			} else if !errors.As(err, &corrupt) || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want %v", err, tc.kind)
			} else if corrupt.Kind != tc.kind || corrupt.Offset != tc.offset || corrupt.Entry != tc.entry {
				t.Errorf("got %v at %d, entry %d; want %v at %d, entry %d", corrupt.Kind, corrupt.Offset, corrupt.Entry,
					tc.kind, tc.offset, tc.entry)
			}
			if (walk == nil) != (tc.kind == 0 || tc.kind == packed.LongLength) {
				t.Errorf("walk: %v", walk)
			}
			if got, want := ValidateShallow(b) == nil, corrupt == nil || !corrupt.Shallow; got != want {
				t.Errorf("ValidateShallow accepts: %v, want %v", got, want)
			}
			if got := accepted(b); got != (err == nil) {
				t.Errorf("the servers' way accepts: %v", got)
			}
		})
	}
}

func TestWhatIsNoErrorIsStillTold(t *testing.T) {
	var it Iter
	b := []byte("\x01\x01a\xfe" + le(1) + "\x00b\xffxyz\xff")
	for _, buf := range []int{0, 512} {
		if it.Reset(b); buf > 0 {
			it.ResetStream(bytes.NewReader(b), int64(len(b)), make([]byte, buf))
		}
		var got []string
		for it.Next() {
			got = append(got, string(it.Str()))
		}
		if it.Err() != nil || strings.Join(got, " ") != "a b" {
			t.Errorf("%q, %v", got, it.Err())
		}
		if e := it.LongLength(); e == nil || e.Offset != 3 || e.Entry != 1 {
			t.Errorf("LongLength: %v", e)
		}
		if it.Trailing() != 4 {
			t.Errorf("Trailing: %d", it.Trailing())
		}
		if it.Reset([]byte("\x01\x01a\x01\x00b\xff")); it.Drain() != nil || it.LongLength() != nil || it.Trailing() != 0 {
			t.Error("Reset forgets nothing")
		}
	}
}

// accepted is the servers' validation, that of short lengths in the long form
// included, told a second time: it looks at absolute places in the whole blob.
func accepted(b []byte) bool {
	if len(b) < 2 || b[len(b)-1] != 0xFF {
		return false
	}
	last := uint64(len(b) - 1)
	padded := append(bytes.Clone(b), make([]byte, 8)...) // what is read beyond is judged below
	length := func(p uint64) (next, n uint64, ok bool) {
		if b[p] < 254 {
			return p + 1, uint64(b[p]), p+1 <= last
		}
		n = uint64(binary.LittleEndian.Uint32(padded[p+1:]))
		return p + 5, n, p+5 <= last && n >= 254
	}
	pairs, p := 0, uint64(1)
	for ; b[p] != 0xFF; pairs++ {
		q, n, ok := length(p)
		if !ok || q+n > last {
			return false
		}
		q, n, ok = length(q + n)
		if !ok {
			return false
		}
		p = q + 1 + n + uint64(b[q])
		if p > last {
			return false
		}
	}
	return pairs > 0 && (b[0] == 254 || int(b[0]) == pairs)
}

// build makes a zipmap of random content, and says what is in it.
func build(rng *rand.Rand, pairs int) (b []byte, texts []string) {
	var w Writer
	w.Reset([]byte("before"))
	for range pairs {
		field, value := packedtest.String(rng), packedtest.String(rng)
		w.Add(field, value)
		texts = append(texts, string(field), string(value))
	}
	return w.Finish()[len("before"):], texts
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	mem, stream := new(Iter), new(Iter)
	for i := range 200 {
		pairs := 1 + rng.IntN(40)
		if i < 4 {
			pairs = 252 + i
		}
		b, texts := build(rng, pairs)
		got, err := packedtest.Agree(t, mem, stream, b, rng)
		if err != nil || len(got) != len(texts) || mem.Count() != int64(min(pairs, CountUnknown)) {
			t.Fatalf("%d entries of %d: %v", len(got), len(texts), err)
		}
		for i, e := range got {
			if e.Text != texts[i] || e.IsInt {
				t.Fatalf("entry %d: %q, want %q", i, e.Text, texts[i])
			}
		}
		if n, err := Validate(b); n != pairs || err != nil {
			t.Fatal(n, err)
		}
		if !accepted(b) {
			t.Fatal("the servers' way rejects what the writer made")
		}
	}
}

func judge(t *testing.T, b []byte, rng *rand.Rand) {
	t.Helper()
	_, walk := packedtest.Agree(t, new(Iter), new(Iter), b, rng)
	_, err := Validate(b)
	if want := accepted(b); want != (err == nil) {
		t.Fatalf("%x: %v, but servers accept: %v", b, err, want)
	}
	if walk != nil && err == nil {
		t.Fatalf("%x: the walk fails, Validate does not", b)
	}
}

func TestDamageIsJudgedAsByServers(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 3000 {
		b, _ := build(rng, 1+rng.IntN(8))
		judge(t, packedtest.Mutate(b, rng), rng)
	}
}

func TestNoAllocation(t *testing.T) {
	b, _ := build(rand.New(rand.NewPCG(11, 12)), 100)
	var it Iter
	buf := make([]byte, 8192)
	src := bytes.NewReader(b)
	n := testing.AllocsPerRun(20, func() {
		for it.Reset(b); it.Next(); {
			_ = it.Fingerprint()
		}
		src.Reset(b)
		it.ResetStream(src, int64(len(b)), buf)
		_ = it.Drain()
		_, _ = Validate(b)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzZipmap(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		judge(t, b, rand.New(rand.NewPCG(seed, 0)))
	})
}

func BenchmarkValidate(b *testing.B) {
	var w Writer
	w.Reset(nil)
	for i := range 200 {
		w.Add(fmt.Appendf(nil, "field%d", i), fmt.Appendf(nil, "value %d", i*i))
	}
	blob := w.Finish()
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		_, _ = Validate(blob)
	}
}
