package lzf

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(0x4c5a46, 1)) }

// naive is the format as it reads in the documentation, slow and plain: the
// judge of all the others. It returns the output before the first fault.
func naive(src []byte, n int64) ([]byte, error) {
	out := []byte{}
	for s := 0; s < len(src); {
		fail := func(k Kind) ([]byte, error) {
			return out, &CorruptError{Kind: k, Offset: int64(s), Produced: int64(len(out))}
		}
		c := int(src[s])
		if c < 32 {
			if int64(len(out)+c+1) > n {
				return fail(OutputTooLong)
			}
			if s+1+c+1 > len(src) {
				return fail(LiteralPastInput)
			}
			out = append(out, src[s+1:s+1+c+1]...)
			s += 1 + c + 1
			continue
		}
		length, at := c/32, s+1
		if length == 7 {
			if at == len(src) {
				return fail(MissingOperand)
			}
			length += int(src[at])
			at++
		}
		if at == len(src) {
			return fail(MissingOperand)
		}
		from := len(out) - (c%32*256 + int(src[at])) - 1
		if int64(len(out)+length+2) > n {
			return fail(OutputTooLong)
		}
		if from < 0 {
			return fail(DistanceBeforeStart)
		}
		for k := range length + 2 {
			out = append(out, out[from+k])
		}
		s = at + 1
	}
	if int64(len(out)) < n {
		return out, &CorruptError{Kind: OutputTooShort, Offset: int64(len(src)), Produced: int64(len(out))}
	}
	return out, nil
}

// result is what one way of reading a block makes of it. out is nil where the way
// has no output.
type result struct {
	name string
	out  []byte
	err  error
}

// paths reads the block in every way this package has, with the input whole and in
// pieces. n must not be negative.
func paths(src []byte, n int64) []result {
	rnd := rand.New(rand.NewPCG(uint64(len(src)), uint64(n)))

	dst := make([]byte, n)
	got, err := Decompress(dst, src)
	if err == nil && int64(got) < n {
		err = &CorruptError{Kind: OutputTooShort, Offset: int64(len(src)), Produced: int64(got)}
	}
	// Memory lent behind the slices must have no influence on the result, nor be written to beyond the loan.
	around := bytes.Repeat([]byte{0xA5}, int(n)+2*Slack)
	lent, lentErr := DecompressLent(around[:n:int(n)+Slack], append(bytes.Clone(src), around[:Slack]...)[:len(src)])
	if lentErr == nil && int64(lent) < n {
		lentErr = &CorruptError{Kind: OutputTooShort, Offset: int64(len(src)), Produced: int64(lent)}
	}
	if bytes.ContainsFunc(around[int(n)+Slack:], func(r rune) bool { return r != 0xFFFD }) {
		lentErr = errors.New("wrote behind the loan")
	}
	list := []result{
		{"Decompress", dst[:got:got], err},
		{"DecompressLent", around[:lent:lent], lentErr},
		{"Validate", nil, Validate(src, n)},
		{"Validator by bytes", nil, validatePieces(src, n, func() int { return 1 })},
		{"Validator by small pieces", nil, validatePieces(src, n, func() int { return rnd.IntN(8) })},
		{"Validator by large pieces", nil, validatePieces(src, n, func() int { return rnd.IntN(400) })},
	}
	for _, r := range []struct {
		name string
		src  io.Reader
		size int
	}{
		{"Reader", bytes.NewReader(src), 1 << 16},
		{"Reader by bytes", iotest.OneByteReader(bytes.NewReader(src)), 1},
		{"Reader, end with data", iotest.DataErrReader(bytes.NewReader(src)), 100},
		{"Reader of random pieces", &pieceReader{src, func() int { return rnd.IntN(50) }}, 1 + rnd.IntN(3000)},
	} {
		out, err := readBy(NewReader(r.src, n), r.size)
		list = append(list, result{r.name, out, err})
	}
	return list
}

