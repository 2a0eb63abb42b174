package repair

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// Elements of some collections tell that they are elements, and so that the value was read right up to the last one:
//
//	sorted set   member, score   a number as people use them, not greater than the one before: servers write the greatest first (Redis 4.0 and later)
//	hash         field, value, time   -1, or one of these years (Valkey 9.0 and later)
//
// Where a length or the count is wrong, elements are read where none are, and what stands there is no such number. With a count that is too small one more element follows.

const (
	scoreBits    = 4  // evidence of a score
	fieldBits    = 12 // and of a field's time
	groupBits    = 16 // and of a group, or limits, that are just so
	toldLeast    = 4  // scores that tell the end of a value
	scoreLargest = 64 // the power of 2 of a score, one way or the other
)

// elementsTell returns the evidence in the elements of a value that b begins with and that has so many bytes, and whether they tell where it ends.
func elementsTell(t rdb.Type, b []byte, size int64) (bits float64, ends bool) {
	_, at, _, _ := lengthForm(b)
	least, each := toldLeast, float64(scoreBits)
	if t == rdb.TypeHash2 {
		least, each = 1, fieldBits
	}
	if at == 0 || size > int64(len(b)) {
		return 0, false
	}
	telling, last := 0, math.Inf(1)
	value, rest := b[at:size], b[size:]
	for len(value) > 0 {
		n := elementSize[t](value)
		if n == 0 || n > len(value) {
			return 0, false
		}
		tells := true
		if t == rdb.TypeZset2 {
			score := scoreOf(value[:n])
			if !(score <= last) || score == 0 && value[0] == 0 || !usualScore(score) { // no number, either
				return 0, false
			}
			tells, last = score != 0, score
		}
		if tells {
			telling++
		}
		value = value[n:]
	}
	ends = telling >= least
	if n := elementSize[t](rest); n > 0 && n <= len(rest) {
		ends = ends && t == rdb.TypeZset2 && !(scoreOf(rest[:n]) <= last && usualScore(scoreOf(rest[:n])))
	}
	return min(each*float64(telling), elementsMost), ends
}

// scoreOf is the score of an element of a sorted set.
func scoreOf(element []byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(element[len(element)-8:]))
}

// usualScore reports whether a score is of a size that people use. Of any eight bytes one in sixteen are.
func usualScore(score float64) bool {
	if score == 0 || math.IsInf(score, 0) {
		return true
	}
	return math.Abs(float64(math.Ilogb(score))) <= scoreLargest
}

// groupUnknown is what a group ends with that has read an unknown number of entries and has none pending and no consumers, defaultLimits what a stream ends with in which no producers
// are known, and whose limits for these nobody has set.
const (
	groupUnknown  = "\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00"
	defaultLimits = "\x40\x64\x40\x64\x00\x00\x00"
)

// streamTells does for a stream what elementsTell does, beside its entries. An empty one can have a time as its last id, a group, and limits, which nothing else has.
func streamTells(t rdb.Type, b []byte, size int64) (bits float64, ends bool) {
	const counts = 2 // the bytes of those of nodes and entries
	if size > int64(len(b)) {
		return 0, false
	}
	value, rest := b[:size], b[size:]
	if bytes.Contains(value, []byte(groupUnknown[:9])) {
		bits += groupBits
	}
	if len(value) > counts+9 && value[counts] == groupUnknown[0] {
		if ms := binary.BigEndian.Uint64(value[counts+1:]); ms > year2000 && ms < year10000 {
			bits += timeBits
		}
	}
	last := groupUnknown
	if t == rdb.TypeStream {
		return bits, false
	}
	if t >= rdb.TypeStream4 {
		if last = defaultLimits; bytes.HasSuffix(value, []byte(last)) {
			bits += groupBits
		}
	}
	return bits, bytes.HasSuffix(value, []byte(last)) && len(rest) > 0 && rest[0] != 0
}
