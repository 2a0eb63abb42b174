package ziplist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
	"github.com/kvfsck/kvfsck/rdb/internal/packed/packedtest"
)

func Example() {
	var w Writer
	w.Reset(nil)
	w.Add([]byte("hello"))
	w.Add([]byte("7")) // becomes an integer entry
	blob, err := w.Finish()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("% x\n", blob)

	var it Iter
	var scratch [20]byte
	for it.Reset(blob); it.Next(); {
		fmt.Printf("%d at %d: %s (integer: %v)\n", it.Index(), it.Offset(), it.Text(scratch[:]), it.IsInt())
	}
	fmt.Println(it.Err())

	blob[17] = 6 // the second entry's prevlen
	_, err = Validate(blob)
	fmt.Println(err, errors.Is(err, ErrCorrupt))
	// Output:
	// 14 00 00 00 11 00 00 00 02 00 00 05 68 65 6c 6c 6f 07 f8 ff
	// 0 at 10: hello (integer: false)
	// 1 at 17: 7 (integer: true)
	// <nil>
	// ziplist: corrupt at byte 17 (entry 1): the stated size of the previous entry is wrong: have 6, want 7 true
}

// blob makes a ziplist of ready-made entries under a right header.
func blob(entries ...string) []byte {
	body := strings.Join(entries, "")
	tail := headerSize + len(body)
	if n := len(entries); n > 0 {
		tail -= len(entries[n-1])
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(headerSize+len(body)+1))
	b = binary.LittleEndian.AppendUint32(b, uint32(tail))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	return append(append(b, body...), end)
}

func set(b []byte, i int, v byte) []byte {
	if i < 0 {
		i += len(b)
	}
	b[i] = v
	return b
}

const a = "\x00\x01a" // the string "a" as a first entry

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name   string
		blob   []byte
		kind   Kind // 0: sound
		offset int64
		entry  int64
	}{
		{name: "sound", blob: blob(a, "\x03\xf6", "\x02\x02bc")},
		{name: "no entries", blob: blob()},
		{"empty", nil, packed.TooShort, 0, -1},
		{"one byte less than a header and an end", blob()[:10], packed.TooShort, 0, -1},
		{"size too great", set(blob(a), 0, 99), packed.BadSize, 0, -1},
		{"size too small", set(blob(a), 0, 13), packed.BadSize, 0, -1},
		{"last byte no end", set(blob(a), -1, 0), packed.BadTerminator, 13, 1},
		{"tail outside", set(blob(a), 4, 14), packed.BadTail, 4, -1},
		{"tail outside of no entries", set(blob(), 4, 11), packed.BadTail, 4, -1},
		{"tail not at the last entry", set(blob(a, "\x03\xf6"), 4, 10), packed.BadTail, 4, -1},
		{"tail at the end", set(blob(a), 4, 13), packed.BadTail, 4, -1},
		{"count too small", set(blob(a, "\x03\xf6"), 8, 1), packed.BadCount, 8, -1},
		{"count too great", set(blob(a), 8, 2), packed.BadCount, 8, -1},
		{name: "count unknown", blob: set(set(blob(a), 8, 255), 9, 255)},
		{"early end", blob(a, "\xff\xf1"), packed.EarlyEnd, 13, 1},
		{"prevlen too small", blob(a, "\x02\xf6"), packed.BadPrevLen, 13, 1},
		{"prevlen too great", blob(a, "\x04\xf6"), packed.BadPrevLen, 13, 1},
		{"prevlen of a first entry", blob("\x01\x01a"), packed.BadPrevLen, 10, 0},
		{"long prevlen is wrong", blob(a, "\xfe\x03\x01\x00\x00\xf6"), packed.BadPrevLen, 13, 1},
		{"prevlen alone", blob(a, "\x03"), packed.OutOfBounds, 13, 1},
		{"long prevlen cut", blob(a, "\xfe\x03\x00"), packed.OutOfBounds, 13, 1},
		{"long prevlen alone", blob(a, "\xfe\x03\x00\x00\x00"), packed.OutOfBounds, 13, 1},
		{"14-bit length cut", blob(a, "\x03\x40"), packed.OutOfBounds, 13, 1},
		{"32-bit length cut", blob(a, "\x03\x80\x00\x00"), packed.OutOfBounds, 13, 1},
		{"string reaches out", blob(a, "\x03\x04abc"), packed.OutOfBounds, 13, 1},
		{"32-bit length that wraps", blob(a, "\x03\x80\xff\xff\xff\xff"), packed.OutOfBounds, 13, 1},
		{"integer reaches out", blob(a, "\x03\xe0\x00\x00"), packed.OutOfBounds, 13, 1},
		{"encoding C1", blob(a, "\x03\xc1\x00\x00"), packed.BadEncoding, 14, 1},
		{"encoding CF", blob(a, "\x03\xcf\x00\x00"), packed.BadEncoding, 14, 1},
		{"encoding EF", blob(a, "\x03\xef\x00\x00"), packed.BadEncoding, 14, 1},
		{"encoding FF", blob(a, "\x03\xff\x00\x00"), packed.BadEncoding, 14, 1},

		// What looks wrong and is accepted by Redis 7.0 and 8.6 and by Valkey 9.1.
		{name: "long prevlen of a small number", blob: blob(a, "\xfe\x03\x00\x00\x00\x01b", "\x07\xf1")},
		{name: "long prevlen of a first entry", blob: blob("\xfe\x00\x00\x00\x00\x01a")},
		{name: "32-bit length announced by BF", blob: blob(a, "\x03\xbf\x00\x00\x00\x01b")},
		{name: "string not in its smallest form", blob: blob(a, "\x03\x40\x01b")},
		{name: "integer not in its smallest form", blob: blob(a, "\x03\xc0\x01\x00")},
		{name: "tail of no entries", blob: set(blob(), 4, 0)},
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
			if got, want := ValidateShallow(tc.blob) == nil, corrupt == nil || !corrupt.Shallow; got != want {
				t.Errorf("ValidateShallow accepts: %v, want %v", got, want)
			}
			if got := accepted(tc.blob); got != (err == nil) {
				t.Errorf("the servers' way accepts: %v", got)
			}
		})
	}
}

