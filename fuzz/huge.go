package fuzz

import (
	"encoding/binary"
	"io"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb"
)

// WriteHuge writes a file with one key, "huge", whose value is a string of n bytes, in constant memory. It is for the bounds that no test should
// keep in memory, such as 2^32-1, 2^32 and 2^32+1. The bytes are those of the alphabet, over and over. The target is one of [rdb.Version8]
// or later, which have lengths of 64 bits.
func WriteHuge(dst io.Writer, target rdb.Target, n uint64) error {
	sum := &summed{dst: dst}
	head := []byte("REDIS00" + string([]byte{'0' + byte(target/10), '0' + byte(target%10)}))
	if target.Family() == rdb.Valkey {
		head = []byte("VALKEY080")
	}
	head = append(head, "\xfe\x00\xfb\x01\x00\x00\x04huge"...)
	if _, err := sum.Write(appendLength(head, n)); err != nil {
		return err
	}
	const alphabet = "abcdefghijklmnopqrstuvwxyz"
	block := make([]byte, 0, 2048*len(alphabet))
	for range 2048 {
		block = append(block, alphabet...)
	}
	for n > 0 {
		part := block[:min(n, uint64(len(block)))]
		if _, err := sum.Write(part); err != nil {
			return err
		}
		n -= uint64(len(part))
	}
	if _, err := sum.Write([]byte{0xFF}); err != nil {
		return err
	}
	_, err := dst.Write(binary.LittleEndian.AppendUint64(nil, sum.sum))
	return err
}

// summed folds what is written into a checksum.
type summed struct {
	dst io.Writer
	sum uint64
}

func (s *summed) Write(p []byte) (int, error) {
	s.sum = crc64.Update(s.sum, p)
	return s.dst.Write(p)
}
