package lzf

// The control byte tells the three operations apart by value.
const (
	firstShort = 1 << 5 // below: literal run
	firstLong  = 7 << 5 // from here: long back-reference
)

// op is one operation of a block.
type op struct {
	header   int // bytes of input, the data of a literal run aside: 1 to 3
	length   int // bytes of output, 1 to 264
	distance int // 1 to 8192 bytes back, or 0 for a literal run
}

// parseOp reads the operation at the start of src. It returns false where src ends
// inside the header; of a literal run only the control byte is looked at. The fast
// loops of this package read the same fields with the same constants where all
// three bytes are known to be there, and leave every doubt to this function.
func parseOp(src []byte) (op, bool) {
	if len(src) == 0 {
		return op{}, false
	}
	c := src[0]
	switch {
	case c < firstShort:
		return op{header: 1, length: literalRun(c)}, true
	case c < firstLong:
		if len(src) < 2 {
			return op{}, false
		}
		return op{header: 2, length: shortLength(c), distance: distance(c, src[1])}, true
	default:
		if len(src) < 3 {
			return op{}, false
		}
		return op{header: 3, length: longLength(src[1]), distance: distance(c, src[2])}, true
	}
}

func literalRun(c byte) int { return int(c) + 1 }

func shortLength(c byte) int { return int(c>>5) + 2 }

func longLength(ext byte) int { return int(ext) + 9 }

func distance(c, low byte) int { return int(c&31)<<8 + int(low) + 1 }

// check judges o against the output around it: produced bytes so far, and limit
// bytes in all. It returns 0 if o may follow.
func (o op) check(produced, limit int64) Kind {
	switch {
	case int64(o.length) > limit-produced:
		return OutputTooLong
	case int64(o.distance) > produced:
		return DistanceBeforeStart
	}
	return 0
}
