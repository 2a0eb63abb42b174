package rdb

import (
	"math"
	"math/bits"
	"strconv"
)

// Scores have been written as text in three ways:
//
//	type 3                     an integer's digits within ±2^52, else C's "%.17g"
//	packed, versions up to 10  the same with "inf" and "-inf"; in listpacks integers within ±2^62 are integer entries
//	packed, versions from 11   the same with the shortest text that fpconv, the servers' own routine, finds; DEBUG DIGEST hashes that text
//
// All read back to the same double. Only the sign of a zero is lost by servers where they take it for the integer 0; it is kept here,
// as "-0". (Redis 3.2 rdb.c, 7.0 and 7.2 util.c and t_zset.c)

// scoreInt returns the integer that a score is, if it lies strictly within ±limit and so has one text only.
func scoreInt(v, limit float64) (n int64, ok bool) {
	if !(v > -limit && v < limit) || v == 0 && math.Signbit(v) {
		return 0, false
	}
	n = int64(v)
	return n, float64(n) == v
}

const (
	scoreTextLimit     = 1 << 52 // d2string before 7.0, rdbSaveDoubleValue
	scoreListpackLimit = 1 << 62 // double2ll since 7.0
)

// appendScore17 appends the text of a score as C's "%.17g" prints it, integers without an exponent.
func appendScore17(dst []byte, v float64) []byte {
	switch n, ok := scoreInt(v, scoreTextLimit); {
	case ok:
		return strconv.AppendInt(dst, n, 10)
	case math.IsInf(v, 1):
		return append(dst, "inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-inf"...)
	}
	return strconv.AppendFloat(dst, v, 'g', 17, 64)
}

// appendScoreShort appends the text of a score as servers print it since 7.2: that of fpconv, a Grisu2 with rounding. It is the shortest
// that reads back to the score in nearly all cases, and in the rest not always the one that strconv would choose.
func appendScoreShort(dst []byte, v float64) []byte {
	if math.Signbit(v) {
		dst, v = append(dst, '-'), -v
		return appendUnsigned(dst, v, 17)
	}
	return appendUnsigned(dst, v, 18)
}

// appendUnsigned appends the text of a number that is not negative, with at most so many digits where it has an exponent.
func appendUnsigned(dst []byte, v float64, most int) []byte {
	switch {
	case v == 0:
		return append(dst, '0')
	case math.IsInf(v, 0):
		return append(dst, "inf"...)
	case math.IsNaN(v):
		return append(dst, "nan"...)
	}
	var buf [24]byte
	digits, exp := grisu2(buf[:0], v)
	n := len(digits)
	magnitude := exp + n - 1
	if magnitude < 0 {
		magnitude = -magnitude
	}
	switch {
	case exp >= 0 && magnitude < n+7:
		dst = append(dst, digits...)
		return appendZeros(dst, exp)
	case exp < 0 && (exp > -7 || magnitude < 4):
		return appendPoint(dst, digits, n+exp)
	}
	return appendExponent(dst, digits[:min(n, most)], exp)
}

func appendZeros(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}

// appendPoint appends digits with the point behind the first of them, before which zeros are added if it is negative.
func appendPoint(dst, digits []byte, point int) []byte {
	if point <= 0 {
		dst = append(dst, '0', '.')
		return append(appendZeros(dst, -point), digits...)
	}
	dst = append(append(dst, digits[:point]...), '.')
	return append(dst, digits[point:]...)
}

// appendExponent appends digits times 10^exp in the form 1.234e+56.
func appendExponent(dst, digits []byte, exp int) []byte {
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	exp += len(digits) - 1
	sign := byte('+')
	if exp < 0 {
		sign, exp = '-', -exp
	}
	return strconv.AppendInt(append(dst, 'e', sign), int64(exp), 10)
}

// grisuFloat is f times 2^e.
type grisuFloat struct {
	f uint64
	e int
}

func (a grisuFloat) normalized() grisuFloat {
	n := bits.LeadingZeros64(a.f)
	return grisuFloat{a.f << n, a.e - n}
}

// times multiplies and rounds to 64 bits.
func (a grisuFloat) times(b grisuFloat) grisuFloat {
	hi, lo := bits.Mul64(a.f, b.f)
	return grisuFloat{hi + lo>>63, a.e + b.e + 64}
}

// grisu2 appends the digits of a number above zero, which is digits times 10^exp. (F. Loitsch, Printing Floating-Point Numbers Quickly
// and Accurately with Integers, 2010; where the paper leaves a choice, such as that of the power of ten, it is the one of fpconv in
// Redis 7.2, because another would print other digits now and then.)
func grisu2(digits []byte, v float64) (text []byte, exp int) {
	w := grisuFloat{math.Float64bits(v) & (1<<52 - 1), int(math.Float64bits(v) >> 52)}
	if w.e == 0 {
		w.e = 1
	} else {
		w.f |= 1 << 52
	}
	w.e -= 1075
	upper := grisuFloat{2*w.f + 1, w.e - 1}.normalized() // half way to the next number up
	lower := grisuFloat{2*w.f - 1, w.e - 1}              // and down, where the distance is less below a power of two
	if w.f == 1<<52 {
		lower = grisuFloat{4*w.f - 1, w.e - 2}
	}
	lower = grisuFloat{lower.f << (lower.e - upper.e), upper.e}
	power, k := grisuPower(upper.e)
	w, upper, lower = w.normalized().times(power), upper.times(power), lower.times(power)
	g := grisu{digits: digits, shift: -upper.e, wide: upper.f - 1 - (lower.f + 1), wish: upper.f - 1 - w.f}
	return g.digits10(upper.f-1, -k)
}

const (
	grisuFirstPower = -348
	grisuPowerStep  = 8
)

