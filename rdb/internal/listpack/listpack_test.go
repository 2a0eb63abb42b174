package listpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/packed"
	"github.com/kvfsck/kvfsck/rdb/internal/packed/packedtest"
)

func Example() {
	var w Writer
	w.Reset(nil)
	w.Add([]byte("temperature"))
	w.Add([]byte("-12")) // becomes an integer entry
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

	blob[18] = 9 // the first entry's backlen
	_, err = Validate(blob)
	fmt.Println(err, errors.Is(err, ErrCorrupt))
	// Output:
	// 17 00 00 00 02 00 8b 74 65 6d 70 65 72 61 74 75 72 65 0c df f4 02 ff
	// 0 at 6: temperature (integer: false)
	// 1 at 19: -12 (integer: true)
	// <nil>
	// listpack: corrupt at byte 18 (entry 0): the entry's length at its end is not the one at its start: have 9, want 12 true
}

// blob makes a listpack of ready-made entries under a right header.
func blob(entries ...string) []byte {
	body := strings.Join(entries, "")
	b := binary.LittleEndian.AppendUint32(nil, uint32(headerSize+len(body)+1))
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

const a = "\x81a\x02" // the string "a"

// big is a string entry of n bytes of encoding and data, without backlen.
func big(n int) string {
	return "\xf0" + string(binary.LittleEndian.AppendUint32(nil, uint32(n-5))) + strings.Repeat("s", n-5)
}

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name   string
		blob   []byte
		kind   Kind // 0: sound
		offset int64
		entry  int64
	}{
		{name: "sound", blob: blob(a, "\x05\x01")},
		{name: "no entries", blob: blob()},
		{"empty", nil, packed.TooShort, 0, -1},
		{"one byte less than a header and an end", blob()[:6], packed.TooShort, 0, -1},
		{"size too great", set(blob(a), 0, 99), packed.BadSize, 0, -1},
		{"size too small", set(blob(a), 0, 9), packed.BadSize, 0, -1},
		{"last byte no end", set(blob(a), -1, 0), packed.BadTerminator, 9, 1},
		{"count too small", set(blob(a, a), 4, 1), packed.BadCount, 4, -1},
		{"count too great", set(blob(a, a), 4, 3), packed.BadCount, 4, -1},
		{name: "count unknown", blob: set(set(blob(a, a), 4, 255), 5, 255)},
		{"early end", blob(a, "\xff"), packed.EarlyEnd, 9, 1},
		{"encoding F5", blob(a, "\xf5\x01"), packed.BadEncoding, 9, 1},
		{"encoding FE", blob(a, "\xfe\x01"), packed.BadEncoding, 9, 1},
		{"length reaches out", blob(a, "\xf0\x01\x00"), packed.OutOfBounds, 9, 1},
		{"12-bit length reaches out", blob(a, "\xe0"), packed.OutOfBounds, 9, 1},
		{"integer reaches out", blob(a, "\xf4\x00\x00"), packed.OutOfBounds, 9, 1},
		{"string reaches out", blob(a, "\x84abc"), packed.OutOfBounds, 9, 1},
		{"backlen reaches out", blob(a, "\x83abc"), packed.OutOfBounds, 9, 1},
		{"32-bit length that wraps", blob(a, "\xf0\xff\xff\xff\xff\x04"), packed.OutOfBounds, 9, 1},
		{"backlen too small", blob(a, "\x81a\x01"), packed.BadBackLen, 11, 1},
		{"backlen too great", blob(a, "\x81a\x03"), packed.BadBackLen, 11, 1},
		{"backlen of a long entry", blob(a, big(300)+"\x01\xac"), packed.BadBackLen, 309, 1},
		{"backlen goes on over five bytes", blob(a, "\x84\x80\x80\x80\x80\x85"), packed.BadBackLen, 14, 1},

		// What looks wrong and is accepted by Redis 7.0 and 8.6 and by Valkey 9.1.
		{name: "backlen goes on into an integer 0", blob: blob(a, "\x00\x81")},
		{name: "backlen goes on into the data", blob: blob(a, "\x81\x00\x82")},
		{name: "backlen goes on into the header", blob: blob("\x80\x81")},
		{name: "integer not in its smallest form", blob: blob(a, "\xf4\x05\x00\x00\x00\x00\x00\x00\x00\x09")},
		{name: "string that is an integer's text", blob: blob(a, "\x815\x02")},
		{name: "string not in its smallest form", blob: blob(a, "\xe0\x01x\x03")},
		{name: "16383 with a stray byte before a backlen of two", blob: blob(a, big(16383)+"\x99\x7f\xff")},

		{name: "16382 in two", blob: blob(big(16382) + "\x7f\xfe")},
		{name: "16384 in three", blob: blob(big(16384) + "\x01\x80\x80")},
		{"16384 in two", blob(big(16384) + "\x80\x80"), packed.OutOfBounds, 6, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 6))
			_, err := packedtest.Agree(t, new(Iter), new(Iter), tc.blob, rng)
			var corrupt *CorruptError
			if tc.kind == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if len(tc.blob) < 1000 {
					packedtest.CutShort(t, new(Iter), tc.blob)
				}
			} else if !errors.As(err, &corrupt) || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want %v", err, tc.kind)
			} else if corrupt.Kind != tc.kind || corrupt.Offset != tc.offset || corrupt.Entry != tc.entry {
				t.Errorf("got %v at %d, entry %d; want %v at %d, entry %d", corrupt.Kind, corrupt.Offset, corrupt.Entry,
					tc.kind, tc.offset, tc.entry)
			}
			if got, want := ValidateShallow(tc.blob) == nil, corrupt == nil || !corrupt.Shallow; got != want {
				t.Errorf("ValidateShallow accepts: %v, want %v", got, want)
			}
			if got := Either.accepts(tc.blob); got != (err == nil) {
				t.Errorf("the servers' way accepts: %v", got)
			}
		})
	}
}

