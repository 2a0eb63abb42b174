package crc64

import (
	"encoding/binary"
	stdcrc64 "hash/crc64"
	"math/rand/v2"
	"strings"
	"testing"
)

// stdTable and reference are the same checksum by way of hash/crc64, which
// inverts the register on entry and exit.
var stdTable = stdcrc64.MakeTable(Poly)

func reference(crc uint64, p []byte) uint64 {
	return ^stdcrc64.Update(^crc, stdTable, p)
}

// bitwise is the definition: one bit at a time, no tables.
func bitwise(crc uint64, p []byte) uint64 {
	for _, v := range p {
		crc ^= uint64(v)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ Poly
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(0x52454449, 0x53303031)) }

func randomBytes(rnd *rand.Rand, n int) []byte {
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], rnd.Uint64())
	}
	return p[:n]
}

var vectors = []struct {
	name string
	data string
	want uint64
}{
	{"empty", "", 0},
	{"check value of the catalogue", "123456789", 0xe9c6d914c4b8d9ca},
	{"empty RDB of version 11", "REDIS0011\xff", 0x629738748d8a22c0},
	{"zero bytes leave 0 alone", strings.Repeat("\x00", 300), 0},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			for _, k := range kernels() {
				if got := k.update(0, []byte(v.data)); got != v.want {
					t.Errorf("%s: %#016x, want %#016x", k.name, got, v.want)
				}
			}
			if got := Checksum([]byte(v.data)); got != v.want {
				t.Errorf("Checksum: %#016x, want %#016x", got, v.want)
			}
		})
	}
}

// TestKernelsEveryLength runs every kernel over all lengths around its own
// thresholds, at offsets of every alignment.
func TestKernelsEveryLength(t *testing.T) {
	rnd := newRand()
	data := randomBytes(rnd, 4096+64)
	for n := 0; n <= 1400; n++ {
		off := n % 33
		p := data[off : off+n : off+n]
		crc := rnd.Uint64()
		want := bitwise(crc, p)
		if ref := reference(crc, p); ref != want {
			t.Fatalf("the two references disagree at %d bytes", n)
		}
		for _, k := range kernels() {
			if got := k.update(crc, p); got != want {
				t.Fatalf("%s, %d bytes at offset %d, from %#016x: %#016x, want %#016x", k.name, n, off, crc, got, want)
			}
		}
	}
}

func TestKernelsRandom(t *testing.T) {
	rnd := newRand()
	data := randomBytes(rnd, 1<<20)
	for range 300 {
		off := rnd.IntN(1 << 10)
		n := rnd.IntN(1 << (6 + rnd.IntN(14)))
		p := data[off:min(off+n, len(data))]
		crc := rnd.Uint64()
		want := reference(crc, p)
		for _, k := range kernels() {
			if got := k.update(crc, p); got != want {
				t.Fatalf("%s, %d bytes at offset %d, from %#016x: %#016x, want %#016x", k.name, len(p), off, crc, got, want)
			}
		}
	}
}

func TestUpdateInPieces(t *testing.T) {
	rnd := newRand()
	data := randomBytes(rnd, 20_000)
	want := reference(0, data)
	for range 100 {
		var crc uint64
		for p := data; len(p) > 0; {
			n := min(len(p), 1+rnd.IntN(3000))
			crc = Update(crc, p[:n])
			p = p[n:]
		}
		if crc != want {
			t.Fatalf("%#016x, want %#016x", crc, want)
		}
	}
}

// TestLinear proves what Combine, Undo and the healing of files rest on.
func TestLinear(t *testing.T) {
	rnd := newRand()
	for range 200 {
		n := rnd.IntN(2000)
		a, b := randomBytes(rnd, n), randomBytes(rnd, n)
		crcA, crcB := rnd.Uint64(), rnd.Uint64()
		sum := make([]byte, n)
		for i := range sum {
			sum[i] = a[i] ^ b[i]
		}
		if got, want := Update(crcA^crcB, sum), Update(crcA, a)^Update(crcB, b); got != want {
			t.Fatalf("%d bytes: %#016x, want %#016x", n, got, want)
		}
	}
}

