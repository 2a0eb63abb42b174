package decimal

import (
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func check(t *testing.T, v uint64) {
	require.Equal(t, "x"+strconv.FormatUint(v, 10), string(Append([]byte("x"), v)))
	require.Equal(t, "x"+strconv.FormatInt(int64(v), 10), string(AppendInt([]byte("x"), int64(v))))
}

func TestAppend(t *testing.T) {
	for v := range uint64(2000) {
		check(t, v)
	}
	for p := uint64(1); ; p *= 10 {
		for _, v := range []uint64{p - 1, p, p + 1, -p, 1 - p, p * 9, p * 5} {
			check(t, v)
		}
		if p > math.MaxUint64/10 {
			break
		}
	}
	for i := range 64 {
		check(t, 1<<i)
		check(t, 1<<i-1)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		check(t, random.Uint64()>>random.IntN(64))
	}
}

// TestRoom appends where there is just enough room and writes nothing behind it.
func TestRoom(t *testing.T) {
	for _, v := range []int64{0, 7, 42, 123, -1, math.MaxInt64, math.MinInt64} {
		want := strconv.FormatInt(v, 10)
		b := append(make([]byte, 0, len(want)+1), want...)
		b = append(b, '!')
		got := AppendInt(b[:0:len(want)], v)
		require.Equal(t, want, string(got))
		require.Equal(t, want+"!", string(b))
		require.Same(t, &b[0], &got[0])
	}
}

func FuzzAppend(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(math.MaxUint64))
	f.Fuzz(check)
}

func BenchmarkAppend(b *testing.B) {
	var buf [MaxLen]byte
	for i := range b.N {
		Append(buf[:0], uint64(i)*0x9E3779B97F4A7C15>>(i&63))
	}
}

// TestAppendFraction compares with strconv on fractions of all lengths, on their neighbours, and on any doubles.
func TestAppendFraction(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	taken := 0
	demand := func(f float64) {
		got, ok := AppendFraction([]byte("x"), f)
		if !ok {
			require.Equal(t, "x", string(got))
			return
		}
		taken++
		require.Equal(t, "x"+strconv.FormatFloat(f, 'f', -1, 64), string(got))
	}
	for range 50_000 {
		f := float64(r.Int64N(1<<(1+r.IntN(62)))) / math.Pow10(r.IntN(9))
		if r.IntN(2) == 0 {
			f = -f
		}
		demand(f)
		demand(math.Nextafter(f, math.Inf(1-2*r.IntN(2))))
		demand(math.Float64frombits(r.Uint64()))
		demand(r.Float64())
	}
	for range 50_000 { // what is a decimal exactly
		f := math.Ldexp(float64(r.Int64N(1<<(1+r.IntN(53)))), -r.IntN(20))
		demand(f)
		demand(-f)
	}
	for n := range 20 { // where doubles are just as far apart as matters
		for point := range 53 {
			f := math.Ldexp(1, 52-point)
			for range 20 {
				demand(f + math.Ldexp(float64(2*r.IntN(500)+1), -n))
			}
		}
	}
	require.Greater(t, taken, 75_000)
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 1.5e-6, 9e-7, 1e-7, 0.000001, 123456789.123456, 999999999.999999, 1e9, 1e15, math.Inf(1), math.NaN(), math.MaxFloat64, 5e-324} {
		demand(f)
	}
}

func BenchmarkAppendFraction(b *testing.B) {
	var buf []byte
	for i := 0; b.Loop(); i++ {
		buf, _ = AppendFraction(buf[:0], float64(i&0xFFFF)/100)
	}
}

