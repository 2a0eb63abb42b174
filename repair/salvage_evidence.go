package repair

import (
	"encoding/binary"
	"math/bits"

	"github.com/kvfsck/kvfsck/rdb"
)

// Evidence is counted in bits: by how much likelier what is seen is if a record begins here than if these bytes are something else,
// such as the rest of a damaged value, as a logarithm to base 2. What is independent adds up. Bytes that nobody meant to be a record
// look like one that is worth n bits at about one place in 2^n.
//
// The weights below are estimates on the careful side: what a writer never does weighs heavily against, and what chance does often
// weighs nothing.
const (
	// for
	packedBits   = 40 // a packed encoding whose size, count, tail and end agree
	lzfBits      = 14 // a compressed string of exactly its stated size
	timeBits     = 12 // an expiry of the years 2000 to 2500, beside its opcode
	moduleBits   = 30 // the id of a module that other keys have
	endBits      = 40 // the end mark where the file ends
	auxKnownBits = 32 // a field with a name that servers write
	libraryBits  = 40 // a function library that says its name
	importBits   = 24 // a slot import's 40 bytes
	modAuxBits   = 20 // module data with its two fixed numbers
	selectBits   = 8  // a small database number
	selectResize = 10 // and RESIZEDB behind it
	resizeBits   = 6  // counts that the rest of the file can hold
	slotBits     = 10 // a slot with keys
	elementBits  = 1  // an element of a plain collection, no two alike
	elementsMost = 24
	textMost     = 28 // a key that looks like those known, or the other way round does not

	// against
	neverWritten = -24 // a form that servers read and none writes: a length longer than need be, an integer as text
	faultBits    = -16 // a value that breaks a rule
	emptyKeyBits = -14 // the empty key is allowed, and zero bytes are common
	emptyBits    = -3  // an empty string as value
	oddTimeBits  = -16 // an expiry of another time
	oddBits      = -16 // counts beyond reason
	strangeBits  = -8  // a field with a name that nobody knows, a database without counts where others have some
	endInside    = -16 // an end mark where the file goes on
)

// legacyRare is the share of keys, as a divisor, below which a type that servers do not write any more is rather misread.
const legacyRare = 64

func (c *census) typeBits(t rdb.Type) float64 {
	prior := 1.0 / 12
	switch c.table[t] {
	case legacy: // other programs may write it, but then hardly once
		if c.types[t] == 0 || c.types[t]*legacyRare < c.keys {
			return neverWritten
		}
	case unknown:
		return neverWritten
	}
	return c.share(c.types[t], prior)
}

// weighKey sums up the evidence for a key that was read at the start of b; bits is that of what stands before its value.
func (c *census) weighKey(f *record, e *rdb.Entry, b []byte, bits float64) float64 {
	if f.damaged {
		return bits + faultBits
	}
	at := int(e.ValueOffset - f.start)
	if at < 0 || at >= len(b) {
		return bits
	}
	return bits + c.valueBits(f, e, b[at:])
}

// headBits is the evidence of what stands before a value.
func (c *census) headBits(f *record, e *rdb.Entry, b []byte) (bits float64) {
	bits = c.typeBits(e.Type)
	if nodeBegins(b) || nodeAlone(b) || moduleParts(b) >= partsSure {
		bits += neverWritten
	}
	if f.expires {
		bits += c.share(c.expires, 0.25)
		if y2000, y2500 := int64(946684800000), int64(16725225600000); e.ExpireAt > y2000 && e.ExpireAt < y2500 {
			bits += timeBits
		} else if oddTime(e.ExpireAt) {
			bits += oddTimeBits
		}
	}
	if e.Idle >= 0 {
		bits += c.share(c.idle, 1.0/16)
	}
	if e.Freq >= 0 {
		bits += c.share(c.freqs, 1.0/16)
	}
	if b[0] == opExpireTime && c.table[opExpireTime] != current {
		bits += neverWritten
	}
	at := afterModifiers(b)
	if at < 0 || at+1 >= len(b) || b[at] != byte(e.Type) {
		return bits + neverWritten/2
	}
	return bits + c.keyBits(e.Key, b[at+1:])
}