// Redis and Valkey write, and demand, other widths at three sizes. Found by
// running redis-check-rdb 7.0 and 8.6 and valkey-check-rdb 9.1 on such files.
func TestDialects(t *testing.T) {
	const both = ""
	for _, tc := range []struct {
		size    int
		backlen string
		only    string // whose it is
	}{
		{16382, "\x7f\xfe", both},
		{16383, "\x7f\xff", "valkey"},
		{16383, "\x00\xff\xff", "redis"},
		{16384, "\x01\x80\x80", both},
		{2097150, "\x7f\xff\xfe", both},
		{2097151, "\x7f\xff\xff", "valkey"},
		{2097151, "\x00\xff\xff\xff", "redis"},
		{2097152, "\x01\x80\x80\x80", both},
	} {
		b := blob(a, big(tc.size)+tc.backlen)
		for dialect, name := range map[Dialect]string{Either: "either", Redis: "redis", Valkey: "valkey"} {
			want := dialect == Either || tc.only == both || tc.only == name
			for _, stream := range []bool{false, true} {
				it := Iter{Dialect: dialect}
				if it.Reset(b); stream {
					it.ResetStream(bytes.NewReader(b), int64(len(b)), make([]byte, 4096))
				}
				if err := it.Drain(); (err == nil) != want {
					t.Errorf("%d in %d bytes as %s: %v", tc.size, len(tc.backlen), name, err)
				}
				if r, v := it.Only(); dialect == Either && ((r == 1) != (tc.only == "redis") || (v == 1) != (tc.only == "valkey")) {
					t.Errorf("%d in %d bytes: only Redis %d, only Valkey %d", tc.size, len(tc.backlen), r, v)
				}
			}
			if got := dialect.accepts(b); got != want {
				t.Errorf("%d in %d bytes: the servers' way as %s accepts: %v", tc.size, len(tc.backlen), name, got)
			}
		}
		w := Writer{Dialect: Redis}
		if tc.only == "valkey" {
			w.Dialect = Valkey
		}
		w.Reset(nil)
		w.Add([]byte("a"))
		w.Add(bytes.Repeat([]byte("s"), tc.size-5))
		if got, err := w.Finish(); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d in %d bytes: the writer makes another listpack (%v)", tc.size, len(tc.backlen), err)
		}
	}
}

