package rdb_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// BenchmarkWriter writes the values of a file that has all there is: by copying, and by encoding values that are in memory.
func BenchmarkWriter(b *testing.B) {
	file, err := os.ReadFile(corpus.Path(b, "rdb/redis-7.4/everything.rdb"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		b.ReportAllocs()
		for b.Loop() {
			w := rdb.NewWriter(io.Discard, rdb.Version12, rdb.WriterOptions{})
			for rec, err := range rdb.NewReader(bytes.NewReader(file)).Records() {
				if err == nil {
					err = w.WriteRecord(rec)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	keys := contents(b, file)
	for _, compress := range []string{"encode", "encode and compress"} {
		b.Run(compress, func(b *testing.B) {
			b.ReportAllocs()
			var size int64
			for b.Loop() {
				w := rdb.NewWriter(io.Discard, rdb.Version12, rdb.WriterOptions{NoCompression: compress == "encode"})
				for i := range keys {
					if err := w.WriteEntry(rdb.NewEntry(keys[i].DB, []byte(keys[i].Key)), keys[i].Value); err != nil {
						b.Fatal(err)
					}
				}
				w.Close()
				size = w.Size()
			}
			b.SetBytes(size)
		})
	}
}

func BenchmarkDigest(b *testing.B) {
	file, err := os.ReadFile(corpus.Path(b, "rdb/redis-7.4/everything.rdb"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		var d rdb.Digest
		for rec := range rdb.NewReader(bytes.NewReader(file)).Records() {
			if e, ok := rec.(*rdb.Entry); ok {
				if err := d.Add(e); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
