package lzf

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// block builds blocks by hand: lit("abc"), ref(distance, length).
func block(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func lit(s string) []byte { return append([]byte{byte(len(s) - 1)}, s...) }

func ref(distance, length int) []byte {
	high, low := byte((distance-1)>>8), byte(distance-1)
	if length < 9 {
		return []byte{byte(length-2)<<5 | high, low}
	}
	return []byte{7<<5 | high, byte(length - 9), low}
}

// lits is n bytes of literal runs, and the data in them.
func lits(n int) (b []byte, data string) {
	data = strings.Repeat("0123456789abcdefghijklmnopqrstuv", n/32+1)[:n]
	for p := data; len(p) > 0; p = p[min(32, len(p)):] {
		b = append(b, lit(p[:min(32, len(p))])...)
	}
	return b, data
}

func TestSoundBlocks(t *testing.T) {
	far, farData := lits(maxDistance)
	for _, c := range []struct {
		name string
		src  []byte
		want string
	}{
		{"empty", nil, ""},
		{"one byte", lit("a"), "a"},
		{"longest run", lit(strings.Repeat("x", 32)), strings.Repeat("x", 32)},
		{"two runs", block(lit("ab"), lit("cd")), "abcd"},
		{"shortest reference", block(lit("abc"), ref(3, 3)), "abcabc"},
		{"longest short reference", block(lit("abcdefgh"), ref(8, 8)), "abcdefghabcdefgh"},
		{"shortest long reference", block(lit("abc"), ref(3, 9)), "abcabcabcabc"},
		{"distance 1 repeats the last byte", block(lit("ab"), ref(1, 264)), "a" + strings.Repeat("b", 265)},
		{"distance 2 overlaps", block(lit("ab"), ref(2, 5)), "abababa"},
		{"distance 7 overlaps", block(lit("abcdefg"), ref(7, 20), lit("!")), "abcdefgabcdefgabcdefgabcdef!"},
		{"reference to the very start", block(lit("xyz"), ref(1, 3), ref(6, 4)), "xyzzzzxyzz"},
		{"farthest distance", block(far, ref(maxDistance, 4)), farData + "0123"},
		// Taken from the payloads of DUMP, redis-server 7.0.15.
		{"written by Redis: a run", []byte("\x01aa\xe0\x57\x00\x01aa"), strings.Repeat("a", 100)},
		{
			"written by Redis: text",
			[]byte("\bshe sells \x05\x03a sh`\n\x03by t`\x17@\x11\x03ore;\x80\x0e\x80\x1c \x06 +@1\x01ar@\t@# \x0e\x00s"),
			"she sells sea shells by the sea shore; the shells she sells are sea shells",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range paths(c.src, int64(len(c.want))) {
				if r.err != nil {
					t.Errorf("%s: %v", r.name, r.err)
				}
				if r.out != nil && string(r.out) != c.want {
					t.Errorf("%s: %q, want %q", r.name, r.out, c.want)
				}
			}
		})
	}
}

