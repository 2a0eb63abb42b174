package lzf

import "io"

const (
	readerInput  = 4 << 10
	readerWindow = maxDistance + 8<<10 // the history and what is produced at a time

	// maxEmptyReads is how often in a row a source may return nothing at all.
	maxEmptyReads = 100
)

// Reader decompresses a block of any size in constant memory: the 8192 bytes that
// a back-reference can reach and two small buffers.
//
//	window
//	+-----------------------------+------------------+--------------+
//	| history, read               | produced, unread | free         |
//	+-----------------------------+------------------+--------------+
//	0                             read               produced
//
// When the window is full and read, its last 8192 bytes move to the front.
type Reader struct {
	src   io.Reader
	limit int64 // the declared length
	err   error // what Read returns once the window is read

	total  int64 // bytes of output produced
	offset int64 // bytes of input decoded

	window         []byte
	read, produced int // into window
	input          []byte
	in, inEnd      int   // the undecoded part of input
	srcErr         error // what src ended with
}

// NewReader returns a Reader of the block that src holds, which must decompress to
// exactly n bytes.
//
// The block must be all that src holds, so give it a bounded reader such as
// io.LimitReader with the compressed length: the Reader reads ahead, and input
// behind the n bytes of output is an error.
func NewReader(src io.Reader, n int64) *Reader {
	r := new(Reader)
	r.Reset(src, n)
	return r
}

// Reset makes r read another block, keeping its buffers.
func (r *Reader) Reset(src io.Reader, n int64) {
	*r = Reader{src: src, limit: n, window: r.window, input: r.input}
	if r.window == nil {
		r.window = make([]byte, readerWindow)
		r.input = make([]byte, readerInput)
	}
}

// Read returns the next decompressed bytes. After the last of exactly the declared
// number it returns io.EOF; a malformed block gives a [*CorruptError] after the
// bytes of all the sound operations before the fault, and an error of the source is
// returned as it is.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.read == r.produced {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.window[r.read:r.produced])
	r.read += n
	return n, nil
}

// fill produces some output or sets r.err. All that was produced has been read.
func (r *Reader) fill() {
	if r.produced > len(r.window)-maxLength {
		copy(r.window, r.window[r.produced-maxDistance:r.produced])
		r.read, r.produced = maxDistance, maxDistance
	}
	for r.err == nil && r.produced == r.read {
		k := r.decode()
		switch {
		case r.produced > r.read:
			// An operation that stopped the decoder stops it again, at once, when
			// this output is read.
		case k == OutputTooLong || k == DistanceBeforeStart:
			r.fail(k)
		case r.srcErr == nil:
			r.more()
		case r.srcErr != io.EOF:
			r.err = r.srcErr
		case k != 0:
			r.fail(k)
		case r.total < r.limit:
			r.fail(OutputTooShort)
		case r.total > r.limit: // only if the declared length is negative
			r.fail(OutputTooLong)
		default:
			r.err = io.EOF
		}
	}
}

// decode carries out what it can of the input at hand. The window has room for the
// longest operation or for all the output to come, so if nothing is produced the
// kind returned tells the truth about the next operation.
func (r *Reader) decode() Kind {
	room := min(int64(len(r.window)-r.produced), max(r.limit-r.total, 0))
	d, s, k := decode(r.window[:r.produced+int(room)], r.produced, r.input[r.in:r.inEnd])
	r.total += int64(d - r.produced)
	r.offset += int64(s)
	r.produced = d
	r.in += s
	return k
}

// more reads from the source behind the input at hand, which is less than one
// operation.
func (r *Reader) more() {
	r.inEnd = copy(r.input, r.input[r.in:r.inEnd])
	r.in = 0
	for range maxEmptyReads {
		n, err := r.src.Read(r.input[r.inEnd:])
		r.inEnd += n
		r.srcErr = err
		if n > 0 || err != nil {
			return
		}
	}
	r.srcErr = io.ErrNoProgress
}

func (r *Reader) fail(k Kind) {
	r.err = &CorruptError{Kind: k, Offset: r.offset, Produced: r.total}
}
