package intset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
	"github.com/kvfsck/kvfsck/rdb/internal/packed/packedtest"
)

func Example() {
	blob, err := Append(nil, []int64{-1, 5, 300})
	fmt.Printf("% x %v\n", blob, err)

	var it Iter
	for it.Reset(blob); it.Next(); {
		fmt.Println(it.Int())
	}
	fmt.Println(it.Err())

	blob[8], blob[9] = 9, 0 // -1 becomes 9
	_, err = Validate(blob)
	fmt.Println(err, errors.Is(err, ErrCorrupt))
	// Output:
	// 02 00 00 00 03 00 00 00 ff ff 05 00 2c 01 <nil>
	// -1
	// 5
	// 300
	// <nil>
	// intset: corrupt at byte 10 (entry 1): the element is not greater than the one before: have 5, want 9 true
}

// blob makes an intset of elements of two bytes under the header it is told.
func blob(width, count uint32, elements ...int16) []byte {
	b := binary.LittleEndian.AppendUint32(nil, width)
	b = binary.LittleEndian.AppendUint32(b, count)
	for _, v := range elements {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name   string
		blob   []byte
		kind   Kind // 0: sound
		offset int64
		entry  int64
	}{
		{name: "sound", blob: blob(2, 3, -3, 0, 7)},
		{name: "width greater than needed", blob: blob(4, 1, 7, 0)},
		{"empty", nil, packed.TooShort, 0, -1},
		{"half a header", blob(2, 1)[:7], packed.TooShort, 0, -1},
		{"width 3", blob(3, 2, 1, 2, 3), packed.BadEncoding, 0, -1},
		{"width 0", blob(0, 0), packed.BadEncoding, 0, -1},
		{"width of another byte order", blob(0x02000000, 1, 7), packed.BadEncoding, 0, -1},
		{"count too great", blob(2, 4, 1, 2, 3), packed.BadSize, 4, -1},
		{"count too small", blob(2, 2, 1, 2, 3), packed.BadSize, 4, -1},
		{"count whose size wraps in 32 bits", blob(8, 0x20000000), packed.BadSize, 4, -1},
		{"half an element", blob(4, 1, 1), packed.BadSize, 4, -1},
		{"no elements", blob(2, 0), packed.Empty, 4, -1},
		{"equal elements", blob(2, 3, 1, 2, 2), packed.Unsorted, 12, 2},
		{"descending elements", blob(2, 3, 1, 0, 2), packed.Unsorted, 10, 1},
		{"unsigned order", blob(2, 2, 1, -1), packed.Unsorted, 10, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			_, err := packedtest.Agree(t, new(Iter), new(Iter), tc.blob, rng)
			var corrupt *CorruptError
			if tc.kind == 0 {
				if err != nil {
					t.Fatal(err)
				}
				packedtest.CutShort(t, new(Iter), tc.blob)
			} else if !errors.As(err, &corrupt) || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want %v", err, tc.kind)
			} else if corrupt.Kind != tc.kind || corrupt.Offset != tc.offset || corrupt.Entry != tc.entry {
				t.Errorf("got %v at %d, entry %d; want %v at %d, entry %d", corrupt.Kind, corrupt.Offset, corrupt.Entry,
					tc.kind, tc.offset, tc.entry)
			}
			if got, want := ValidateShallow(tc.blob) == nil, tc.kind == 0 || tc.kind == packed.Unsorted; got != want {
				t.Errorf("ValidateShallow accepts: %v, want %v", got, want)
			}
			if corrupt != nil && corrupt.Shallow != (tc.kind != packed.Unsorted) {
				t.Errorf("shallow: %v", corrupt.Shallow)
			}
		})
	}
}