// afterModifiers returns where the type stands behind what can precede it, -1 if there is none within b. Metadata is not looked through.
func afterModifiers(b []byte) int {
	for at := 0; at < len(b) && at < 64; {
		switch b[at] {
		case opExpireTimeMS:
			at += 9
		case opExpireTime:
			at += 5
		case opFreq:
			at += 2
		case opIdle:
			_, n, _, _ := lengthForm(b[at+1:])
			if n == 0 {
				return -1
			}
			at += 1 + n
		default:
			return at
		}
	}
	return -1
}

// keyBits is the evidence of a key, given as a string at the start of b.
func (c *census) keyBits(key, b []byte) (bits float64) {
	if len(key) == 0 {
		return emptyKeyBits
	}
	bits = stringForm(key, b)
	switch {
	case b[0] >= 0xC0 && b[0] <= 0xC2: // any bytes are digits as an integer
		return bits - 4 + rarity(c.ints, c.tested) + min(0, c.textBits(key))
	case packedBlob(key):
		return bits + neverWritten // a node of a list or a stream
	case len(key) > longKey:
		bits += c.longBits(key)
	}
	return bits + c.textBits(key)
}

// keyMost is what keyBits is at most for a long key, found out in less time.
func (c *census) keyMost(key, b []byte) float64 {
	most := stringForm(key, b) + c.longBits(key)
	if hasControl(key) {
		return most + min(textMost, c.anythingBits(c.partsBits(key))+controlBits)
	}
	return most + textMost
}

// longKey is the length from which keys are rare. Among those with control characters each twice as long is rarer by longerBits.
const (
	longKey    = 128
	longerBits = -2
)

// longBits is the evidence against a key longer than longKey.
func (c *census) longBits(key []byte) float64 {
	against := rarity(c.long, c.tested) - 4
	if hasControl(key) {
		against += longerBits * float64(bits.Len(uint(len(key)/longKey))-1)
	}
	return against
}

// nodeBegins reports whether b begins with a string that is a listpack or a ziplist, as a node of a list is: its length reads as a type, and the first byte
// of the size with which it begins, the same once more, as the length of a key.
func nodeBegins(b []byte) bool {
	n, k, enc, _ := lengthForm(b)
	return k > 0 && !enc && n >= 7 && n <= uint64(len(b)-k) && packedBlob(b[k:k+int(n)])
}

// nodeAlone reports whether b begins with the value of a list of one packed node, before which stands a zero: it reads as the type of a string, the number of nodes as the length of a key, and
// what the node is as the key.
func nodeAlone(b []byte) bool {
	return len(b) > 3 && b[0] == byte(rdb.TypeString) && b[1] == 1 && b[2] == nodePacked && packedString(b[3:])
}

// packedBlob reports whether a string is a listpack or a ziplist: these begin with their size and end with 0xFF.
func packedBlob(b []byte) bool {
	return len(b) >= 7 && b[len(b)-1] == 0xFF && uint64(binary.LittleEndian.Uint32(b)) == uint64(len(b))
}

// packedString reports whether a string, with its length, may be a listpack or a ziplist. One that is compressed begins with bytes as they are, nearly always.
func packedString(b []byte) bool {
	v, n, enc, _ := lengthForm(b)
	if !enc {
		return packedBlob(b[n:])
	}
	if v != 3 {
		return false
	}
	_, k, _, _ := lengthForm(b[1:])
	size, m, _, _ := lengthForm(b[1+k:])
	if b = b[1+k+m:]; len(b) >= 5 && b[0] >= 3 && b[0] < 32 {
		return uint64(binary.LittleEndian.Uint32(b[1:])) == size
	}
	return true
}