// accepts is the servers' validation told a second time, as plainly as can be:
// it looks at absolute places in the whole blob, where the package looks at
// windows and tables.
func (d Dialect) accepts(b []byte) bool {
	if d == Either {
		// Entries may mix; the blobs of these tests do not.
		return Redis.accepts(b) || Valkey.accepts(b)
	}
	if len(b) < 7 || int(binary.LittleEndian.Uint32(b)) != len(b) || b[len(b)-1] != 0xFF {
		return false
	}
	last := uint64(len(b) - 1)
	count, p := 0, uint64(6)
	for ; b[p] != 0xFF; count++ {
		var head, size uint64
		switch first := b[p]; {
		case first < 0x80:
			head, size = 1, 1
		case first < 0xC0:
			head, size = 1, 1+uint64(first-0x80)
		case first < 0xE0:
			head, size = 1, 2
		case first < 0xF0:
			head = 2
		case first == 0xF0:
			head = 5
		case first <= 0xF4:
			head, size = 1, []uint64{3, 4, 5, 9}[first-0xF1]
		default:
			return false
		}
		if p+head > last {
			return false
		}
		switch head {
		case 2:
			size = 2 + uint64(binary.BigEndian.Uint16(b[p:])&0xFFF)
		case 5:
			size = 5 + uint64(binary.LittleEndian.Uint32(b[p+1:]))
		}
		width := uint64(1)
		for limit := uint64(128); width < 5 && (size >= limit || d == Redis && width > 1 && size == limit-1); limit <<= 7 {
			width++
		}
		if p+size+width > last {
			return false
		}
		p += size + width
		value, i := uint64(0), uint64(0)
		for ; i < 5; i++ {
			value |= uint64(b[p-1-i]&127) << (7 * i)
			if b[p-1-i] < 128 {
				break
			}
		}
		if i == 5 || value != size {
			return false
		}
	}
	stated := int(binary.LittleEndian.Uint16(b[4:]))
	return p == last && (stated == 65535 || stated == count)
}

// build makes a listpack of random content, and says what is in it.
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
		if rng.IntN(4) == 0 {
			s = strconv.AppendInt(nil, packedtest.Int(rng), 10)
		}
		w.Add(s)
		texts = append(texts, string(s))
	}
	size := w.Size()
	b, err := w.Finish()
	if err != nil || size != len(b)-len("before") {
		panic("Finish or Size is wrong")
	}
	return b[len("before"):], texts
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	mem, stream := new(Iter), new(Iter)
	for range 300 {
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
		if stated := int(binary.LittleEndian.Uint16(b[4:])); got != n || err != nil || stated != min(n, CountUnknown) {
			t.Errorf("%d entries: walked %d, stated %d, %v", n, got, stated, err)
		}
	}
}

func TestDamageIsJudgedAsByServers(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	rejected := 0
	for range 4000 {
		b, _ := build(rng, rng.IntN(12))
		judge(t, packedtest.Mutate(b, rng), rng, &rejected)
	}
	if rejected < 2000 || rejected == 4000 {
		t.Errorf("%d of 4000 rejected: the damage is not what it should be", rejected)
	}
}

func judge(t *testing.T, b []byte, rng *rand.Rand, rejected *int) {
	t.Helper()
	entries, err := packedtest.Agree(t, new(Iter), new(Iter), b, rng)
	if err != nil {
		*rejected++
	}
	demandPlain(t, b, entries, err)
	var it Iter
	it.Reset(b)
	_ = it.Drain()
	if r, v := it.Only(); r >= 0 && v >= 0 {
		return // for neither family; accepts has no answer
	}
	if want := Either.accepts(b); want != (err == nil) {
		t.Fatalf("%x: %v, but servers accept: %v", b, err, want)
	}
}