func TestCorruptBlocks(t *testing.T) {
	long, _ := lits(64)
	for _, c := range []struct {
		name   string
		src    []byte
		n      int64
		kind   Kind
		offset int64
		prod   int64
	}{
		{"run cut short", []byte{2, 'a', 'b'}, 3, LiteralPastInput, 0, 0},
		{"run of which nothing is left", block(lit("ab"), []byte{0}), 3, LiteralPastInput, 3, 2},
		{"run cut short far in", block(long, []byte{9, 'a', 'b'}), 74, LiteralPastInput, 66, 64},
		{"short reference without operand", block(lit("abc"), []byte{0x20}), 6, MissingOperand, 4, 3},
		{"long reference without operands", block(lit("abc"), []byte{0xe0}), 12, MissingOperand, 4, 3},
		{"long reference without distance", block(lit("abc"), []byte{0xe0, 0}), 12, MissingOperand, 4, 3},
		{"reference at the start", ref(1, 3), 3, DistanceBeforeStart, 0, 0},
		{"short reference one too far", block(lit("abc"), ref(4, 3)), 6, DistanceBeforeStart, 4, 3},
		{"long reference one too far", block(lit("abc"), ref(4, 20)), 23, DistanceBeforeStart, 4, 3},
		{"reference one too far, far in", block(long, ref(65, 3), long), 131, DistanceBeforeStart, 66, 64},
		{"run beyond the declared length", block(lit("ab"), lit("cd")), 3, OutputTooLong, 3, 2},
		{"short reference beyond the declared length", block(lit("abc"), ref(1, 3)), 5, OutputTooLong, 4, 3},
		{"long reference beyond the declared length", block(lit("abc"), ref(1, 264)), 266, OutputTooLong, 4, 3},
		{"beyond the declared length, far in", block(long, ref(1, 3), long), 66, OutputTooLong, 66, 64},
		{"an operation more than declared", block(lit("abc"), ref(1, 3)), 3, OutputTooLong, 4, 3},
		{"anything where nothing is declared", lit("a"), 0, OutputTooLong, 0, 0},
		{"too long counts before too far", block(lit("a"), ref(9, 9)), 5, OutputTooLong, 2, 1},
		{"too long counts before cut short", []byte{31, 'a'}, 5, OutputTooLong, 0, 0},
		{"a missing operand counts before too long", block(lit("a"), []byte{0xe0, 9}), 2, MissingOperand, 2, 1},
		{"one byte less than declared", lit("abc"), 4, OutputTooShort, 4, 3},
		{"nothing where something is declared", nil, 1, OutputTooShort, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := CorruptError{Kind: c.kind, Offset: c.offset, Produced: c.prod}
			for _, r := range paths(c.src, c.n) {
				var got *CorruptError
				if !errors.As(r.err, &got) || *got != want {
					t.Errorf("%s: %+v, want %+v", r.name, r.err, want)
					continue
				}
				if !errors.Is(r.err, ErrCorrupt) {
					t.Errorf("%s: the error does not wrap ErrCorrupt", r.name)
				}
				early := c.kind == LiteralPastInput || c.kind == MissingOperand || c.kind == OutputTooShort
				if errors.Is(r.err, io.ErrUnexpectedEOF) != early {
					t.Errorf("%s: wraps io.ErrUnexpectedEOF: %t, want %t", r.name, !early, early)
				}
				if r.out != nil && int64(len(r.out)) != c.prod {
					t.Errorf("%s: %d bytes before the error, want %d", r.name, len(r.out), c.prod)
				}
			}
		})
	}
}

func TestNegativeLength(t *testing.T) {
	for _, src := range [][]byte{nil, lit("a")} {
		for _, err := range []error{
			Validate(src, -1),
			second(io.ReadAll(NewReader(bytes.NewReader(src), -1))),
		} {
			var ce *CorruptError
			if !errors.As(err, &ce) || ce.Kind != OutputTooLong {
				t.Errorf("%x: %v, want %v", src, err, OutputTooLong)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestErrorText(t *testing.T) {
	err := Validate(block(lit("abc"), ref(4, 3)), 6)
	const want = "lzf: back-reference to before the start of the output, at compressed offset 4, after 3 bytes of output"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got := Kind(0).String(); got != "Kind(0)" {
		t.Errorf("%s for no kind", got)
	}
	if got := Kind(99).String(); got != "Kind(99)" {
		t.Errorf("%s for an unknown kind", got)
	}
}

func TestMaxDecompressed(t *testing.T) {
	for _, c := range []struct{ src, want int64 }{
		{-1, 0}, {0, 0}, {1, 88}, {3, 264}, {1 << 40, 88 << 40},
		{math.MaxInt64 / 88, math.MaxInt64 / 88 * 88}, {math.MaxInt64/88 + 1, math.MaxInt64}, {math.MaxInt64, math.MaxInt64},
	} {
		if got := MaxDecompressed(c.src); got != c.want {
			t.Errorf("MaxDecompressed(%d) = %d, want %d", c.src, got, c.want)
		}
	}
}

// TestDecompressStaysInside checks that wide copies write nothing beyond dst and
// leave what was there before it alone.
func TestDecompressStaysInside(t *testing.T) {
	rnd := newRand()
	for range 2000 {
		src, n := randomBlock(rnd, 1+rnd.IntN(60))
		buf := bytes.Repeat([]byte{0xa5}, n+80)
		if got, err := Decompress(buf[40:40+n], src); got != n || err != nil {
			t.Fatalf("%x: %d, %v", src, got, err)
		}
		if pad := strings.Repeat("\xa5", 40); string(buf[:40]) != pad || string(buf[40+n:]) != pad {
			t.Fatalf("%x: wrote outside of dst", src)
		}
	}
}
