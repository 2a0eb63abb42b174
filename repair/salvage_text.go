package repair

import (
	"math"
	"unicode/utf8"
)

// textModel is what byte strings of some sort look like: how often a byte follows the two before it. It is learnt from strings known
// to be of that sort, and says of another one how many bits it takes to write it down if it were of them. Keys of a server have
// much in common ("user:1001:name"), so bytes that begin like one are most likely one.
//
// The probability of a byte is that after its two predecessors as far as they were seen, filled up with that after one, that with
// that of the byte alone, and that with a guess made before anything was learnt.
type textModel struct {
	guess   [symbols]float32
	one     [symbols]uint32
	all     uint32
	two     [symbols * symbols]uint32
	after   [symbols]uint32
	three   [1 << 17]uint16 // by hash
	afterTo [1 << 14]uint16 // by hash
	strings int             // learnt
}

// symbols are the bytes and the edge of a string.
const (
	symbols = 257
	edge    = 256
)

func newTextModel(printable float64) *textModel {
	m := &textModel{}
	for c := range m.guess {
		switch {
		case c == edge:
			m.guess[c] = 1.0 / 32
		case c >= 0x20 && c < 0x7F:
			m.guess[c] = float32(printable / 95)
		default:
			m.guess[c] = float32((1 - printable) / 161)
		}
	}
	return m
}

func hashThree(a, b, c int) int { return (a*0x9E37 ^ b*0x85EB ^ c*0xC2B3) * 0x27D5 >> 3 & (1<<17 - 1) }
func hashTwo(a, b int) int      { return (a*0x9E37 ^ b*0x85EB) * 0x27D5 >> 3 & (1<<14 - 1) }

// learn adds a string. whole says that it is not cut, so that its end is worth knowing.
func (m *textModel) learn(p []byte, whole bool) {
	a, b := edge, edge
	for _, c := range p {
		m.add(a, b, int(c))
		a, b = b, int(c)
	}
	if whole {
		m.add(a, b, edge)
	}
	m.strings++
}

func (m *textModel) add(a, b, c int) {
	m.one[c]++
	m.all++
	m.two[b*symbols+c]++
	m.after[b]++
	if i, j := hashThree(a, b, c), hashTwo(a, b); m.afterTo[j] < math.MaxUint16 {
		m.three[i]++
		m.afterTo[j]++
	}
}

// probability of c after a and b.
func (m *textModel) probability(a, b, c int) float64 {
	const weight = 2 // of what is less specific, in strings seen
	if m.all == 0 {
		return float64(m.guess[c])
	}
	p := (float64(m.one[c]) + 64*float64(m.guess[c])) / (float64(m.all) + 64)
	p = (float64(m.two[b*symbols+c]) + 2*weight*p) / (float64(m.after[b]) + 2*weight)
	seen, of := float64(m.three[hashThree(a, b, c)]), float64(m.afterTo[hashTwo(a, b)])
	return (min(seen, of) + weight*p) / (of + weight)
}

// likeness says by how many bits p is rather a string of sort m than one of sort other. whole is as with learn. What is long is judged by
// its beginning.
func (m *textModel) likeness(other *textModel, p []byte, whole bool) (bits float64) {
	product := 1.0
	a, b := edge, edge
	for _, c := range p[:min(len(p), likenessMost)] {
		product *= likelier(m.probability(a, b, int(c)), other.probability(a, b, int(c)))
		a, b = b, int(c)
	}
	bits = math.Log2(product)
	if whole && len(p) <= likenessMost {
		bits += m.endLikeness(a, b)
	}
	return bits
}

// likenesses is the likeness of sort m, as a whole, and that of another one, both beside sort other.
func (m *textModel) likenesses(n, other *textModel, p []byte) (ofM, ofN float64) {
	productM, productN := 1.0, 1.0
	a, b := edge, edge
	for _, c := range p[:min(len(p), likenessMost)] {
		of := other.probability(a, b, int(c))
		productM *= likelier(m.probability(a, b, int(c)), of)
		productN *= likelier(n.probability(a, b, int(c)), of)
		a, b = b, int(c)
	}
	ofM, ofN = math.Log2(productM), math.Log2(productN)
	if len(p) <= likenessMost {
		ofM += m.endLikeness(a, b)
	}
	return ofM, ofN
}

// likenessMost is how many bytes of a string are looked at.
const likenessMost = 48

// likelier is how many times as likely a byte is, within six bits: the product over a string stays within a number's range, so that one logarithm
// does.
func likelier(p, q float64) float64 { return max(1.0/64, min(64, p/q)) }

// endLikeness is the evidence in that a string ends behind a and b.
func (m *textModel) endLikeness(a, b int) float64 {
	return max(-6, min(4, math.Log2(m.probability(a, b, edge)*24)))
}

// noiseLeast is from how many bytes on a value is text or not.
const noiseLeast = 4

// isNoise reports whether a value, of which the end may be cut off, is no text in any language.
func isNoise(v []byte) bool {
	for i := 0; i < len(v); {
		r, n := utf8.DecodeRune(v[i:])
		if r == utf8.RuneError && n == 1 && len(v)-i >= utf8.UTFMax || r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return true
		}
		i += n
	}
	return false
}

// noisy reports whether a string is no text, where nearly all others of the file are.
func (s *salvager) noisy(f *record) bool {
	c := s.census
	v := s.probe.stringOf(f)
	return len(v) >= noiseLeast && isNoise(v) && c.texts >= oddLeast && rareName*(max(c.noises, 1)-1) < c.texts
}
