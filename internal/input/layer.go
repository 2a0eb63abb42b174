package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxMagic is how many bytes tell every layer.
const maxMagic = 4

// layer is a row of the table of compressions.
type layer struct {
	name  string
	magic []byte
	mask  []byte // which bits of the first bytes count; nil: all
	open  func(io.Reader) (io.Reader, io.Closer, error)
}

var layers = []layer{
	{name: "gzip", magic: []byte{0x1F, 0x8B}, open: openGzip},
	{name: "zstd", magic: []byte{0x28, 0xB5, 0x2F, 0xFD}, open: openZstd},
	{name: "zstd", magic: []byte{0x50, 0x2A, 0x4D, 0x18}, mask: []byte{0xF0, 0xFF, 0xFF, 0xFF}, open: openZstd},
	{name: "lz4", magic: []byte{0x04, 0x22, 0x4D, 0x18}, open: openLZ4},
	{name: "VCS", magic: []byte("VCS\x01"), open: openVCS},
	{name: "VKCS", magic: []byte("VKCS"), open: openVKCS},
}

func layerOf(head []byte) *layer {
	for i := range layers {
		if layers[i].matches(head) {
			return &layers[i]
		}
	}
	return nil
}

func (l *layer) matches(head []byte) bool {
	if len(head) < len(l.magic) {
		return false
	}
	if l.mask == nil {
		return bytes.HasPrefix(head, l.magic)
	}
	for i, m := range l.mask {
		if head[i]&m != l.magic[i] {
			return false
		}
	}
	return true
}

func openGzip(r io.Reader) (io.Reader, io.Closer, error) {
	z, err := gzip.NewReader(r)
	return z, z, err
}

// maxWindow is the largest zstd window taken: that of "zstd --long=27". A hostile frame asks for more.
const maxWindow = 128 << 20

func openZstd(r io.Reader) (io.Reader, io.Closer, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, nil, err
	}
	c := z.IOReadCloser()
	return c, c, nil
}

func openLZ4(r io.Reader) (io.Reader, io.Closer, error) {
	return lz4.NewReader(r), nil, nil
}

// Codecs of Valkey's envelopes.
const (
	codecLZ4  = 1
	codecZstd = 2
)

// openVCS opens the envelope of Valkey 9.2:
//
//	"VCS"  01  codec  00  01      version 1, reserved, content: an RDB
//	one frame of the codec; what follows it is no part of the RDB
func openVCS(r io.Reader) (io.Reader, io.Closer, error) {
	var head [7]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, err
	}
	if head[5] != 0 || head[6] != 1 {
		return nil, nil, fmt.Errorf("an envelope of an unknown kind (bytes 5 and 6 are %d and %d, not 0 and 1)", head[5], head[6])
	}
	return openCodec(r, head[4])
}

// openVKCS opens the envelope of the development snapshots:
//
//	"VKCS"  01  codec  flags  00
func openVKCS(r io.Reader) (io.Reader, io.Closer, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, nil, err
	}
	if head[4] != 1 || head[7] != 0 {
		return nil, nil, fmt.Errorf("an envelope of an unknown kind (bytes 4 and 7 are %d and %d, not 1 and 0)", head[4], head[7])
	}
	return openCodec(r, head[5])
}

func openCodec(r io.Reader, codec byte) (io.Reader, io.Closer, error) {
	switch codec {
	case codecLZ4:
		return &oneFrame{r: lz4.NewReader(r)}, nil, nil
	case codecZstd:
		z, closer, err := openZstd(r)
		return &oneFrame{r: z}, closer, err
	}
	return nil, nil, fmt.Errorf("an envelope of unknown codec %d", codec)
}

// oneFrame ends where something other than a further frame follows.
type oneFrame struct {
	r   io.Reader
	any bool // of the first frame was read
}

func (o *oneFrame) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.any = o.any || n > 0
	if o.any && (errors.Is(err, zstd.ErrMagicMismatch) || errors.Is(err, lz4.ErrInvalidFrame)) {
		err = io.EOF
	}
	return n, err
}
