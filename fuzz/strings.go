package fuzz

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// texts draws strings.
type texts struct {
	d      *dice.Dice
	style  StringStyle
	size   int
	edge   int  // percent
	calm   bool // odd strings are rarer, as there are many
	nested int
}

// edgeLengths are lengths beside those at which some encoding changes: of the lengths of an RDB (63, 16383), of the entries of listpacks
// (63, 4095) and ziplists (63, 16383; 253 for the entry behind), of what listpacks store behind an entry (127, 16383), of what is looked at
// as an integer (11, 20) and of what is compressed (20); and default limits of packed encodings (64).
var edgeLengths = []int{0, 1, 10, 11, 12, 19, 20, 21, 22, 62, 63, 64, 65, 125, 126, 127, 128, 249, 250, 251, 252, 253, 254, 255, 256, 4092, 4095, 4096, 4097}

// longLengths are those of which a file has few.
var longLengths = []int{16378, 16379, 16380, 16381, 16382, 16383, 16384, 16385, 1<<16 - 1, 1 << 16}

// edgeIntegers lie beside the bounds of integers in strings of an RDB (8, 16, 32 bits), in listpacks (7, 13, 16, 24, 32, 64) and in ziplists
// (immediates 0..12, 8, 16, 24, 32, 64).
var edgeIntegers = []int64{
	-1, 0, 1, 11, 12, 13, 126, 127, 128, -127, -128, -129, 255, 256, 4095, 4096, -4096, -4097,
	math.MaxInt16, math.MaxInt16 + 1, math.MinInt16, math.MinInt16 - 1, 1<<23 - 1, 1 << 23, -1 << 23, -1<<23 - 1,
	math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, math.MinInt32 - 1, 1<<53 - 1, 1 << 53, math.MaxInt64 - 1, math.MaxInt64, math.MinInt64 + 1, math.MinInt64,
}

// likeIntegers look like integers and have to stay what they are.
var likeIntegers = []string{"-0", "00", "01", "+1", " 1", "1 ", "1.0", "1e5", "0x10", "-", "--1", "9223372036854775808", "-9223372036854775809", "18446744073709551615", "99999999999999999999", "2147483648 ", "१", "inf", "-inf", "nan", "1\x00", "\x001"}

// likeRecords are bytes that mean something in a file, to someone who has lost the place.
var likeRecords = []string{
	"REDIS0011", "VALKEY080", "\xff", "\xff\x00\x00\x00\x00\x00\x00\x00\x00", "\xfe\x00", "\xfe\x05\xfb\x01\x00", "\xfa\tredis-ver\x057.2.0",
	"\x00\x03foo\x03bar", "\xfc\x00\x00\x00\x00\x01\x00\x00\x00\x00\x03foo\x03bar", "\xfd\x00\x00\x00\x7f\x00\x01a\x01b", "\xf8\x01\x00\x01k\x01v", "\xf5\x0f#!lua name=x\nxxx",
	"\xc0\x01", "\xc3\x04\x05\x00a\xe0\x00\x00", "\x80\x00\x00\x00\x01", "\x81\xff\xff\xff\xff\xff\xff\xff\xff",
	"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", "*1\r\n$5\r\nMULTI\r\n", "#TS:1700000000\r\n", "$EOF:0123456789", "\r\n", "\n", "\r", "\x00", "\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x0b\x00\x00\x00\n\x00\x00\x00\x00\x00\xff", "\x07\x00\x00\x00\x00\x00\xff",
}

var notText = []string{"\xff\xfe", "\xc3\x28", "\xed\xa0\x80", "caf\xe9", "\xf0\x9f\x92\xa9", "日本語", "\u0000", "\xef\xbf\xbd", "a\u0301"}

var words = []string{"user", "session", "cart", "order", "queue", "cache", "lock", "count", "page", "token", "item", "score", "event", "log", "feed", "index", "status", "active", "pending", "name", "email", "city", "Berlin", "São Paulo", "true", "false", "null"}

// next draws a string of any kind.
func (t *texts) next() []byte {
	d := t.d
	switch t.style {
	case StringsRandom:
		return d.Bytes(nil, max(t.size, 0))
	case StringsJSON:
		return t.json(t.size)
	}
	if d.Percent(t.edge) && (!t.calm || d.N(16) == 0) {
		return t.odd()
	}
	switch d.Weighted([]int{30, 20, 20, 10, 10}) {
	case 0:
		return fmt.Appendf(nil, "%s:%d", dice.Pick(d, words), d.N(1<<d.N(30)))
	case 1:
		return strconv.AppendInt(nil, t.integer(), 10)
	case 2:
		return t.wordy(d.Size(t.size))
	case 3:
		return t.json(d.Size(2 * t.size))
	default:
		return d.Bytes(nil, d.Size(t.size))
	}
}