// accepted is the servers' validation told a second time, as plainly as can
// be: it looks at absolute places in the whole blob, where the package looks
// at windows and tables.
func accepted(b []byte) bool {
	if len(b) < 11 || int(binary.LittleEndian.Uint32(b)) != len(b) || b[len(b)-1] != 0xFF {
		return false
	}
	tail := uint64(binary.LittleEndian.Uint32(b[4:]))
	last := uint64(len(b) - 1)
	if tail > last {
		return false
	}
	sizes := map[byte]uint64{0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}
	for v := byte(0xF1); v <= 0xFD; v++ {
		sizes[v] = 0
	}
	padded := append(bytes.Clone(b), make([]byte, 16)...) // what is read beyond is judged below
	count, p, before, size := 0, uint64(10), uint64(0), uint64(0)
	for ; b[p] != 0xFF; count++ {
		q, prev := p+1, uint64(b[p])
		if b[p] == 0xFE {
			q, prev = p+5, uint64(binary.LittleEndian.Uint32(padded[p+1:]))
		}
		if q > last {
			return false
		}
		first := padded[q]
		switch first >> 6 {
		case 0:
			q, size = q+1, uint64(first)
		case 1:
			q, size = q+2, uint64(binary.BigEndian.Uint16(padded[q:])&0x3FFF)
		case 2:
			q, size = q+5, uint64(binary.BigEndian.Uint32(padded[q+1:]))
		default:
			var ok bool
			if size, ok = sizes[first]; !ok {
				return false
			}
			q++
		}
		if q+size > last || prev != before {
			return false
		}
		before = q + size - p
		p = q + size
	}
	stated := int(binary.LittleEndian.Uint16(b[8:]))
	return p == last && (count == 0 || tail == p-before) && (stated == 65535 || stated == count)
}