func validatePieces(src []byte, n int64, size func() int) error {
	v := NewValidator(n)
	for len(src) > 0 {
		k := min(size(), len(src))
		if m, err := v.Write(src[:k]); err != nil {
			if m >= k {
				return errors.New("Write failed but claims all of the piece")
			}
			if _, again := v.Write(src[:k]); again != err || v.Finish() != err {
				return errors.New("the error does not stay")
			}
			return err
		} else if m != k {
			return io.ErrShortWrite
		}
		src = src[k:]
	}
	return v.Finish()
}

// readBy reads r to its end, at most size bytes a time.
func readBy(r io.Reader, size int) ([]byte, error) {
	out, buf := []byte{}, make([]byte, size)
	for {
		n, err := r.Read(buf)
		out = append(out, buf[:n]...)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

// pieceReader returns its data in pieces of the given sizes, 0 among them.
type pieceReader struct {
	data []byte
	size func() int
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.size())], r.data)
	r.data = r.data[n:]
	return n, nil
}

// demandAgreement fails the test where any way differs from naive.
func demandAgreement(t *testing.T, src []byte, n int64) {
	t.Helper()
	want, wantErr := naive(src, n)
	demandAll(t, src, n, wantErr == nil)
	demandQuick(t, src, n, want)
	for _, r := range paths(src, n) {
		if !sameError(r.err, wantErr) {
			t.Fatalf("%s: %v, want %v\nblock %x\ndeclared %d", r.name, r.err, wantErr, src, n)
		}
		if r.out != nil && !bytes.Equal(r.out, want) {
			t.Fatalf("%s: output differs: %d bytes, want %d\nblock %x\ndeclared %d", r.name, len(r.out), len(want), src, n)
		}
	}
}

// demandQuick demands that both quick loops produce the beginning of the output, if anything, and stop between operations.
func demandQuick(t *testing.T, src []byte, n int64, want []byte) {
	t.Helper()
	for name, quick := range map[string]func([]byte, int, []byte, int) (int, int){"portable": decodeQuickGeneric, "of this machine": decodeQuick} {
		for _, slack := range []int{0, 20, Slack} {
			out := make([]byte, int(n)+slack)
			d, s := quick(out[:n], 0, append(bytes.Clone(src), make([]byte, slack)...)[:len(src)], 0)
			if d > len(want) || !bytes.Equal(out[:d], want[:d]) {
				t.Fatalf("%s, slack %d: output differs in %d bytes\nblock %x\ndeclared %d", name, slack, d, src, n)
			}
			if made, _ := naive(src[:s], n); len(made) != d {
				t.Fatalf("%s, slack %d: %d bytes of %d of input, not %d\nblock %x\ndeclared %d", name, slack, d, s, len(made), src, n)
			}
		}
	}
}

func sameError(a, b error) bool {
	var x, y *CorruptError
	if errors.As(a, &x) && errors.As(b, &y) {
		return *x == *y
	}
	return a == nil && b == nil
}

// randomBlock makes a sound block of the given number of operations and returns it
// with the length it decompresses to.
func randomBlock(rnd *rand.Rand, ops int) (src []byte, n int) {
	for range ops {
		if n == 0 || rnd.IntN(3) == 0 {
			run := 1 + rnd.IntN(32)
			src = append(src, byte(run-1))
			for range run {
				src = append(src, byte(rnd.Uint32()))
			}
			n += run
			continue
		}
		distance := 1 + rnd.IntN(min(n, maxDistance))
		if rnd.IntN(2) == 0 {
			distance = 1 + rnd.IntN(min(n, 20))
		}
		length := 3 + rnd.IntN(12)
		if rnd.IntN(6) == 0 {
			length = 3 + rnd.IntN(maxLength-2)
		}
		src = append(src, ref(distance, length)...)
		n += length
	}
	return src, n
}