var few dupset.Few

// plain demands that Plain says the same of b whether something that it may look at is behind it or not.
func plain(t *testing.T, b []byte, l Layout) (n int, ok bool) {
	t.Helper()
	n, ok = Plain(b[:len(b):len(b)], l, &few)
	for _, behind := range []string{strings.Repeat("\x00", 32), strings.Repeat("\xff\x05\x01\x815", 7)} {
		lent := append(bytes.Clone(b), behind...)[:len(b)]
		if lentN, lentOK := Plain(lent, l, &few); lentOK != ok || ok && lentN != n {
			t.Fatalf("%x: %+v plain: %d, %v; with %x behind it %d, %v", b, l, n, ok, behind, lentN, lentOK)
		}
	}
	return n, ok
}

// demandPlain demands that Plain accepts nothing that has to be looked at.
func demandPlain(t *testing.T, b []byte, entries []packedtest.Entry, err error) {
	t.Helper()
	var it Iter
	it.Reset(b)
	_ = it.Drain()
	redis, valkey := it.Only()
	for i := range 8 {
		l := Layout{i&1 != 0, i&2 != 0, i&4 != 0}
		n, ok := plain(t, b, l)
		if !ok {
			continue
		}
		if n != len(entries) || err != nil || redis >= 0 || valkey >= 0 || l.Pairs && n%2 != 0 {
			t.Fatalf("%x: %+v plain with %d entries; %d, %v, only %d %d", b, l, n, len(entries), err, redis, valkey)
		}
		seen := map[string]bool{}
		for i, e := range entries {
			if l.Pairs && i%2 != 0 {
				if text := strings.TrimLeft(e.Text, "-"); l.Numbers && (text == "" || text[0] < '0' || text[0] > '9') {
					t.Fatalf("%q counts as a plain number", e.Text)
				}
			} else if l.Names && seen[e.Text] {
				t.Fatalf("%x: %q stands twice", b, e.Text)
			} else {
				seen[e.Text] = true
			}
		}
	}
}

