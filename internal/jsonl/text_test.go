package jsonl_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/jsonl"
)

func TestAppendBytes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"plain", `"plain"`},
		{"longer than eight bytes", `"longer than eight bytes"`},
		{`a "quoted" word`, `"a \"quoted\" word"`},
		{`back\slash`, `"back\\slash"`},
		{"\b\f\n\r\t", `"\b\f\n\r\t"`},
		{"\x00\x1f\x7f", "\"\\u0000\\u001f\x7f\""},
		{"héllo, wörld, 日本", `"héllo, wörld, 日本"`},
		{"\ufffd", "\"\ufffd\""},
		{"\xff", `{"b64":"/w=="}`},
		{"cut off \xe6\x97", `{"b64":"Y3V0IG9mZiDmlw=="}`},
		{"\xed\xa0\x80", `{"b64":"7aCA"}`}, // a surrogate is no UTF-8
	} {
		require.Equal(t, c.want, string(jsonl.AppendBytes(nil, []byte(c.in))), "%q", c.in)
	}
}

// plainly is AppendBytes a byte at a time.
func plainly(b []byte) string {
	if !utf8.Valid(b) {
		return `{"b64":"` + base64.StdEncoding.EncodeToString(b) + `"}`
	}
	letters := map[byte]string{'\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '"': `\"`, '\\': `\\`}
	out := `"`
	for _, c := range b {
		switch text, ok := letters[c]; {
		case ok:
			out += text
		case c < 0x20:
			out += fmt.Sprintf(`\u%04x`, c)
		default:
			out += string([]byte{c})
		}
	}
	return out + `"`
}

// FuzzAppendBytes reads every byte string back with encoding/json, and holds it to the plain way.
func FuzzAppendBytes(f *testing.F) {
	for _, s := range []string{"", "abcdefgh", "abcdefg\"", "\\bcdefgh", "\x1fbcdefgh", "abcdefg\x80", "é\x00\"", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out := jsonl.AppendBytes(nil, b)
		var got text
		require.NoError(t, json.Unmarshal(out, &got), "%s", out)
		require.True(t, bytes.Equal(b, got), "%q became %s", b, out)
		require.Equal(t, utf8.Valid(b), out[0] == '"')
		require.Equal(t, plainly(b), string(out))
		before := append(make([]byte, 0, 8+len(b)%9), "before "...) // where there is little room
		require.Equal(t, "before "+plainly(b), string(jsonl.AppendBytes(before, b)))
	})
}

func TestPlainAtEveryPlace(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for _, c := range []byte{0, 0x1f, '"', '\\', 0x80, 0xff} {
				b := bytes.Repeat([]byte{' '}, n)
				b[at] = c
				var got text
				require.NoError(t, json.Unmarshal(jsonl.AppendBytes(nil, b), &got))
				require.Equal(t, b, []byte(got))
			}
		}
	}
}

// TestAppendBytesMixed joins pieces of all kinds at all places within words.
func TestAppendBytesMixed(t *testing.T) {
	pieces := []string{"a", "seven b", "exactly8", "and more than eight", `"`, `\`, "\n", "\x00", "\x1f", "\x7f", "é", "日本", "🙂", "\u0080\u07ff\u0800\uffff\U00010000", "\xff", "\xc3", "\xf0\x9f"}
	random := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		var b []byte
		good := random.IntN(4) > 0
		for range random.IntN(8) {
			if p := pieces[random.IntN(len(pieces))]; !good || utf8.ValidString(p) {
				b = append(b, p...)
			}
		}
		require.Equal(t, plainly(b), string(jsonl.AppendBytes(nil, b)))
	}
}

func TestAppendScore(t *testing.T) {
	for _, c := range []struct {
		in   float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {-17, "-17"}, {2.5, "2.5"}, {0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"},
		{math.Inf(1), "inf"}, {math.Inf(-1), "-inf"},
		{1e6, "1000000"}, {1 << 53, "9007199254740992"}, {1e20, "100000000000000000000"}, {1e21, "1e+21"},
		{1e-6, "0.000001"}, {1e-7, "1e-07"}, {math.MaxFloat64, "1.7976931348623157e+308"}, {math.SmallestNonzeroFloat64, "5e-324"},
	} {
		require.Equal(t, strconv.Quote(c.want), string(jsonl.AppendScore(nil, c.in)))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		f := math.Float64frombits(random.Uint64())
		if f != f {
			continue
		}
		s := strings.Trim(string(jsonl.AppendScore(nil, f)), `"`)
		got, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		require.Equal(t, math.Float64bits(f), math.Float64bits(got), s)
	}
}

func TestNumbers(t *testing.T) {
	require.Equal(t, `9007199254740992`, string(jsonl.AppendUint(nil, 1<<53)))
	require.Equal(t, `"9007199254740993"`, string(jsonl.AppendUint(nil, 1<<53+1)))
	require.Equal(t, `"18446744073709551615"`, string(jsonl.AppendUint(nil, math.MaxUint64)))
	require.Equal(t, `-9007199254740992`, string(jsonl.AppendInt(nil, -1<<53)))
	require.Equal(t, `"-9007199254740993"`, string(jsonl.AppendInt(nil, -1<<53-1)))
	require.Equal(t, `"-9223372036854775808"`, string(jsonl.AppendInt(nil, math.MinInt64)))
}

func TestStringEncoding(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"0", "int"}, {"-1", "int"}, {"12345", "int"}, {"9223372036854775807", "int"}, {"-9223372036854775808", "int"},
		{"", "embstr"}, {"-", "embstr"}, {"-0", "embstr"}, {"00", "embstr"}, {"01", "embstr"}, {"+1", "embstr"}, {" 1", "embstr"}, {"1.0", "embstr"},
		{"9223372036854775808", "embstr"}, {"-9223372036854775809", "embstr"}, {"99999999999999999999", "embstr"},
		{strings.Repeat("x", 44), "embstr"}, {strings.Repeat("x", 45), "raw"}, {strings.Repeat("1", 45), "raw"},
	} {
		require.Equal(t, c.want, jsonl.StringEncoding([]byte(c.in)), "%q", c.in)
	}
}
