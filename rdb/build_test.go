package rdb_test

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
)

// The functions here put files together by hand, byte by byte as the format says, for cases that no writer makes.

// file makes a file of a magic, "REDIS0012" or "VALKEY080", and records; the end and a right checksum are added.
func file(magic string, records ...string) []byte {
	b := []byte(magic)
	for _, r := range records {
		b = append(b, r...)
	}
	b = append(b, 0xFF)
	return binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
}

func redisFile(records ...string) []byte  { return file("REDIS0013", records...) }
func valkeyFile(records ...string) []byte { return file("VALKEY080", records...) }

// ln is a length in its shortest form.
func ln(n uint64) string {
	switch {
	case n < 1<<6:
		return string([]byte{byte(n)})
	case n < 1<<14:
		return string([]byte{0x40 | byte(n>>8), byte(n)})
	case n <= math.MaxUint32:
		return "\x80" + string(binary.BigEndian.AppendUint32(nil, uint32(n)))
	default:
		return "\x81" + string(binary.BigEndian.AppendUint64(nil, n))
	}
}

func str(s string) string { return ln(uint64(len(s))) + s }

func le64(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }

func f64(v float64) string { return le64(math.Float64bits(v)) }

// id is a stream id as the radix tree has it.
func id(ms, seq uint64) string {
	return string(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, ms), seq))
}

// key is a key record up to its value.
func key(typ byte, name string) string { return string([]byte{typ}) + str(name) }

// lp is a listpack of ints and strings.
func lp(entries ...any) string {
	var w listpack.Writer
	w.Reset(nil)
	for _, e := range entries {
		switch e := e.(type) {
		case int:
			w.AddInt(int64(e))
		case string:
			w.AddString([]byte(e))
		default:
			panic(fmt.Sprint("no listpack entry: ", e))
		}
	}
	b, err := w.Finish()
	if err != nil {
		panic(err)
	}
	return string(b)
}

// intset16 is an intset of 16-bit numbers, in the order given.
func intset16(vs ...int16) string {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(vs)))
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return string(b)
}

// ziplist is a ziplist of short strings.
func ziplist(entries ...string) string {
	b := make([]byte, 10)
	prev, tail := 0, 10
	for _, e := range entries {
		tail = len(b)
		b = append(b, byte(prev), byte(len(e)))
		b = append(b, e...)
		prev = 2 + len(e)
	}
	b = append(b, 0xFF)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], uint32(tail))
	binary.LittleEndian.PutUint16(b[8:], uint16(len(entries)))
	return string(b)
}

// node is a stream's node: its key and a listpack with entries of one field, all with the master's field name.
func node(ms uint64, values ...string) string {
	entries := []any{len(values), 0, 1, "f", 0}
	for i, v := range values {
		entries = append(entries, 2, i, 0, v, 4)
	}
	return str(id(ms, 0)) + str(lp(entries...))
}

// streamTail is what follows the nodes of a stream of type 21 up to its groups.
func streamTail(length, last uint64) string {
	return ln(length) + ln(last) + ln(0) + ln(1) + ln(0) + ln(0) + ln(0) + ln(length)
}

// group is a group of a stream of type 21: the ids pending, and what each consumer has of them.
func group(name string, pending []uint64, consumers ...[]uint64) string {
	s := str(name) + ln(0) + ln(0) + ln(0) + ln(uint64(len(pending)))
	for _, p := range pending {
		s += id(p, 0) + le64(1000) + ln(1)
	}
	s += ln(uint64(len(consumers)))
	for i, ids := range consumers {
		s += str(fmt.Sprint("c", i)) + le64(1000) + le64(1000) + ln(uint64(len(ids)))
		for _, p := range ids {
			s += id(p, 0)
		}
	}
	return s
}
