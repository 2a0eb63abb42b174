// Package loose encodes values of an RDB in ways that are valid though no server chooses them: lengths in longer forms than need be, integers wider than
// need be or as text, compressed strings that are longer than what they stand for, collections in the encoding of another size, streams with
// records of deleted entries. It is written apart from package rdb's own encoders, so that each tests the other.
package loose

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// Encoder encodes values for a version of the format, as its dice fall.
type Encoder struct {
	D      *dice.Dice
	Target rdb.Target
}

// Length appends a length in any form that can hold it: 6, 14, 32 or, from version 8 on, 64 bits.
func (e *Encoder) Length(dst []byte, v uint64) []byte {
	form := e.D.N(4)
	if form == 3 && e.Target < rdb.Version8 {
		form = 2
	}
	switch {
	case form == 0 && v < 1<<6:
		return append(dst, byte(v))
	case form <= 1 && v < 1<<14:
		return append(dst, 0x40|byte(v>>8), byte(v))
	case form <= 2 && v <= math.MaxUint32 || e.Target < rdb.Version8:
		return binary.BigEndian.AppendUint32(append(dst, 0x80), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0x81), v)
}

// String appends a string: plain even if it is an integer, or compressed into literals only.
func (e *Encoder) String(dst, s []byte) []byte {
	if len(s) == 0 || e.D.N(3) != 0 {
		return append(e.Length(dst, uint64(len(s))), s...)
	}
	dst = append(dst, 0xC3)
	dst = e.Length(dst, uint64(len(s)+(len(s)+31)/32))
	dst = e.Length(dst, uint64(len(s)))
	for len(s) > 0 {
		n := min(len(s), 32)
		dst = append(append(dst, byte(n-1)), s[:n]...)
		s = s[n:]
	}
	return dst
}

// Value encodes a value with its type. ok is false for what has no loose form.
func (e *Encoder) Value(v rdb.Value) (t rdb.Type, raw []byte, ok bool) {
	switch v := v.(type) {
	case rdb.String:
		return rdb.TypeString, e.String(nil, v), true
	case rdb.List:
		return e.list(v)
	case rdb.Set:
		return e.set(v)
	case rdb.SortedSet:
		return e.sortedSet(v)
	case rdb.Hash:
		return e.hash(v)
	case *rdb.Stream:
		if e.Target >= rdb.Version9 {
			return e.stream(v)
		}
	}
	return 0, nil, false
}

func (e *Encoder) strings(items [][]byte) []byte {
	b := e.Length(nil, uint64(len(items)))
	for _, s := range items {
		b = e.String(b, s)
	}
	return b
}

// mostPacked bounds what is put into a packed encoding, in entries.
const mostPacked = 4000

func (e *Encoder) list(l rdb.List) (rdb.Type, []byte, bool) {
	switch {
	case len(l) == 0:
		return 0, nil, false
	case e.D.N(4) == 0:
		return rdb.TypeList, e.strings(l), true
	case len(l) < mostPacked && e.D.N(4) == 0:
		return rdb.TypeListZiplist, e.String(nil, e.ziplist(l)), true
	case e.Target < rdb.Version7:
		return 0, nil, false
	}
	listpacks := e.Target >= rdb.Version10 && e.D.Coin()
	t := rdb.TypeListQuicklist
	if listpacks {
		t = rdb.TypeListQuicklist2
	}
	var body []byte
	nodes := uint64(0)
	for ; len(l) > 0; nodes++ {
		n := min(len(l), e.D.Between(1, 5))
		switch {
		case listpacks && len(l[0]) > 0 && e.D.N(3) == 0:
			n = 1
			body = e.String(e.Length(body, 1), l[0])
		case listpacks:
			body = e.String(e.Length(body, 2), e.listpack(l[:n]))
		default:
			body = e.String(body, e.ziplist(l[:n]))
		}
		l = l[n:]
	}
	return t, append(e.Length(nil, nodes), body...), true
}

func (e *Encoder) set(s rdb.Set) (rdb.Type, []byte, bool) {
	if ints, ok := integers(s); ok && e.D.Coin() {
		return rdb.TypeSetIntset, e.String(nil, e.intset(ints)), len(s) > 0
	}
	if e.Target >= rdb.Version11 && len(s) < mostPacked && e.D.Coin() {
		return rdb.TypeSetListpack, e.String(nil, e.listpack(s)), len(s) > 0
	}
	return rdb.TypeSet, e.strings(s), len(s) > 0
}

// integers returns the members in order if all are integers of 64 bits.
func integers(s rdb.Set) (v []int64, ok bool) {
	for _, member := range s {
		n, ok := integer(member)
		if !ok {
			return nil, false
		}
		v = append(v, n)
	}
	slices.Sort(v)
	return v, true
}

// integer reads canonical decimal text.
func integer(s []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(s), 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == string(s)
}

// intset encodes with elements at least as wide as need be.
func (e *Encoder) intset(v []int64) []byte {
	width := dice.Pick(e.D, []int{2, 4, 8})
	for _, n := range v {
		if n != int64(int32(n)) {
			width = 8
		} else if n != int64(int16(n)) {
			width = max(width, 4)
		}
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(width))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	for _, n := range v {
		b = append(b, binary.LittleEndian.AppendUint64(nil, uint64(n))[:width]...)
	}
	return b
}