// grisuPower returns the power of ten, 10^k, that brings a number with exponent e to an exponent from -60 to -32.
func grisuPower(e int) (p grisuFloat, k int) {
	const log10of2 = 0.30102999566398114
	i := (int(-float64(e+len(grisuPowers))*log10of2) - grisuFirstPower) / grisuPowerStep
	for {
		k = grisuFirstPower + i*grisuPowerStep
		p = grisuFloat{grisuPowers[i], k*1741647>>19 - 63} // floor(k * log2 10)
		switch sum := e + p.e + 64; {
		case sum < -60:
			i++
		case sum > -32:
			i--
		default:
			return p, k
		}
	}
}

// grisu makes digits, from the first one, until what is left is within the interval in which every number reads back the same.
type grisu struct {
	digits []byte
	shift  int
	wide   uint64 // width of the interval
	wish   uint64 // distance of the number from its upper end
}

func (g *grisu) digits10(upper uint64, exp int) (text []byte, at int) {
	whole, frac := upper>>g.shift, upper&(1<<g.shift-1)
	kappa := 10
	for unit := uint64(1e9); unit > 0; unit /= 10 {
		g.digit(whole / unit)
		whole %= unit
		kappa--
		if rest := whole<<g.shift + frac; rest <= g.wide {
			g.round(rest, unit<<g.shift)
			return g.digits, exp + kappa
		}
	}
	for {
		frac, g.wide, g.wish = frac*10, g.wide*10, g.wish*10
		g.digit(frac >> g.shift)
		frac &= 1<<g.shift - 1
		kappa--
		if frac < g.wide {
			g.round(frac, 1<<g.shift)
			return g.digits, exp + kappa
		}
	}
}

func (g *grisu) digit(d uint64) {
	if d != 0 || len(g.digits) > 0 {
		g.digits = append(g.digits, '0'+byte(d))
	}
}

// round moves the last digit down while that comes closer to the number and stays in the interval.
func (g *grisu) round(rest, unit uint64) {
	last := &g.digits[len(g.digits)-1]
	for rest < g.wish && g.wide-rest >= unit && (rest+unit < g.wish || g.wish-rest > rest+unit-g.wish) {
		*last--
		rest += unit
	}
}

// grisuPowers are 10^-348, 10^-340, … 10^340 as integers of 64 bits, rounded; the powers of two that belong to them follow from k.
var grisuPowers = [...]uint64{
	0xfa8fd5a0081c0288, 0xbaaee17fa23ebf76, 0x8b16fb203055ac76, 0xcf42894a5dce35ea,
	0x9a6bb0aa55653b2d, 0xe61acf033d1a45df, 0xab70fe17c79ac6ca, 0xff77b1fcbebcdc4f,
	0xbe5691ef416bd60c, 0x8dd01fad907ffc3c, 0xd3515c2831559a83, 0x9d71ac8fada6c9b5,
	0xea9c227723ee8bcb, 0xaecc49914078536d, 0x823c12795db6ce57, 0xc21094364dfb5637,
	0x9096ea6f3848984f, 0xd77485cb25823ac7, 0xa086cfcd97bf97f4, 0xef340a98172aace5,
	0xb23867fb2a35b28e, 0x84c8d4dfd2c63f3b, 0xc5dd44271ad3cdba, 0x936b9fcebb25c996,
	0xdbac6c247d62a584, 0xa3ab66580d5fdaf6, 0xf3e2f893dec3f126, 0xb5b5ada8aaff80b8,
	0x87625f056c7c4a8b, 0xc9bcff6034c13053, 0x964e858c91ba2655, 0xdff9772470297ebd,
	0xa6dfbd9fb8e5b88f, 0xf8a95fcf88747d94, 0xb94470938fa89bcf, 0x8a08f0f8bf0f156b,
	0xcdb02555653131b6, 0x993fe2c6d07b7fac, 0xe45c10c42a2b3b06, 0xaa242499697392d3,
	0xfd87b5f28300ca0e, 0xbce5086492111aeb, 0x8cbccc096f5088cc, 0xd1b71758e219652c,
	0x9c40000000000000, 0xe8d4a51000000000, 0xad78ebc5ac620000, 0x813f3978f8940984,
	0xc097ce7bc90715b3, 0x8f7e32ce7bea5c70, 0xd5d238a4abe98068, 0x9f4f2726179a2245,
	0xed63a231d4c4fb27, 0xb0de65388cc8ada8, 0x83c7088e1aab65db, 0xc45d1df942711d9a,
	0x924d692ca61be758, 0xda01ee641a708dea, 0xa26da3999aef774a, 0xf209787bb47d6b85,
	0xb454e4a179dd1877, 0x865b86925b9bc5c2, 0xc83553c5c8965d3d, 0x952ab45cfa97a0b3,
	0xde469fbd99a05fe3, 0xa59bc234db398c25, 0xf6c69a72a3989f5c, 0xb7dcbf5354e9bece,
	0x88fcf317f22241e2, 0xcc20ce9bd35c78a5, 0x98165af37b2153df, 0xe2a0b5dc971f303a,
	0xa8d9d1535ce3b396, 0xfb9b7cd9a4a7443c, 0xbb764c4ca7a44410, 0x8bab8eefb6409c1a,
	0xd01fef10a657842c, 0x9b10a4e5e9913129, 0xe7109bfba19c0c9d, 0xac2820d9623bf429,
	0x80444b5e7aa7cf85, 0xbf21e44003acdd2d, 0x8e679c2f5e44ff8f, 0xd433179d9c8cb841,
	0x9e19db92b4e31ba9, 0xeb96bf6ebadf77d9, 0xaf87023b9bf0ee6b}
