package lzf

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

// The rates are of decompressed bytes.
func benchEach(b *testing.B, f func(b *testing.B, data, compressed []byte)) {
	for _, size := range []int{100, 4000, 1 << 20} {
		data := texts(size)
		for _, name := range []string{"json", "text", "mixed", "zeros", "random"} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				dst := make([]byte, worst(size))
				n, _ := Compress(dst, data[name])
				b.SetBytes(int64(size))
				f(b, data[name], dst[:n])
				b.ReportMetric(float64(n)*float64(b.N)/1e6/b.Elapsed().Seconds(), "packed-MB/s")
			})
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	benchEach(b, func(b *testing.B, data, compressed []byte) {
		for b.Loop() {
			if err := Validate(compressed, int64(len(data))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecompress(b *testing.B) {
	benchEach(b, func(b *testing.B, data, compressed []byte) {
		dst := make([]byte, len(data))
		for b.Loop() {
			if _, err := Decompress(dst, compressed); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	benchEach(b, func(b *testing.B, data, _ []byte) {
		dst := make([]byte, worst(len(data)))
		for b.Loop() {
			Compress(dst, data)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	benchEach(b, func(b *testing.B, data, compressed []byte) {
		src := bytes.NewReader(nil)
		r := NewReader(src, 0)
		for b.Loop() {
			src.Reset(compressed)
			r.Reset(src, int64(len(data)))
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
