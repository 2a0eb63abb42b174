//go:build !purego

package crc64

import (
	"math/big"
	"math/bits"
	"testing"

	"github.com/kvfsck/kvfsck/internal/cpu"
)

func asmKernels() []kernel {
	var list []kernel
	if cpu.X86().PCLMULQDQ {
		list = append(list, kernel{"PCLMULQDQ", func(crc uint64, p []byte) uint64 {
			if len(p) < laneSize {
				return updateGeneric(crc, p)
			}
			return foldPCLMUL(crc, &p[0], len(p))
		}})
	}
	if cpu.X86().VPCLMULQDQ {
		list = append(list, kernel{"VPCLMULQDQ", func(crc uint64, p []byte) uint64 {
			if len(p) >= wideRow {
				crc, p = updateWide(crc, p)
			}
			return updateGeneric(crc, p)
		}})
	}
	if cpu.X86().VPCLMULQDQ256 {
		list = append(list, kernel{"VPCLMULQDQ256", func(crc uint64, p []byte) uint64 {
			if len(p) >= wideRow {
				crc, p = updateWide256(crc, p)
			}
			return updateGeneric(crc, p)
		}})
	}
	return list
}

// polynomial is the Jones polynomial as an integer, bit k for x^k.
func polynomial() *big.Int {
	p := new(big.Int).SetUint64(bits.Reverse64(Poly))
	return p.SetBit(p, 64, 1)
}

// divide returns quotient and remainder of x^n by the polynomial.
func divide(n int) (quotient, remainder *big.Int) {
	p := polynomial()
	quotient, remainder = new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(n))
	for k := n - 64; k >= 0; k-- {
		if remainder.Bit(k+64) != 0 {
			remainder.Xor(remainder, new(big.Int).Lsh(p, uint(k)))
			quotient.SetBit(quotient, k, 1)
		}
	}
	return quotient, remainder
}

// TestConstants derives every constant of the assembly from the polynomial.
func TestConstants(t *testing.T) {
	power := func(n int) uint64 {
		_, r := divide(n)
		return bits.Reverse64(r.Uint64())
	}
	for _, c := range []struct {
		name  string
		lanes int
		got   factors
	}{{"fold1", 1, fold1}, {"fold4", 4, fold4}, {"fold16", 16, fold16}} {
		distance := 8 * laneSize * c.lanes
		if want := (factors{power(distance + 63), power(distance - 1)}); c.got != want {
			t.Errorf("%s = %#x, want %#x", c.name, c.got, want)
		}
	}

	// The 65 bits of mu and P, reflected, without the highest.
	low := func(v *big.Int) uint64 {
		var r uint64
		for k := 1; k <= 64; k++ {
			r |= uint64(v.Bit(k)) << (64 - k)
		}
		return r
	}
	mu, _ := divide(128)
	if want := [2]uint64{low(mu), low(polynomial())}; barrett != want {
		t.Errorf("barrett = %#x, want %#x", barrett, want)
	}
}

// TestNeighboursPlayNoPart checks that the bytes before and behind the data, which
// the shuffles of the tail could let in, do not count.
func TestNeighboursPlayNoPart(t *testing.T) {
	if !cpu.X86().PCLMULQDQ {
		t.Skip("this processor has no PCLMULQDQ")
	}
	rnd := newRand()
	for n := laneSize; n < 100; n++ {
		p := randomBytes(rnd, n)
		want := bitwise(7, p)
		for _, around := range []byte{0x00, 0xff} {
			buf := make([]byte, n+64)
			for i := range buf {
				buf[i] = around
			}
			copy(buf[32:], p)
			if got := foldPCLMUL(7, &buf[32], n); got != want {
				t.Fatalf("%d bytes between bytes %#x: %#016x, want %#016x", n, around, got, want)
			}
		}
	}
}