// textBits is the evidence in the bytes of a key: that of its being like the keys known; or else, as often as there were others, like printable
// text, or like anything.
func (c *census) textBits(key []byte) float64 {
	like, printed := c.keyText.likenesses(c.anyText, c.valueText, key)
	parts := c.partsBits(key)
	printed += rarity(c.novel, c.tested) + parts
	anything := c.anythingBits(parts)
	bits := max(-textMost, min(textMost, max(like, printed, anything)))
	if hasControl(key) {
		bits = min(bits, anything+controlBits)
	}
	return bits
}

// anythingBits is the evidence in a key that is like no text.
func (c *census) anythingBits(parts float64) float64 { return rarity(c.binary, c.tested) - 2 + parts }

// controlBits is what a key with control characters is worth at most, beside how rare these are.
const controlBits = 6

// hasControl reports whether there is a control character at the beginning of a key.
func hasControl(key []byte) bool {
	const most, ones = 64, 0x0101010101010101
	key = key[:min(len(key), most)]
	for ; len(key) >= 8; key = key[8:] {
		if v := binary.LittleEndian.Uint64(key); (v-0x20*ones)&^v&(0x80*ones) != 0 {
			return true
		}
	}
	for _, b := range key {
		if b < 0x20 {
			return true
		}
	}
	return false
}

// stringForm is the evidence in how a string is written, whatever it says. Servers write integers of up to 32 bits as such, lengths in
// their shortest form, and compress only where that saves four bytes.
func stringForm(s, b []byte) float64 {
	v, _, enc, shortest := lengthForm(b)
	switch {
	case enc && v == 3:
		if len(s) <= 20 {
			return neverWritten
		}
		return 0
	case enc:
		if width := intWidth(s); width != 1<<v {
			return neverWritten
		}
		return 4
	case !shortest || len(s) <= 11 && intWidth(s) > 0:
		return neverWritten
	}
	return 0
}

// intWidth returns in how many bytes a server writes s as an integer, 0 if it writes it as text.
func intWidth(s []byte) int {
	if len(s) == 0 || len(s) > 11 {
		return 0
	}
	digits, negative := s, s[0] == '-'
	if negative {
		digits = s[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(s) > 1 {
		return 0
	}
	var v int64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0
		}
		v = v*10 + int64(d-'0')
	}
	if negative {
		v = -v
	}
	switch {
	case v == int64(int8(v)):
		return 1
	case v == int64(int16(v)):
		return 2
	case v == int64(int32(v)):
		return 4
	}
	return 0
}

// valueBits is the evidence of a value without faults, which begins b.
func (c *census) valueBits(f *record, e *rdb.Entry, b []byte) float64 {
	v, n, enc, shortest := lengthForm(b)
	switch {
	case f.typ == rdb.TypeListQuicklist2 && (len(b) <= n || b[n] != nodePacked):
		return elementBits // a plain item
	case packedTypes[f.typ]:
		f.verified = f.typ != rdb.TypeListQuicklist2 || lastTells(b)
		return packedBits
	case e.Kind() == rdb.KindStream:
		var told float64
		if told, f.told = streamTells(f.typ, b, f.end-e.ValueOffset); n > 0 && v > 0 {
			return packedBits // what follows the nodes hardly tells its end
		}
		return emptyBits + told
	case e.Kind() == rdb.KindModule:
		if c.modules[rdb.ModuleID(v)] {
			return moduleBits
		}
		if v < leastModule {
			return neverWritten
		}
		return 0
	case f.typ == rdb.TypeHashTTL && len(b) > 8:
		v, n, enc, shortest = lengthForm(b[8:])
	}
	switch {
	case n == 0 || !shortest || enc && f.typ != rdb.TypeString:
		return neverWritten
	case f.typ == rdb.TypeHashTTL && plausibleTime(b): // when the first of its fields expires
		return min(elementBits*float64(v)+timeBits, elementsMost)
	case f.typ == rdb.TypeZset2, f.typ == rdb.TypeHash2:
		var told float64
		told, f.told = elementsTell(f.typ, b, f.end-e.ValueOffset)
		return min(max(elementBits*float64(v), told), elementsMost)
	case f.typ != rdb.TypeString:
		return min(elementBits*float64(v), elementsMost)
	case enc && v == 3:
		if !worthPacking(b) {
			return neverWritten
		}
		f.verified = true
		return lzfBits
	case enc:
		if int64(len(b)) < 1+1<<v || !fitsOnly(b[1:1+1<<v]) {
			return neverWritten
		}
		return 4
	case v == 0:
		return emptyBits
	case v <= 11 && uint64(len(b)-n) >= v && intWidth(b[n:n+int(v)]) > 0:
		return neverWritten
	case uint64(len(b)-n) >= v && packedBlob(b[n:n+int(v)]):
		return neverWritten // the value of another type
	}
	return 0
}

