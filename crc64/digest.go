package crc64

import (
	"encoding/binary"
	"errors"
	"hash"
)

// digest is the running checksum behind [New].
type digest struct{ crc uint64 }

var (
	_ hash.Hash64 = (*digest)(nil)
	_ hash.Cloner = (*digest)(nil)
)

// New returns a running checksum that starts at 0.
//
// Sum appends the checksum most significant byte first, as every hash.Hash64 of
// the standard library does. RDB files store it the other way round: to write a
// trailer, put Sum64 in little-endian order.
//
// The result also implements hash.Cloner, encoding.BinaryMarshaler,
// encoding.BinaryAppender and encoding.BinaryUnmarshaler, so that a long
// computation can be suspended.
func New() hash.Hash64 { return &digest{} }

func (d *digest) Write(p []byte) (int, error) {
	d.crc = Update(d.crc, p)
	return len(p), nil
}

func (d *digest) Sum64() uint64 { return d.crc }

func (d *digest) Sum(in []byte) []byte { return binary.BigEndian.AppendUint64(in, d.crc) }

func (d *digest) Reset() { d.crc = 0 }

func (d *digest) Size() int { return Size }

func (d *digest) BlockSize() int { return 1 }

func (d *digest) Clone() (hash.Cloner, error) {
	c := *d
	return &c, nil
}

// A suspended checksum is this marker and the register, big-endian. The marker
// names the algorithm and the revision of the layout.
const marshalMagic = "crcJ\x01"

func (d *digest) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, marshalMagic...)
	return binary.BigEndian.AppendUint64(b, d.crc), nil
}

func (d *digest) MarshalBinary() ([]byte, error) {
	return d.AppendBinary(make([]byte, 0, len(marshalMagic)+Size))
}

func (d *digest) UnmarshalBinary(b []byte) error {
	if len(b) < len(marshalMagic) || string(b[:len(marshalMagic)]) != marshalMagic {
		return errors.New("crc64: the saved state is not one of this hash")
	}
	if len(b) != len(marshalMagic)+Size {
		return errors.New("crc64: the saved state has the wrong length")
	}
	d.crc = binary.BigEndian.Uint64(b[len(marshalMagic):])
	return nil
}
