package crc64

import (
	"encoding/binary"
	"fmt"
	stdcrc64 "hash/crc64"
	"testing"
)

// sumWords adds the memory up eight bytes at a time: what merely reading costs.
func sumWords(_ uint64, p []byte) uint64 {
	var a, b, c, d uint64
	for ; len(p) >= 32; p = p[32:] {
		a += binary.LittleEndian.Uint64(p)
		b += binary.LittleEndian.Uint64(p[8:])
		c += binary.LittleEndian.Uint64(p[16:])
		d += binary.LittleEndian.Uint64(p[24:])
	}
	return a + b + c + d
}

func BenchmarkUpdate(b *testing.B) {
	list := append(kernels(),
		kernel{"hash-crc64", func(crc uint64, p []byte) uint64 { return stdcrc64.Update(crc, stdTable, p) }},
		kernel{"sum-of-words", sumWords})
	data := randomBytes(newRand(), 64<<20)
	for _, size := range []struct {
		name string
		n    int
	}{{"64MiB", 64 << 20}, {"4KiB", 4 << 10}, {"64B", 64}, {"9B", 9}} {
		for _, k := range list {
			b.Run(fmt.Sprintf("%s/%s", size.name, k.name), func(b *testing.B) {
				p := data[:size.n]
				b.SetBytes(int64(len(p)))
				var crc uint64
				for b.Loop() {
					crc = k.update(crc, p)
				}
			})
		}
	}
}

func BenchmarkShift(b *testing.B) {
	for _, n := range []int64{8, 4096, 1<<30 - 1} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			crc := uint64(1)
			for b.Loop() {
				crc = Shift(crc, n)
			}
		})
	}
}

func BenchmarkUndo(b *testing.B) {
	data := randomBytes(newRand(), 1<<20)
	for _, n := range []int{1, 64, undoDirect, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			crc := uint64(1)
			for b.Loop() {
				crc = Undo(crc, data[:n])
			}
		})
	}
}