// build makes a ziplist of random content, and says what is in it.
func build(rng *rand.Rand, entries int) (b []byte, texts []string) {
	var w Writer
	w.Reset([]byte("before"))
	for range entries {
		if rng.IntN(2) == 0 {
			v := packedtest.Int(rng)
			w.AddInt(v)
			texts = append(texts, strconv.FormatInt(v, 10))
			continue
		}
		s := packedtest.String(rng)
		switch rng.IntN(16) {
		case 0, 1:
			s = strconv.AppendInt(nil, packedtest.Int(rng), 10)
		case 2:
			s = make([]byte, 16300+rng.IntN(200))
		}
		w.Add(s)
		texts = append(texts, string(s))
	}
	size := w.Size()
	b, err := w.Finish()
	if err != nil || size != len(b)-len("before") || w.Len() != entries {
		panic("Finish, Size or Len is wrong")
	}
	return b[len("before"):], texts
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	mem, stream := new(Iter), new(Iter)
	for range 200 {
		b, texts := build(rng, rng.IntN(60))
		got, err := packedtest.Agree(t, mem, stream, b, rng)
		if err != nil || len(got) != len(texts) || mem.Count() != int64(len(texts)) {
			t.Fatalf("%d entries of %d: %v", len(got), len(texts), err)
		}
		for i, e := range got {
			if _, ok := packed.ParseInt([]byte(texts[i])); e.Text != texts[i] || e.IsInt != ok {
				t.Fatalf("entry %d: %q (integer: %v), want %q", i, e.Text, e.IsInt, texts[i])
			}
		}
		if n, err := Validate(b); n != len(texts) || err != nil {
			t.Fatal(n, err)
		}
		if !accepted(b) {
			t.Fatal("the servers' way rejects what the writer made")
		}
	}
}

func TestCountSaturates(t *testing.T) {
	for _, n := range []int{65534, 65535, 65536} {
		var w Writer
		w.Reset(nil)
		for range n {
			w.AddInt(1)
		}
		b, _ := w.Finish()
		got, err := Validate(b)
		if stated := int(binary.LittleEndian.Uint16(b[8:])); got != n || err != nil || stated != min(n, CountUnknown) {
			t.Errorf("%d entries: walked %d, stated %d, %v", n, got, stated, err)
		}
	}
}

func TestDamageIsJudgedAsByServers(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	rejected := 0
	for range 3000 {
		b, _ := build(rng, rng.IntN(12))
		judge(t, packedtest.Mutate(b, rng), rng, &rejected)
	}
	if rejected < 1500 || rejected == 3000 {
		t.Errorf("%d of 3000 rejected: the damage is not what it should be", rejected)
	}
}

func judge(t *testing.T, b []byte, rng *rand.Rand, rejected *int) {
	t.Helper()
	_, err := packedtest.Agree(t, new(Iter), new(Iter), b, rng)
	if err != nil {
		*rejected++
	}
	if want := accepted(b); want != (err == nil) {
		t.Fatalf("%x: %v, but servers accept: %v", b, err, want)
	}
}

func TestNoAllocation(t *testing.T) {
	b, _ := build(rand.New(rand.NewPCG(11, 12)), 100)
	var it Iter
	buf := make([]byte, 8192)
	src := bytes.NewReader(b)
	use := func() {
		for it.Reset(b); it.Next(); {
			_ = it.Fingerprint()
		}
		src.Reset(b)
		for it.ResetStream(src, int64(len(b)), buf); it.Next(); {
			_ = it.Fingerprint()
		}
		_, _ = Validate(b)
	}
	use() // the first long element makes the hasher
	if n := testing.AllocsPerRun(20, use); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzZiplist(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		var n int
		judge(t, b, rand.New(rand.NewPCG(seed, 0)), &n)
	})
}

// mixed is what small hashes look like: short fields, and values of all kinds.
func mixed() []byte {
	rng := rand.New(rand.NewPCG(13, 14))
	var w Writer
	w.Reset(nil)
	for w.Size() < 64<<10 {
		switch rng.IntN(4) {
		case 0:
			w.AddInt(int64(rng.IntN(1000)))
		case 1:
			w.AddInt(rng.Int64() >> rng.IntN(60))
		default:
			w.AddString(make([]byte, rng.IntN(24)))
		}
	}
	b, _ := w.Finish()
	return b
}

func BenchmarkValidate(b *testing.B) {
	blob := mixed()
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		_, _ = Validate(blob)
	}
}

func BenchmarkNext(b *testing.B) {
	blob := mixed()
	b.SetBytes(int64(len(blob)))
	var it Iter
	for b.Loop() {
		for it.Reset(blob); it.Next(); {
		}
	}
}