// TestAllWaysAgree is the property that the package promises: whatever the input,
// each way to read it finds the same output and the same fault at the same place.
func TestAllWaysAgree(t *testing.T) {
	rnd, rounds := newRand(), 1500
	if testing.Short() {
		rounds = 300
	}
	for i := range rounds {
		src, n := randomBlock(rnd, rnd.IntN(1+i*375/rounds))
		demandAgreement(t, src, int64(n))

		damaged := slices.Clone(src)
		for range 1 + rnd.IntN(3) {
			if len(damaged) > 0 {
				damaged[rnd.IntN(len(damaged))] = byte(rnd.Uint32())
			}
		}
		demandAgreement(t, damaged, int64(n))
		demandAgreement(t, src[:rnd.IntN(len(src)+1)], int64(n))
		demandAgreement(t, src, int64(rnd.IntN(n+2)))
		demandAgreement(t, src, int64(n+1+rnd.IntN(300)))
	}
}

// TestAllWaysAgreeOnShortInput tries every block of two bytes, and of three with
// all first bytes and the values of the others that matter.
func TestAllWaysAgreeOnShortInput(t *testing.T) {
	edge, step := []byte{0, 1, 2, 31, 32, 223, 224, 255}, 1
	if testing.Short() {
		step = 5
	}
	for a := 0; a < 256; a += step {
		for _, b := range edge {
			for n := range int64(5) {
				demandAgreement(t, []byte{0, 'x', byte(a), b}, n+1)
				demandAgreement(t, []byte{byte(a), b}, n)
			}
			for _, c := range edge {
				demandAgreement(t, []byte{0, 'x', byte(a), b, c}, 10)
			}
		}
	}
}

func TestReaderReset(t *testing.T) {
	r := NewReader(bytes.NewReader(block(lit("abc"), ref(9, 9))), 12)
	if _, err := io.ReadAll(r); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%v, want a corrupt block", err)
	}
	// What the first block left in the window must not serve the second.
	r.Reset(bytes.NewReader(block(lit("x"), ref(2, 3))), 4)
	if out, err := io.ReadAll(r); string(out) != "x" || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%q, %v, want a distance before the start", out, err)
	}
	r.Reset(bytes.NewReader(block(lit("x"), ref(1, 3))), 4)
	if out, err := io.ReadAll(r); string(out) != "xxxx" || err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("after the end: %d, %v", n, err)
	}
}

func TestReaderSourceErrors(t *testing.T) {
	broken := errors.New("disk on fire")
	src := io.MultiReader(bytes.NewReader(lit("abc")), iotest.ErrReader(broken))
	if out, err := io.ReadAll(NewReader(src, 6)); string(out) != "abc" || err != broken {
		t.Errorf("%q, %v, want the bytes before the error and the error itself", out, err)
	}
	idle := &pieceReader{[]byte("x"), func() int { return 0 }}
	if _, err := io.ReadAll(NewReader(idle, 6)); err != io.ErrNoProgress {
		t.Errorf("%v, want io.ErrNoProgress", err)
	}
}

func TestReaderContract(t *testing.T) {
	src, n := randomBlock(newRand(), 3000)
	want, err := naive(src, int64(n))
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(NewReader(bytes.NewReader(src), int64(n)), want); err != nil {
		t.Fatal(err)
	}
}

func TestValidatorReset(t *testing.T) {
	v := NewValidator(1)
	if _, err := v.Write(ref(1, 3)); err == nil {
		t.Fatal("no error")
	}
	v.Reset(3)
	if _, err := v.Write(lit("abc")); err != nil || v.Produced() != 3 || v.Finish() != nil {
		t.Fatalf("%v, %d bytes, %v", err, v.Produced(), v.Finish())
	}
}

func TestNoAllocations(t *testing.T) {
	src, n := randomBlock(newRand(), 500)
	dst := make([]byte, n)
	v := NewValidator(0)
	for name, f := range map[string]func(){
		"Decompress": func() { Decompress(dst, src) },
		"Validate":   func() { Validate(src, int64(n)) },
		"Validator": func() {
			v.Reset(int64(n))
			v.Write(src[:77])
			v.Write(src[77:])
			v.Finish()
		},
	} {
		if a := testing.AllocsPerRun(50, f); a != 0 {
			t.Errorf("%s: %v allocations", name, a)
		}
	}
}
