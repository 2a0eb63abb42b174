//go:build !purego

package jsonl

import "github.com/kvfsck/kvfsck/internal/cpu"

// kernels reports whether the processor has what the kernels need.
var kernels = cpu.X86().SSSE3

// wide reports whether it has what their twins of 64 bytes need.
var wide = cpu.X86().AVX512VBMI2

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

// quoteWide writes b to out from o on, with quotes around it and a backslash before each quote and backslash in it. It stops right before a control character
// and, if text is 0 and not 1, before what is not ASCII, or before it would begin to write beyond the last margin bytes, of which it may need 128. It returns how
// many bytes it took, and where what came of them ends. With text set there is no first quote, and there is no second one if it stopped. It needs AVX-512 with
// VBMI2, as do the next two, and reads b only.
//
//go:noescape
func quoteWide(out []byte, o, margin int, b []byte, text uint) (taken, end int)

// validWide is validUTF8 64 bytes at a time.
//
//go:noescape
func validWide(in *byte, n int) bool

// encodeWide is encode64 64 characters at a time. So many are written where the last ones belong.
//
//go:noescape
func encodeWide(out, in *byte, n int)

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

// margin is the room that the kernels want where they last begin to write, and behind that what put leaves.
const margin = 128 + 16 + 8

// put is AppendBytes for a slice of which o bytes are written: it returns the slice, which may have grown, and how many are then. So much
// room is left that up to sixteen bytes can be written behind the string without asking.
func put(out []byte, o int, b []byte) ([]byte, int) {
	out = room(out, o, len(b)+slack)
	if wide {
		i, end := quoteWide(out, o, margin, b, 0)
		if i == len(b) {
			return out, end
		}
		return putRest(out, o, end, b, i)
	}
	return putNarrow(out, o, b)
}

// putNarrow is put on other machines, with the room made.
func putNarrow(out []byte, o int, b []byte) ([]byte, int) {
	if len(b) == 0 || !kernels {
		return putGeneric(out, o, b)
	}
	start := o
	out[o] = '"'
	o++
	i, made := copyPlain(&out[o], &out[len(out)-margin], &b[0], len(b), ^uint64(0), &spread)
	if o += made; i == len(b) {
		out[o] = '"'
		return out, o + 1
	}
	return putRest(out, start, o, b, i)
}

// putRest is put from the place i on, where the kernel did not go on.
func putRest(out []byte, start, o int, b []byte, i int) ([]byte, int) {
	if !validText(b[i:]) {
		return putBase64(out, start, b)
	}
	if wide {
		for {
			out = room(out, o, len(b)-i+maxStep+slack)
			taken, end := quoteWide(out, o, margin+maxStep, b[i:], 1)
			if i, o = i+taken, end; i == len(b) {
				return out, o
			}
			for step := b[i:min(i+16, len(b))]; len(step) > 0 && step[0] < ' '; step = step[1:] {
				o += escape(out[o:], step[0])
				i++
			}
		}
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

// validText reports whether b, which is not empty, is UTF-8.
func validText(b []byte) bool {
	if wide {
		return validWide(&b[0], len(b))
	}
	return validUTF8(&b[0], len(b))
}

// put64 writes b, which is not empty, as base64 without padding. Up to 64 bytes are written where the last characters belong.
func put64(out []byte, o int, b []byte) {
	if wide {
		encodeWide(&out[o], &b[0], len(b))
	} else {
		encode64(&out[o], &b[0], len(b))
	}
}

// putBase64 is put of what is no UTF-8.
func putBase64(out []byte, o int, b []byte) ([]byte, int) {
	if len(b) == 0 || !kernels {
		return putBase64Generic(out, o, b)
	}
	n := (len(b) + 2) / 3 * 4
	out = room(out, o, n+slack)
	o += copy(out[o:], base64Open)
	put64(out, o, b)
	o += n
	switch len(b) % 3 {
	case 1:
		out[o-2], out[o-1] = '=', '='
	case 2:
		out[o-1] = '='
	}
	return out, o + copy(out[o:], base64Shut)
}
