package lzf

import "math"

// Validate reports whether src is a well-formed block that decompresses to exactly
// n bytes, without decompressing it. The error, if any, is a [*CorruptError]. No
// memory is allocated unless there is an error.
func Validate(src []byte, n int64) error {
	v := Validator{limit: n}
	if _, err := v.Write(src); err != nil {
		return err
	}
	return v.Finish()
}

// Validator checks a block that arrives in pieces, in constant memory: write the
// pieces in order, then call Finish. It fails at the first operation that cannot
// be part of the block, so input that would expand beyond the declared length is
// refused as soon as it would. The zero Validator expects a block of no bytes.
type Validator struct {
	limit    int64 // the declared length
	produced int64 // bytes of output up to the current operation
	offset   int64 // bytes of input up to the current operation

	// The current operation, where a piece ended inside it. Either the header is
	// incomplete and its first bytes wait here, or it opened a literal run, whose
	// length is in run and of which skip bytes are still to come.
	header    [maxHeader]byte
	headerLen int
	run, skip int

	err error
}

// NewValidator returns a Validator for a block that must decompress to n bytes.
func NewValidator(n int64) *Validator { return &Validator{limit: n} }

// Reset makes v ready for another block, which must decompress to n bytes.
func (v *Validator) Reset(n int64) { *v = Validator{limit: n} }

// Produced returns how many bytes the complete operations seen so far produce.
func (v *Validator) Produced() int64 { return v.produced }

// Write checks the next piece of the block. It returns a [*CorruptError] at the
// first malformed operation, with the number of bytes of p that precede what was
// wrong with it, and the same error ever after.
func (v *Validator) Write(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	rest := p
	if v.headerLen > 0 || v.skip > 0 {
		rest = v.resume(rest)
	}
	for len(rest) > 0 && v.err == nil {
		rest = v.walk(rest)
		rest = v.step(rest)
	}
	return len(p) - len(rest), v.err
}

// Finish says that the input is complete. It returns a [*CorruptError] if the
// input ends inside an operation or has produced less than the declared length,
// or the error that Write returned before.
func (v *Validator) Finish() error {
	if v.err != nil {
		return v.err
	}
	switch {
	case v.skip > 0:
		v.fail(LiteralPastInput)
	case v.headerLen > 0:
		v.fail(MissingOperand)
	case v.produced < v.limit:
		v.fail(OutputTooShort)
	case v.produced > v.limit: // only if the declared length is negative
		v.fail(OutputTooLong)
	}
	return v.err
}

func (v *Validator) fail(k Kind) {
	v.err = &CorruptError{Kind: k, Offset: v.offset, Produced: v.produced}
}

// resume goes on with an operation that the last piece ended in, and returns what
// follows it.
func (v *Validator) resume(p []byte) []byte {
	for v.headerLen > 0 && len(p) > 0 {
		v.header[v.headerLen] = p[0]
		v.headerLen++
		o, ok := parseOp(v.header[:v.headerLen])
		if !ok {
			p = p[1:]
			continue
		}
		if k := o.check(v.produced, v.limit); k != 0 {
			v.fail(k)
			return p
		}
		p = p[1:]
		v.headerLen = 0
		v.done(o.header, o.length)
	}
	if v.skip > 0 {
		p = v.skipLiteral(p)
	}
	return p
}

// step takes one operation from the start of p, or the part of one that p holds,
// and returns what follows it.
func (v *Validator) step(p []byte) []byte {
	if len(p) == 0 {
		return p
	}
	o, ok := parseOp(p)
	if !ok {
		v.headerLen = copy(v.header[:], p)
		return nil
	}
	if k := o.check(v.produced, v.limit); k != 0 {
		v.fail(k)
		return p
	}
	if o.distance == 0 {
		v.run, v.skip = o.length, o.length
		return v.skipLiteral(p[o.header:])
	}
	v.done(o.header, o.length)
	return p[o.header:]
}

// skipLiteral passes over the data of the current literal run.
func (v *Validator) skipLiteral(p []byte) []byte {
	n := min(v.skip, len(p))
	v.skip -= n
	if v.skip == 0 {
		v.done(1+v.run, v.run)
	}
	return p[n:]
}

// done moves past an operation of size bytes that produces length bytes.
func (v *Validator) done(size, length int) {
	v.offset += int64(size)
	v.produced += int64(length)
}

// walk passes over operations as long as they are plainly sound and well inside p,
// and returns the rest: at the latest the last few bytes, at the earliest an
// operation that step must judge.
func (v *Validator) walk(p []byte) []byte {
	room := v.limit - v.produced
	if len(p) < walkMargin || room <= 0 {
		return p
	}
	s, produced := walk(p, int(min(v.produced, math.MaxInt/2)), int(min(room, math.MaxInt/4)))
	v.done(s, produced)
	return p[s:]
}
