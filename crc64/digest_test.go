package crc64

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"hash"
	"io"
	"testing"
)

func TestHash64Contract(t *testing.T) {
	rnd := newRand()
	data := randomBytes(rnd, 3000)
	want := Checksum(data)
	h := New()
	if h.Size() != Size || h.BlockSize() < 1 {
		t.Fatalf("Size %d, BlockSize %d", h.Size(), h.BlockSize())
	}
	if h.Sum64() != 0 {
		t.Fatalf("a new hash holds %#x", h.Sum64())
	}
	if n, err := io.Copy(h, bytes.NewReader(data)); n != int64(len(data)) || err != nil {
		t.Fatalf("Copy: %d, %v", n, err)
	}
	for range 2 { // Sum must not change the state
		sum := h.Sum([]byte("prefix"))
		if !bytes.HasPrefix(sum, []byte("prefix")) || binary.BigEndian.Uint64(sum[6:]) != want || len(sum) != 6+Size {
			t.Fatalf("Sum: %x, want prefix and %016x", sum, want)
		}
	}
	if h.Sum64() != want {
		t.Fatalf("Sum64: %#016x, want %#016x", h.Sum64(), want)
	}
	h.Reset()
	if h.Sum64() != 0 {
		t.Fatal("Reset leaves the register")
	}
}

func TestHashSuspended(t *testing.T) {
	data := randomBytes(newRand(), 3000)
	first := New()
	first.Write(data[:1000])

	clone, err := first.(hash.Cloner).Clone()
	if err != nil {
		t.Fatal(err)
	}
	state, err := first.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	first.Write([]byte("the copies must not see this"))

	restored := New()
	if err := restored.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		t.Fatal(err)
	}
	want := Checksum(data)
	for name, h := range map[string]hash.Hash64{"clone": clone.(hash.Hash64), "restored": restored} {
		h.Write(data[1000:])
		if h.Sum64() != want {
			t.Errorf("%s: %#016x, want %#016x", name, h.Sum64(), want)
		}
	}

	for name, bad := range map[string][]byte{
		"empty":   nil,
		"foreign": append([]byte("crc\x02\x00"), state[5:]...),
		"short":   state[:len(state)-1],
		"long":    append(bytes.Clone(state), 0),
	} {
		h := New()
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(bad); err == nil {
			t.Errorf("%s state accepted", name)
		}
	}
}
