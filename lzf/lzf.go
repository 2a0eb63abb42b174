// Package lzf reads and writes LZF, the compression that RDB files and quicklist
// nodes use for strings. The format is LibLZF's, by Marc Lehmann; the facts here
// are those of lzf_d.c and lzf_c.c as Redis and Valkey carry them.
//
// # The format
//
// A block is a sequence of operations, each opened by a control byte. There is no
// header, no checksum and no end mark: the container knows both lengths. (An RDB
// string stores them in front: 0xC3, compressed length, original length, block.)
//
//	literal run: copy the next run bytes, 1 to 32
//
//	  7 6 5 4 3 2 1 0
//	+-----+-----------+---------------------+
//	|0 0 0|  run - 1  |  run bytes of data  |
//	+-----+-----------+---------------------+
//
//	short back-reference: repeat 3 to 8 bytes
//
//	  7 6 5 4 3 2 1 0   7 6 5 4 3 2 1 0
//	+-----+-----------+-----------------+
//	| len |  high 5   |      low 8      |     length = len + 2, len 1 to 6
//	+-----+-----------+-----------------+
//
//	long back-reference: repeat 9 to 264 bytes
//
//	  7 6 5 4 3 2 1 0   7 6 5 4 3 2 1 0   7 6 5 4 3 2 1 0
//	+-----+-----------+-----------------+-----------------+
//	|1 1 1|  high 5   |       ext       |      low 8      |     length = ext + 9
//	+-----+-----------+-----------------+-----------------+
//
// The distance of a back-reference is high*256 + low + 1: 1 to 8192 bytes back
// from the end of what has been produced. The copy runs byte by byte and may
// overlap what it makes, so distance 1 repeats the last byte. It follows that a
// block begins with a literal run, and that three bytes make at most 264.
//
// # The ways to use it
//
//   - [Decompress] produces a block in the caller's buffer, [DecompressLent] does so
//     faster where there is room around it.
//   - [Validate] says whether a block is sound, and of the length declared, without
//     producing it: a back-reference can be judged by the count of bytes before it.
//     [ValidateAll] does so for many blocks at once.
//   - [Validator] does the same for a block that arrives in pieces.
//   - [Reader] decompresses a block of any size in constant memory.
//   - [Compress] makes a block that the servers load.
//
// All of them agree on every input: they stand on one parser of operations, to
// which the fast loops leave every doubt. All are strict. Servers are not where the
// declared length is 0: there lzf_decompress returns 0 for success and for failure
// alike, so whatever block is accepted.
//
// # What bounds the speed
//
// The place of an operation depends on the one before, so a walk over one block is
// a chain of loads, about three nanoseconds each with the mispredicted branches.
// Decompressing adds copies of what was just written and little else. ValidateAll
// walks 32 such chains side by side in the lanes of AVX-512 registers and is bound
// by the instructions it takes: 0.6 ns an operation. With AVX2 alone it looks at 16
// bytes of each of four blocks at a time, as if an operation began at every one:
// 0.8 ns an operation. The build tag purego leaves out all assembly.
package lzf

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Limits of the format.
const (
	maxLiteral  = 32      // bytes of a literal run
	maxLength   = 9 + 255 // bytes of a back-reference
	maxDistance = 1 << 13 // bytes back
	minLength   = 3

	maxHeader = 3              // bytes of an operation, the data of a literal run aside
	maxOp     = 1 + maxLiteral // bytes of an operation with that data
)

// MaxRatio is the largest expansion: three bytes of a long back-reference stand
// for at most 264.
const MaxRatio = maxLength / 3

// MaxDecompressed returns an upper bound for the decompressed length of a block of
// srcLen bytes: MaxRatio times srcLen, or the largest int64 where that is less. A
// declared length beyond it is a lie that can be refused before any allocation. It
// is 0 for a negative srcLen.
func MaxDecompressed(srcLen int64) int64 {
	if srcLen <= 0 {
		return 0
	}
	if srcLen > math.MaxInt64/MaxRatio {
		return math.MaxInt64
	}
	return srcLen * MaxRatio
}

// ErrCorrupt is wrapped by every error that means a malformed block.
var ErrCorrupt = errors.New("lzf: corrupt block")

// Kind says in which way a block is malformed.
type Kind uint8

const (
	// LiteralPastInput: a literal run is longer than the input that is left.
	LiteralPastInput Kind = iota + 1
	// MissingOperand: the input ends inside a back-reference.
	MissingOperand
	// DistanceBeforeStart: a back-reference reaches before the first byte produced.
	DistanceBeforeStart
	// OutputTooLong: an operation would produce more than the declared length.
	OutputTooLong
	// OutputTooShort: the input ends, in good order, before the declared length is
	// reached.
	OutputTooShort
)

var kindText = [...]string{
	LiteralPastInput:    "literal run past the end of the input",
	MissingOperand:      "input ends inside a back-reference",
	DistanceBeforeStart: "back-reference to before the start of the output",
	OutputTooLong:       "more output than declared",
	OutputTooShort:      "less output than declared",
}

func (k Kind) String() string {
	if int(k) < len(kindText) && kindText[k] != "" {
		return kindText[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// CorruptError describes a malformed block. It wraps [ErrCorrupt] and, where the
// input ended too early to tell damage from truncation, io.ErrUnexpectedEOF.
//
// Where one operation is wrong in several ways, the first of this order counts: a
// missing operand, output too long, distance before the start, literal run past
// the input. It is the order of lzf_d.c, and the only one that can be kept on
// input that arrives in pieces.
type CorruptError struct {
	Kind     Kind
	Offset   int64 // of the offending operation in the compressed input, or the input's length
	Produced int64 // bytes of output before it
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("lzf: %s, at compressed offset %d, after %d bytes of output", e.Kind, e.Offset, e.Produced)
}

// Unwrap returns the sentinels that errors.Is finds in e.
func (e *CorruptError) Unwrap() []error {
	switch e.Kind {
	case LiteralPastInput, MissingOperand, OutputTooShort:
		return []error{ErrCorrupt, io.ErrUnexpectedEOF}
	}
	return []error{ErrCorrupt}
}