// worthPacking reports whether b begins with a compressed string that servers would write: of more than 20 bytes, four of which it saves.
func worthPacking(b []byte) bool {
	packed, n, _, _ := lengthForm(b[min(1, len(b)):])
	size, m, _, _ := lengthForm(b[min(1+n, len(b)):])
	return n > 0 && m > 0 && size > 20 && packed+4 <= size
}

// leastModule is less than the id of any module type with a name that someone gave it.
const leastModule = 1 << 40

// fitsOnly reports whether a little endian integer needs all of its bytes.
func fitsOnly(p []byte) bool {
	switch len(p) {
	case 2:
		v := int16(uint16(p[0]) | uint16(p[1])<<8)
		return v != int16(int8(v))
	case 4:
		v := int32(uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 | uint32(p[3])<<24)
		return v != int32(int16(v))
	}
	return true
}

// knownFields are the names of auxiliary fields that servers write.
var knownFields = map[string]bool{
	"redis-ver": true, "valkey-ver": true, "redis-bits": true, "ctime": true, "used-mem": true, "repl-stream-db": true, "repl-id": true,
	"repl-offset": true, "aof-preamble": true, "aof-base": true, "lua": true, "slot-info": true, "cluster-asm-task": true,
}

// weighOther is the evidence for a record that is no key. size is that of the file.
func (c *census) weighOther(f *record, x *recordReader, b []byte, size int64) float64 {
	if f.damaged {
		return oddBits
	}
	rest := uint64(size - f.end)
	switch f.what {
	case isSelect:
		_, n, _, shortest := lengthForm(b[min(1, len(b)):])
		switch {
		case !shortest || f.numbers[0] > maxPlausibleDB:
			return oddBits
		case len(b) > 1+n && b[1+n] == opResizeDB:
			return selectBits + selectResize
		case c.hinted && len(b) > 1+n:
			return strangeBits
		}
		return selectBits
	case isResize:
		if f.numbers[0] == 0 || f.numbers[0] > 16*uint64(size)+1000 || f.numbers[1] > f.numbers[0] || !plainLengths(b[min(1, len(b)):], 2) { // the file may be cut short
			return oddBits
		}
		return resizeBits
	case isAux:
		if f.swallows {
			return oddBits
		}
		if knownFields[string(x.other.(*rdb.Aux).Name)] {
			return auxKnownBits
		}
		return strangeBits
	case isSlot, isSlotField:
		if f.numbers[0] >= 16384 || f.numbers[1] == 0 || f.numbers[2] > f.numbers[1] || f.numbers[1] > rest || f.what == isSlot && !plainLengths(b[min(1, len(b)):], 3) {
			return oddBits
		}
		if f.what == isSlotField {
			return auxKnownBits
		}
		if !x.slots && c.keys >= oddLeast { // in a cluster's file one stands before the first key
			return strangeBits
		}
		return slotBits
	case isFunction:
		return libraryBits
	case isImport:
		return importBits
	case isModuleAux:
		if f.numbers[0] != 2 || f.numbers[1] < 1 || f.numbers[1] > 2 {
			return oddBits
		}
		return modAuxBits
	}
	if f.end == size {
		return endBits
	}
	return endInside
}

// maxPlausibleDB is a database number that nobody configures.
const maxPlausibleDB = 1 << 16