func TestCombine(t *testing.T) {
	rnd := newRand()
	data := randomBytes(rnd, 10_000)
	for range 500 {
		n := rnd.IntN(len(data) + 1)
		i := rnd.IntN(n + 1)
		got := Combine(Checksum(data[:i]), Checksum(data[i:n]), int64(n-i))
		if want := Checksum(data[:n]); got != want {
			t.Fatalf("%d + %d bytes: %#016x, want %#016x", i, n-i, got, want)
		}
	}
}

func TestShiftIsZeroBytes(t *testing.T) {
	rnd := newRand()
	zeros := make([]byte, 5000)
	for n := range zeros {
		crc := rnd.Uint64()
		want := Update(crc, zeros[:n])
		if got := Shift(crc, int64(n)); got != want {
			t.Fatalf("Shift by %d: %#016x, want %#016x", n, got, want)
		}
		if got := Unshift(want, int64(n)); got != crc {
			t.Fatalf("Unshift by %d: %#016x, want %#016x", n, got, crc)
		}
	}
}

func TestShiftOverAnyDistance(t *testing.T) {
	rnd := newRand()
	for i := range 2000 {
		crc := rnd.Uint64()
		n := rnd.Int64() >> (i % 63)
		m := rnd.Int64() >> 1 >> (i % 60)
		after := Shift(crc, n)
		if got := Unshift(after, n); got != crc {
			t.Fatalf("by %d and back: %#016x, want %#016x", n, got, crc)
		}
		if n>>1+m>>1 < 0 {
			t.Fatal("the test overflows")
		}
		if got, want := Shift(Shift(crc, n>>1), m>>1), Shift(crc, n>>1+m>>1); got != want {
			t.Fatalf("by %d then %d: %#016x, want %#016x", n>>1, m>>1, got, want)
		}
	}
}

// TestShiftKnownOrder uses that x^(2^64-1) = 1: the multiplicative group of the
// field has that many elements. 2^64-1 is 8*n + 7 with n = 2^61-1, so n zero
// bytes and seven more bits come back to the start.
func TestShiftKnownOrder(t *testing.T) {
	crc := uint64(0x0123456789abcdef)
	got := Shift(crc, 1<<61-1)
	for range 7 {
		got = got>>1 ^ Poly&-(got&1)
	}
	if got != crc {
		t.Fatalf("%#016x, want %#016x", got, crc)
	}
}

func TestUndo(t *testing.T) {
	rnd := newRand()
	data := randomBytes(rnd, 3*undoDirect)
	for n := range data {
		if n > 200 && n < undoDirect-20 && n%17 != 0 {
			continue
		}
		crc := rnd.Uint64()
		p := data[len(data)-n:]
		if got := Undo(Update(crc, p), p); got != crc {
			t.Fatalf("%d bytes: %#016x, want %#016x", n, got, crc)
		}
	}
}

func TestNegativeLengthsPanic(t *testing.T) {
	for name, call := range map[string]func(){
		"Shift":   func() { Shift(1, -1) },
		"Unshift": func() { Unshift(1, -1) },
		"Combine": func() { Combine(1, 1, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func TestUpdateAllocatesNothing(t *testing.T) {
	p := make([]byte, 5000)
	if n := testing.AllocsPerRun(100, func() { Update(1, p); Update(1, p[:7]); Undo(1, p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzUpdate demands the same register from every kernel and from hash/crc64,
// whatever the data, its alignment, and the register before it, and takes the
// data back again.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte("REDIS0011\xff"), uint64(0), uint8(0), uint16(3))
	f.Fuzz(func(t *testing.T, unit []byte, crc uint64, offset uint8, repeat uint16) {
		p := make([]byte, int(offset), int(offset)+len(unit)+4096)
		for range int(repeat)%64 + 1 {
			if len(p) > 8192 {
				break
			}
			p = append(p, unit...)
		}
		p = p[offset:]
		want := reference(crc, p)
		for _, k := range kernels() {
			if got := k.update(crc, p); got != want {
				t.Errorf("%s: %#016x, want %#016x", k.name, got, want)
			}
		}
		if got := Undo(want, p); got != crc {
			t.Errorf("Undo: %#016x, want %#016x", got, crc)
		}
		cut := int(offset) % (len(p) + 1)
		if got := Combine(Update(crc, p[:cut]), Checksum(p[cut:]), int64(len(p)-cut)); got != want {
			t.Errorf("Combine at %d: %#016x, want %#016x", cut, got, want)
		}
	})
}