// TestParseFloat compares with strconv on decimals of all lengths, on what lies between two doubles, and on what is no number.
func TestParseFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		digits := strconv.FormatUint(r.Uint64()>>r.IntN(64), 10)
		at := r.IntN(len(digits) + 1)
		demandFloat(t, digits[:at]+"."+digits[at:])
		demandFloat(t, "-"+digits[:at]+"."+digits[at:])
		demandFloat(t, "0."+digits)
		demandFloat(t, digits)
		demandFloat(t, digits+"e"+strconv.Itoa(r.IntN(40)-20))
		demandFloat(t, digits[:at]+"."+digits[at:]+"e"+strconv.Itoa(r.IntN(700)-350))
		any := math.Float64frombits(r.Uint64())
		demandFloat(t, strconv.FormatFloat(any, 'e', -1, 64))
		demandFloat(t, strconv.FormatFloat(any, 'e', 17, 64))
		f := math.Ldexp(float64(r.Int64N(1<<53)), -r.IntN(60))
		demandFloat(t, strconv.FormatFloat(f, 'f', -1, 64))
		demandFloat(t, strconv.FormatFloat(f, 'f', 17, 64))
		half := new(big.Float).SetMode(big.ToZero).SetPrec(60).Add(new(big.Float).SetPrec(60).SetFloat64(f), new(big.Float).SetFloat64((math.Nextafter(f, math.Inf(1))-f)/2))
		demandFloat(t, half.Text('f', 19))
	}
	for i := range 16 { // no digit among digits
		for c := range 256 {
			s := []byte("1234567890123456")
			s[i] = byte(c)
			demandFloat(t, string(s))
		}
	}
	for _, s := range []string{"", "-", ".", "-.", "0", "-0", "0.0", "-0.0", "1.", ".5", "+1", "--1", "1e", "1e+", "1e5", "1e-5", "1E5", "1e400", "-1e400", "1e-400", "inf", "nan", "1.2.3", "1_0", "1e1_0", "0x10",
		"9007199254740993", "9007199254740992.5", "9007199254740993.0", "18446744073709551615", "18446744073709551616", "9999999999999999999", "1.8446744073709551615", "0.0000000000000000001", "00000000000000000000001.5"} {
		demandFloat(t, s)
	}
}

func demandFloat(t *testing.T, s string) {
	got, ok := ParseFloat([]byte(s))
	want, err := strconv.ParseFloat(s, 64)
	if !plain.MatchString(s) || err != nil {
		require.False(t, ok, s)
		return
	}
	require.True(t, ok, s)
	require.Equal(t, math.Float64bits(want), math.Float64bits(got), s)
}

// plain is what ParseFloat takes.
var plain = regexp.MustCompile(`^-?[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?$`)

// TestScaleEveryPower reads the shortest and the longest decimals of doubles at every power of ten.
func TestScaleEveryPower(t *testing.T) {
	easy, all := 0, 0
	for exp := leastPower; exp <= mostPower; exp++ {
		for _, mantissa := range []uint64{1, 3, 7, 1<<53 - 1, 1 << 53, 1<<53 + 1, 1234567890123456789, 9999999999999999999, math.MaxUint64, 5 << 59, 1 << 63} {
			want, err := strconv.ParseFloat(strconv.FormatUint(mantissa, 10)+"e"+strconv.Itoa(exp), 64)
			all++
			if got, ok := scale(mantissa, exp); ok {
				easy++
				require.NoError(t, err)
				require.Equal(t, want, got, "%de%d", mantissa, exp)
			}
		}
	}
	require.Greater(t, easy, all*9/10)
}

func FuzzParseFloat(f *testing.F) {
	for _, s := range []string{"0", "-12.5", "14374630721.546875", "1e-7", "9007199254740993.000", "0.1e400"} {
		f.Add(s)
	}
	f.Add("2.2250738585072011e-308")
	f.Add("7120190517612959703e120")
	f.Add("000000\xe00")
	f.Fuzz(demandFloat)
}

func FuzzAppendFraction(f *testing.F) {
	f.Add(uint64(0))
	f.Add(math.Float64bits(14374630721.546875))
	f.Add(math.Float64bits(0.1))
	f.Fuzz(func(t *testing.T, raw uint64) {
		v := math.Float64frombits(raw)
		if got, ok := AppendFraction(nil, v); ok {
			require.Equal(t, strconv.FormatFloat(v, 'f', -1, 64), string(got))
		}
	})
}

func BenchmarkParseFloat(b *testing.B) {
	for i, texts := 0, [][]byte{[]byte("14374630721.546875"), []byte("3.25"), []byte("1683728527.03125"), []byte("797"), []byte("-5.1496929968549585e-107")}; b.Loop(); i++ {
		ParseFloat(texts[i%len(texts)])
	}
}