func (e *Encoder) sortedSet(z rdb.SortedSet) (rdb.Type, []byte, bool) {
	if len(z) == 0 {
		return 0, nil, false
	}
	if len(z) < mostPacked && e.D.Coin() {
		return e.packedScores(z)
	}
	t := rdb.TypeZset
	if e.Target >= rdb.Version8 && e.D.Coin() {
		t = rdb.TypeZset2
	}
	b := e.Length(nil, uint64(len(z)))
	for _, m := range z {
		b = e.String(b, m.Member)
		switch {
		case t == rdb.TypeZset2:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.Score))
		case math.IsInf(m.Score, 1):
			b = append(b, 254)
		case math.IsInf(m.Score, -1):
			b = append(b, 255)
		default:
			text := scoreText(m.Score)
			b = append(append(b, byte(len(text))), text...)
		}
	}
	return t, b, true
}

func (e *Encoder) packedScores(z rdb.SortedSet) (rdb.Type, []byte, bool) {
	z = slices.Clone(z)
	slices.SortFunc(z, func(a, b rdb.ScoredMember) int {
		if a.Score != b.Score {
			if a.Score < b.Score {
				return -1
			}
			return 1
		}
		return slices.Compare(a.Member, b.Member)
	})
	var items [][]byte
	for _, m := range z {
		items = append(items, m.Member, scoreText(m.Score))
	}
	if e.Target >= rdb.Version10 && e.D.Coin() {
		return rdb.TypeZsetListpack, e.String(nil, e.listpack(items)), true
	}
	return rdb.TypeZsetZiplist, e.String(nil, e.ziplist(items)), true
}

func scoreText(v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return []byte("inf")
	case math.IsInf(v, -1):
		return []byte("-inf")
	}
	return strconv.AppendFloat(nil, v, 'g', 17, 64)
}

func (e *Encoder) hash(h rdb.Hash) (rdb.Type, []byte, bool) {
	if len(h) == 0 {
		return 0, nil, false
	}
	for i := range h {
		if h[i].ExpireAt != rdb.NoExpire {
			return e.expiringHash(h)
		}
	}
	var items [][]byte
	for i := range h {
		items = append(items, h[i].Name, h[i].Value)
	}
	switch form := e.D.N(4); {
	case form == 0 && len(h) < mostPacked && e.Target >= rdb.Version10:
		return rdb.TypeHashListpack, e.String(nil, e.listpack(items)), true
	case form == 1 && len(h) < mostPacked:
		return rdb.TypeHashZiplist, e.String(nil, e.ziplist(items)), true
	case form == 2 && len(h) < 254:
		return rdb.TypeHashZipmap, e.String(nil, e.zipmap(items)), true
	}
	b := e.Length(nil, uint64(len(h)))
	for _, s := range items {
		b = e.String(b, s)
	}
	return rdb.TypeHash, b, true
}

// expiringHash encodes a hash with fields that expire. What a packed one says to be the earliest expiry is not looked at by servers.
func (e *Encoder) expiringHash(h rdb.Hash) (rdb.Type, []byte, bool) {
	if e.Target.Family() == rdb.Valkey {
		b := e.Length(nil, uint64(len(h)))
		for i := range h {
			b = e.String(e.String(b, h[i].Name), h[i].Value)
			b = binary.LittleEndian.AppendUint64(b, uint64(h[i].ExpireAt))
		}
		return rdb.TypeHash2, b, true
	}
	earliest := int64(math.MaxInt64)
	for i := range h {
		if h[i].ExpireAt != rdb.NoExpire {
			earliest = min(earliest, h[i].ExpireAt)
		}
	}
	if len(h) < mostPacked && e.D.Coin() {
		h = slices.Clone(h)
		slices.SortStableFunc(h, func(a, b rdb.HashField) int { // NoExpire last
			if x, y := uint64(a.ExpireAt), uint64(b.ExpireAt); x != y {
				if x < y {
					return -1
				}
				return 1
			}
			return 0
		})
		var items [][]byte
		for i := range h {
			items = append(items, h[i].Name, h[i].Value, strconv.AppendInt(nil, max(h[i].ExpireAt, 0), 10))
		}
		b := binary.LittleEndian.AppendUint64(nil, uint64(dice.Pick(e.D, []int64{0, earliest})))
		return rdb.TypeHashListpackTTL, e.String(b, e.listpackTuples(items, 3)), true
	}
	earliest -= int64(e.D.N(1000))
	b := binary.LittleEndian.AppendUint64(nil, uint64(earliest))
	b = e.Length(b, uint64(len(h)))
	for i := range h {
		ttl := uint64(0)
		if h[i].ExpireAt != rdb.NoExpire {
			ttl = uint64(h[i].ExpireAt-earliest) + 1
		}
		b = e.String(e.String(e.Length(b, ttl), h[i].Name), h[i].Value)
	}
	return rdb.TypeHashTTL, b, true
}