// integer draws an integer of any width.
func (t *texts) integer() int64 {
	v := int64(t.d.Uint64()) >> t.d.N(64)
	if t.d.Coin() && v < 0 && v != math.MinInt64 {
		v = -v
	}
	return v
}

func (t *texts) wordy(n int) (b []byte) {
	for len(b) < n {
		b = append(append(b, dice.Pick(t.d, words)...), ' ')
	}
	return b[:n]
}

// json draws a document of about n bytes.
func (t *texts) json(n int) []byte {
	b := fmt.Appendf(nil, `{"id":%d,"name":"%s %s","items":[`, t.d.N(1<<30), dice.Pick(t.d, words), dice.Pick(t.d, words))
	for len(b) < n-2 {
		b = fmt.Appendf(b, `{"sku":"%s-%d","quantity":%d,"price":%d.%02d,"status":"%s"},`, dice.Pick(t.d, words), t.d.N(10000), t.d.N(10), t.d.N(500), t.d.N(100), dice.Pick(t.d, words))
	}
	return append(bytes.TrimRight(b, ","), "]}"...)
}

// odd draws a string that lies on a boundary, or looks like what it is not.
func (t *texts) odd() []byte {
	d := t.d
	switch d.Weighted([]int{50, 2, 30, 30, 30, 16, 6}) {
	case 0:
		return t.fill(dice.Pick(d, edgeLengths))
	case 1:
		return t.fill(dice.Pick(d, longLengths))
	case 2:
		return strconv.AppendInt(nil, dice.Pick(d, edgeIntegers), 10)
	case 3:
		return []byte(dice.Pick(d, likeIntegers))
	case 4:
		return []byte(dice.Pick(d, likeRecords))
	case 5:
		return []byte(dice.Pick(d, notText))
	default:
		return t.dump()
	}
}

// fill draws a string of n bytes: binary, of one byte only, or of words.
func (t *texts) fill(n int) []byte {
	switch t.d.N(3) {
	case 0:
		return t.d.Bytes(nil, n)
	case 1:
		return bytes.Repeat([]byte{byte(t.d.Uint64())}, n)
	default:
		return t.wordy(n)
	}
}

// dump draws a whole file, a DUMP payload or a log of commands.
func (t *texts) dump() []byte {
	d := t.d
	if t.nested >= 2 {
		return []byte(dice.Pick(d, likeRecords))
	}
	opt := RDBOptions{Target: dice.Pick(d, rdb.Targets()), Keys: d.Between(0, 3), Elements: 3, Edge: Never, nested: t.nested + 1}
	switch d.N(3) {
	case 0:
		payload, err := rdb.AppendValueDump(nil, rdb.List{t.wordy(10), []byte("1")}, opt.Target, rdb.WriterOptions{})
		if err == nil {
			return payload
		}
	case 1:
		return bytes.Repeat([]byte("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"), d.Between(1, 4))
	}
	b, _ := RDB(d.Uint64(), opt)
	return b
}

// distinct draws n strings of which none is there twice. There may be fewer.
func (t *texts) distinct(n int, next func() []byte) [][]byte {
	seen := make(map[string]struct{}, n)
	out := make([][]byte, 0, n)
	for tries := 0; len(out) < n && tries < 2*n+10; tries++ {
		s := next()
		if _, twice := seen[string(s)]; twice {
			s = fmt.Appendf(slices.Clone(s), "~%d", len(out))
			if _, twice := seen[string(s)]; twice {
				continue
			}
		}
		seen[string(s)] = struct{}{}
		out = append(out, s)
	}
	return out
}

// namer draws the names of keys, none twice: ordinary ones have a number of their own, and odd ones are remembered.
type namer struct {
	d    *dice.Dice
	text *texts
	edge int
	n    uint64
	odd  map[string]struct{}
	tag  string // cluster hash tag
}

// mostOdd bounds the memory for odd names.
const mostOdd = 4096

func (n *namer) next() []byte {
	n.n++
	if n.tag == "" && n.d.Percent(n.edge) && len(n.odd) < mostOdd {
		odd := n.text.odd()
		if _, twice := n.odd[string(odd)]; !twice && !bytes.HasSuffix(odd, []byte("#")) {
			n.odd[string(odd)] = struct{}{}
			return odd
		}
	}
	name := append([]byte(dice.Pick(n.d, words)), ':')
	if n.tag != "" {
		name = fmt.Appendf(name, "{%s}:", n.tag)
	}
	return append(strconv.AppendUint(name, n.n, 10), '#')
}
