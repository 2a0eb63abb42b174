//go:build !purego

package jsonl

import "github.com/kvfsck/kvfsck/internal/cpu"

// kernels reports whether the processor has what the kernels need.
var kernels = cpu.X86().SSSE3

// copyPlain copies the n bytes at in, n > 0, to out, sixteen at a time, with a backslash before each quote and backslash. It stops before sixteen
// among which is a control character or, with ascii all ones and not zero, a byte that is not ASCII, and before it would begin to
// write beyond last, from which on there must be 32 bytes. It returns how many bytes it took and how many came of them. What it reads beyond the n
// bytes lies in the same page as one of them, and has no influence. It needs SSSE3 and POPCNT.
//
//go:noescape
func copyPlain(out, last, in *byte, n int, ascii uint64, spread *[256][16]byte) (taken, made int)

// validUTF8 reports whether the n bytes at in are UTF-8. It reads as copyPlain does, and needs SSSE3.
//
//go:noescape
func validUTF8(in *byte, n int) bool

// encode64 writes the n bytes at in, n > 0, as base64 without padding. Up to 16 bytes are written where the last characters belong; it reads as copyPlain does. It
// needs SSSE3.
//
//go:noescape
func encode64(out, in *byte, n int)

// spread[m] makes eight bytes room for the backslashes that stand before those whose bits are set in m: the number of the byte that comes to each
// place, that of a backslash being 8.
var spread = func() (t [256][16]byte) {
	for m := range t {
		k := 0
		for i := range 8 {
			if m>>i&1 != 0 {
				t[m][k] = 8
				k++
			}
			t[m][k] = byte(i)
			k++
		}
	}
	return t
}()

// margin is the room that copyPlain wants where it last begins to write, and behind that what put leaves.
const margin = 32 + 16 + 8

// put is AppendBytes for a slice of which o bytes are written: it returns the slice, which may have grown, and how many are then. So much
// room is left that up to sixteen bytes can be written behind the string without asking.
func put(out []byte, o int, b []byte) ([]byte, int) {
	if len(b) == 0 || !kernels {
		return putGeneric(out, o, b)
	}
	start := o
	out = room(out, o, len(b)+slack)
	out[o] = '"'
	o++
	i, made := copyPlain(&out[o], &out[len(out)-margin], &b[0], len(b), ^uint64(0), &spread)
	if o += made; i == len(b) {
		out[o] = '"'
		return out, o + 1
	}
	return putRest(out, start, o, b, i)
}

// putRest is put from the place i on, where copyPlain did not go on.
func putRest(out []byte, start, o int, b []byte, i int) ([]byte, int) {
	if !validUTF8(&b[i], len(b)-i) {
		return putBase64(out, start, b)
	}
	for {
		out = room(out, o, len(b)-i+maxStep+slack)
		taken, made := copyPlain(&out[o], &out[len(out)-margin-maxStep], &b[i], len(b)-i, 0, &spread)
		if i, o = i+taken, o+made; i == len(b) {
			break
		}
		step := b[i:min(i+16, len(b))]
		for _, c := range step {
			switch {
			case c == '"':
				out[o], out[o+1] = '\\', '"'
				o += 2
			case c == '\\' || c < ' ':
				o += escape(out[o:], c)
			default:
				out[o] = c
				o++
			}
		}
		if i += len(step); i == len(b) {
			break
		}
	}
	out[o] = '"'
	return out, o + 1
}

// maxStep is what comes of sixteen bytes at most.
const maxStep = 16 * len(`\u0000`)

// putBase64 is put of what is no UTF-8.
func putBase64(out []byte, o int, b []byte) ([]byte, int) {
	if len(b) == 0 || !kernels {
		return putBase64Generic(out, o, b)
	}
	n := (len(b) + 2) / 3 * 4
	out = room(out, o, n+slack)
	o += copy(out[o:], base64Open)
	encode64(&out[o], &b[0], len(b))
	o += n
	switch len(b) % 3 {
	case 1:
		out[o-2], out[o-1] = '=', '='
	case 2:
		out[o-1] = '='
	}
	return out, o + copy(out[o:], base64Shut)
}
