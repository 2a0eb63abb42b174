package repair

import (
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// Wire constants that the search for records needs before there is a record to read; package rdb explains them.
const (
	opEOF          = 0xFF
	opSelectDB     = 0xFE
	opExpireTime   = 0xFD
	opExpireTimeMS = 0xFC
	opResizeDB     = 0xFB
	opAux          = 0xFA
	opFreq         = 0xF9
	opIdle         = 0xF8
	opModuleAux    = 0xF7
	opFunctionOld  = 0xF6
	opFunction     = 0xF5
	opSlotInfo     = 0xF4
	opMeta         = 0xF3 // SLOT_IMPORT with the VALKEY magic

	headerSize = 9
	footerSize = 8

	firstChecked = 5 // version from which a file ends with a checksum
	firstHinted  = 7 // version from which RESIZEDB and AUX are written
)

// versions is the first and the last version of the format whose servers write something; last 0 is none, so it is still written.
type versions struct{ first, last int }

// typeVersions says by type when its values were written by servers with the REDIS magic. What is not written is not impossible, but
// in the middle of damage it is most likely no record.
var typeVersions = map[rdb.Type]versions{
	rdb.TypeString:          {1, 0},
	rdb.TypeList:            {1, 6},
	rdb.TypeSet:             {1, 0},
	rdb.TypeZset:            {1, 7},
	rdb.TypeHash:            {1, 0},
	rdb.TypeZset2:           {8, 0},
	rdb.TypeModule2:         {8, 0},
	rdb.TypeHashZipmap:      {2, 3},
	rdb.TypeListZiplist:     {2, 6},
	rdb.TypeSetIntset:       {2, 0},
	rdb.TypeZsetZiplist:     {2, 9},
	rdb.TypeHashZiplist:     {4, 9},
	rdb.TypeListQuicklist:   {7, 9},
	rdb.TypeStream:          {9, 9},
	rdb.TypeHashListpack:    {10, 0},
	rdb.TypeZsetListpack:    {10, 0},
	rdb.TypeListQuicklist2:  {10, 0},
	rdb.TypeStream2:         {10, 10},
	rdb.TypeSetListpack:     {11, 0},
	rdb.TypeStream3:         {11, 12},
	rdb.TypeHashTTL:         {12, 0},
	rdb.TypeHashListpackTTL: {12, 0},
	rdb.TypeStream4:         {13, 13},
	rdb.TypeStream5:         {14, 0},
}

// opcodeVersions is the same for opcodes.
var opcodeVersions = map[byte]versions{
	opEOF:          {1, 0},
	opSelectDB:     {1, 0},
	opExpireTime:   {1, 2},
	opExpireTimeMS: {3, 0},
	opResizeDB:     {7, 0},
	opAux:          {7, 0},
	opFreq:         {9, 0},
	opIdle:         {9, 0},
	opModuleAux:    {9, 0},
	opFunctionOld:  {10, 10},
	opFunction:     {10, 0},
	opSlotInfo:     {12, 0},
	opMeta:         {13, 0},
}

// standing is what a byte in the place of a type or opcode is in files of a version.
type standing uint8

const (
	unknown standing = iota // no server of that version loads it
	legacy                  // loaded, and not written any more
	current                 // written
)

// standings makes the table of all bytes for a version.
func standings(f rdb.Family, version int) (t [256]standing) {
	for typ, v := range typeVersions {
		switch {
		case f == rdb.Valkey && typ > rdb.TypeStream3:
		case f == rdb.Valkey:
			t[typ] = v.standing(11)
		default:
			t[typ] = v.standing(version)
		}
	}
	for op, v := range opcodeVersions {
		t[op] = v.standing(version)
	}
	if f == rdb.Valkey {
		t[rdb.TypeHash2], t[opSlotInfo], t[opMeta] = current, legacy, current
	}
	t[opFunctionOld] = unknown // no released server loads it
	return t
}

func (v versions) standing(version int) standing {
	switch {
	case version < v.first:
		return unknown
	case v.last > 0 && version > v.last:
		return legacy
	default:
		return current
	}
}

// writers maps the server's own version, as the field redis-ver or valkey-ver says it, to that of its files.
var writers = []struct {
	valkey       bool
	major, minor int // at least
	version      int
}{
	{true, 9, 0, 80}, {true, 7, 2, 11},
	{false, 8, 8, 14}, {false, 8, 6, 13}, {false, 7, 4, 12}, {false, 7, 2, 11}, {false, 7, 0, 10}, {false, 5, 0, 9}, {false, 4, 0, 8}, {false, 3, 2, 7},
}

// appendLength appends a length in its shortest form.
func appendLength(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return append(b, 0x40|byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return append(b, 0x80, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	default:
		return append(b, 0x81, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
}

// lengthForm reads the head of a length at b[0]: its value, how many bytes it takes, and whether that is the shortest form. enc tells of the
// head of an encoded string, whose form v is. n is 0 where b begins no length or ends inside it.
func lengthForm(b []byte) (v uint64, n int, enc, shortest bool) {
	if len(b) == 0 {
		return 0, 0, false, false
	}
	switch c := b[0]; {
	case c < 0x40:
		return uint64(c), 1, false, true
	case c < 0x80:
		n = 2
	case c == 0x80:
		n = 5
	case c == 0x81:
		n = 9
	case c >= 0xC0 && c <= 0xC3:
		return uint64(c & 3), 1, true, true
	default:
		return 0, 0, false, false
	}
	if len(b) < n {
		return 0, 0, false, false
	}
	if n == 2 {
		v = uint64(b[0]&0x3F)<<8 | uint64(b[1])
		return v, n, false, v >= 1<<6
	}
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	if n == 5 {
		return v, n, false, v >= 1<<14
	}
	return v, n, false, v > math.MaxUint32
}

// keySlot is the cluster slot of a key: CRC-16 (XMODEM) of the key, or of what stands between its first { and the next }, modulo 16384.
func keySlot(key []byte) uint64 {
	for i, c := range key {
		if c != '{' {
			continue
		}
		for j := i + 1; j < len(key); j++ {
			if key[j] == '}' {
				if j > i+1 {
					key = key[i+1 : j]
				}
				break
			}
		}
		break
	}
	var crc uint16
	for _, c := range key {
		crc = crc<<8 ^ crc16[byte(crc>>8)^c]
	}
	return uint64(crc) & 16383
}

// crc16 is the CRC-16 of each byte.
var crc16 = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// plainLengths reports whether b begins with so many lengths in the form in which servers write them. A run of one byte, such as that of
// RESIZEDB, reads as lengths of another.
func plainLengths(b []byte, n int) bool {
	for ; n > 0; n-- {
		_, size, enc, shortest := lengthForm(b)
		if size == 0 || enc || !shortest {
			return false
		}
		b = b[size:]
	}
	return true
}