// elements makes a random set, sorted.
func elements(rng *rand.Rand, n int) (s []int64) {
	bits := rng.IntN(64)
	for range n {
		s = append(s, packedtest.Int(rng)>>bits)
	}
	slices.Sort(s)
	return slices.Compact(s)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	mem, stream := new(Iter), new(Iter)
	for range 300 {
		want := elements(rng, 1+rng.IntN(100))
		b, err := Append([]byte("before"), want)
		if err != nil {
			t.Fatal(err)
		}
		b = b[len("before"):]
		got, err := packedtest.Agree(t, mem, stream, b, rng)
		if err != nil || len(got) != len(want) || mem.Count() != int64(len(want)) {
			t.Fatalf("%d elements of %d: %v", len(got), len(want), err)
		}
		for i, e := range got {
			if e.Int != want[i] || !e.IsInt {
				t.Fatalf("element %d: %d, want %d", i, e.Int, want[i])
			}
		}
		if n, err := Validate(b); n != len(want) || err != nil {
			t.Fatal(n, err)
		}
		if !accepted(b) {
			t.Fatal("the servers' way rejects what Append made")
		}
	}
}

func TestWidthIsTheSmallest(t *testing.T) {
	for _, tc := range []struct {
		element int64
		width   int
	}{
		{0, 2}, {math.MaxInt16, 2}, {math.MinInt16, 2}, {math.MaxInt16 + 1, 4}, {math.MinInt16 - 1, 4},
		{math.MaxInt32, 4}, {math.MinInt32, 4}, {math.MaxInt32 + 1, 8}, {math.MinInt32 - 1, 8},
		{math.MaxInt64, 8}, {math.MinInt64, 8},
	} {
		b, err := Append(nil, []int64{tc.element})
		var it Iter
		it.Reset(b)
		if err != nil || it.Width() != tc.width || !it.Next() || it.Int() != tc.element {
			t.Errorf("%d: width %d, %v", tc.element, it.Width(), err)
		}
	}
}

func TestAppendWantsOrder(t *testing.T) {
	for _, s := range [][]int64{{1, 1}, {2, 1}} {
		if _, err := Append(nil, s); !errors.Is(err, ErrUnsorted) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

// accepted is the servers' validation told a second time.
func accepted(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	width, count := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if width != 2 && width != 4 && width != 8 || 8+uint64(count)*uint64(width) != uint64(len(b)) || count == 0 {
		return false
	}
	shift := 64 - 8*width
	for i := range count {
		v, before := int64(0), int64(0)
		for k := range width {
			at := 8 + i*width + k
			v |= int64(b[at]) << (8 * k)
			if i > 0 {
				before |= int64(b[at-width]) << (8 * k)
			}
		}
		if i > 0 && v<<shift <= before<<shift {
			return false
		}
	}
	return true
}

func judge(t *testing.T, b []byte, rng *rand.Rand) {
	t.Helper()
	_, err := packedtest.Agree(t, new(Iter), new(Iter), b, rng)
	if want := accepted(b); want != (err == nil) {
		t.Fatalf("%x: %v, but servers accept: %v", b, err, want)
	}
	if Plain(b) != (err == nil) {
		t.Fatalf("%x: %v, but plain: %v", b, err, Plain(b))
	}
}

func TestDamageIsJudgedAsByServers(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 3000 {
		b, _ := Append(nil, elements(rng, 1+rng.IntN(8)))
		judge(t, packedtest.Mutate(b, rng), rng)
	}
}

func TestNoAllocation(t *testing.T) {
	b, _ := Append(nil, []int64{1, 2, 300000})
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

func FuzzIntset(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		judge(t, b, rand.New(rand.NewPCG(seed, 0)))
	})
}

func BenchmarkValidate(b *testing.B) {
	for _, step := range []int64{1, 1 << 18, 1 << 50} {
		var s []int64
		for i := range int64(4096) {
			s = append(s, i*step)
		}
		blob, _ := Append(nil, s)
		b.Run(fmt.Sprintf("width%d", blob[0]), func(b *testing.B) {
			b.SetBytes(int64(len(blob)))
			for b.Loop() {
				_, _ = Validate(blob)
			}
		})
	}
}