// TestPlain has what must take the quick way, and what must not.
func TestPlain(t *testing.T) {
	long := func(n int) string {
		e := string([]byte{0xE0 | byte(n>>8), byte(n)}) + strings.Repeat("s", n)
		if n += 2; n < 128 {
			return e + string([]byte{byte(n)})
		}
		return e + string([]byte{byte(n >> 7), byte(n&127 | 128)})
	}
	const five, textFive, minus, nan = "\x05\x01", "\x815\x02", "\x82-1\x03", "\x83nan\x04"
	set, list := Layout{Names: true}, Layout{}
	hash, zset := Layout{Pairs: true, Names: true}, Layout{true, true, true}
	for _, c := range []struct {
		l    Layout
		b    []byte
		want bool
	}{
		{set, blob(), true},
		{set, blob(a, five), true},
		{set, blob(a, five, a), false},
		{set, blob(five, "\xc0\x05\x02"), false},
		{set, blob("\xc0\x80\x02", "\xdf\xff\x02", "\xd0\x00\x02"), true},
		{set, blob("\xf1\xff\x0f\x03"), false},
		{set, blob("\xf1\x00\xf0\x03"), false},
		{set, blob("\xf1\x00\x10\x03", "\xf1\xff\xef\x03"), true},
		{set, blob("\xf2\xff\x7f\x00\x04"), false},
		{set, blob("\xf2\x00\x80\xff\x04"), false},
		{set, blob("\xf2\x00\x80\x00\x04", "\xf2\xff\x7f\xff\x04"), true},
		{set, blob("\xf3\xff\xff\x7f\x00\x05"), false},
		{set, blob("\xf3\x00\x00\x80\xff\x05"), false},
		{set, blob("\xf3\x00\x00\x80\x00\x05", "\xf3\xff\xff\x7f\xff\x05"), true},
		{set, blob("\xf4\xff\xff\xff\x7f\x00\x00\x00\x00\x09"), false},
		{set, blob("\xf4\x00\x00\x00\x80\xff\xff\xff\xff\x09"), false},
		{set, blob("\xf4\x00\x00\x00\x80\x00\x00\x00\x00\x09", "\xf4\xff\xff\xff\x7f\xff\xff\xff\xff\x09", "\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09"), true},
		{set, blob("\xe0\x3f" + strings.Repeat("x", 63) + "\x41"), false},
		{set, blob(long(64)), true},
		{set, blob(five, textFive), false},
		{set, blob(five, "\x825a\x03"), true},
		{set, blob(five, "\x82-a\x03"), true},
		{list, blob(five, textFive, five), true},
		{list, blob(long(64), long(125), long(126), long(4000)), true},
		{list, blob(big(200)), false},
		{hash, blob(a, a, five, a), true},
		{hash, blob(a, a, five), false},
		{zset, blob(a, five, five, minus), true},
		{zset, blob(a, nan), false},
	} {
		if _, got := plain(t, c.b, c.l); got != c.want {
			t.Errorf("%+v %x: %v", c.l, c.b, got)
		}
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
		for it.ResetStream(src, int64(len(b)), buf); it.Next(); {
			_ = it.Fingerprint()
		}
		_, _ = Validate(b)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzListpack(f *testing.F) {
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
	n, _ := Validate(blob)
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		_, _ = Validate(blob)
	}
	b.ReportMetric(float64(len(blob))/float64(n), "B/entry")
}

func BenchmarkPlain(b *testing.B) {
	rng := rand.New(rand.NewPCG(17, 18))
	var blobs [][]byte
	entries := 0
	for range 4096 {
		var w Writer
		w.Reset(nil)
		for i := range 1 + rng.IntN(12) {
			w.Add([]byte("n" + strconv.Itoa(i) + strings.Repeat("n", rng.IntN(20))))
			if rng.IntN(2) == 0 {
				w.AddInt(rng.Int64() >> rng.IntN(60))
			} else {
				w.Add(make([]byte, 1+rng.IntN(24)))
			}
		}
		blob, _ := w.Finish()
		n, _ := Validate(blob)
		entries += n
		blobs = append(blobs, append(blob, make([]byte, 16)...)[:len(blob)])
	}
	for name, l := range map[string]Layout{"list": {}, "hash": {Pairs: true, Names: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				for _, blob := range blobs {
					if _, ok := Plain(blob, l, &few); !ok {
						b.Fatal("not plain")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*entries), "ns/entry")
		})
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

func BenchmarkFingerprint(b *testing.B) {
	blob := mixed()
	b.SetBytes(int64(len(blob)))
	var it Iter
	var x uint64
	for b.Loop() {
		for it.Reset(blob); it.Next(); {
			x ^= it.Fingerprint().Lo
		}
	}
	_ = x
}

func BenchmarkStream(b *testing.B) {
	blob := mixed()
	b.SetBytes(int64(len(blob)))
	var it Iter
	src, buf := bytes.NewReader(nil), make([]byte, 32<<10)
	for b.Loop() {
		src.Reset(blob)
		it.ResetStream(src, int64(len(blob)), buf)
		_ = it.Drain()
	}
}

func BenchmarkWriter(b *testing.B) {
	var w Writer
	var buf []byte
	s := []byte("temperature")
	for b.Loop() {
		w.Reset(buf[:0])
		for i := range int64(64) {
			w.Add(s)
			w.AddInt(i * i * i)
		}
		buf, _ = w.Finish()
	}
}

// BenchmarkTiny is the fixed cost of a listpack: millions of hashes are this small.
func BenchmarkTiny(b *testing.B) {
	blob := blob(a, "\x05\x01", a, "\x07\x01")
	b.SetBytes(int64(len(blob)))
	var it Iter
	for b.Loop() {
		it.Reset(blob)
		_ = it.Drain()
	}
}
