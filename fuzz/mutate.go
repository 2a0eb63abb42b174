package fuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
)

// Mutation describes a damage.
type Mutation struct {
	Kind    string // stable; one of [MutationKinds], [AOFMutationKinds] or [SetMutationKinds]
	File    string // of a set, which one was damaged
	Offset  int    // in the input, where the damage begins
	Length  int    // of the bytes concerned
	Detail  string // further parameters, such as "bit 3" or "length 5 to 4294967296"
	Stamped bool   // the checksum was computed anew, so that only the content is wrong
}

// String is the mutation on one line.
func (m Mutation) String() string {
	var b strings.Builder
	b.WriteString(m.Kind)
	if m.File != "" {
		fmt.Fprintf(&b, " of %s", m.File)
	}
	fmt.Fprintf(&b, " at %d+%d", m.Offset, m.Length)
	if m.Detail != "" {
		b.WriteString(": " + m.Detail)
	}
	if m.Stamped {
		b.WriteString(", checksum anew")
	}
	return b.String()
}

// damage is a mutation while it is made.
type damage struct {
	Mutation
	d    *dice.Dice
	seed uint64
	b    []byte // the file, which may be written to
	recs []record
}

// mutator is a row of a table of mutations. apply is false where the file has no place for the damage.
type mutator struct {
	kind   string
	weight int
	what   string
	sealed bool // it is about the end of the file or the checksum, which is left as it made it
	apply  func(m *damage) bool
}

// blind are damages that know nothing of the format.
var blind = []mutator{
	{"bit-flip", 8, "one bit", false, (*damage).bitFlip},
	{"bit-flips", 3, "two to eight bits, anywhere", false, (*damage).bitFlips},
	{"byte-set", 6, "one byte, to a number that means something", false, (*damage).byteSet},
	{"burst", 4, "up to 64 random bytes in a row", false, (*damage).burst},
	{"block-zero", 3, "a block of zero bytes, as a lost sector leaves", false, (*damage).blockZero},
	{"block-remove", 3, "a block that is missing", false, (*damage).blockRemove},
	{"block-duplicate", 3, "a block that stands twice", false, (*damage).blockDuplicate},
	{"block-swap", 2, "two blocks in each other's place", false, (*damage).blockSwap},
	{"insert", 3, "foreign bytes", false, (*damage).insert},
	{"truncate", 4, "the end is missing", true, (*damage).truncate},
	{"append", 2, "bytes behind the end", true, (*damage).appendBytes},
	{"text-crlf", 1, "every LF became CR LF, by a transfer as text", false, (*damage).textCRLF},
	{"text-lf", 1, "every CR LF became LF", false, (*damage).textLF},
	{"text-utf8", 1, "every byte that is not UTF-8 became U+FFFD", false, (*damage).textUTF8},
}

// kinds returns the names of a table's rows.
func kinds(tables ...[]mutator) (names []string) {
	for _, t := range tables {
		for i := range t {
			names = append(names, t[i].kind)
		}
	}
	return names
}

// MutationKinds returns the kinds of damage that [Mutate] does.
func MutationKinds() []string { return kinds(blind, structured) }

// Mutate damages an RDB, in a way that the seed chooses: blindly, or at the records that it finds in it, and with or without a new checksum. The data
// are not changed; the result is another slice. The same seed and data give the same result.
func Mutate(seed uint64, data []byte) ([]byte, Mutation) {
	return mutate(seed, data, append(append([]mutator{}, blind...), structured...))
}

// MutateKind is Mutate with one kind of damage. ok is false if the data has no place for it, or there is no such kind.
func MutateKind(kind string, seed uint64, data []byte) (mutated []byte, m Mutation, ok bool) {
	for _, table := range [][]mutator{blind, structured} {
		for i := range table {
			if table[i].kind == kind {
				mutated, m = mutate(seed, data, table[i:i+1])
				return mutated, m, m.Kind == kind
			}
		}
	}
	return data, Mutation{}, false
}

// mutate applies one of the mutators. If none of several that it tries has a place, the result is a copy with an empty kind.
func mutate(seed uint64, data []byte, table []mutator) ([]byte, Mutation) {
	d := dice.New(seed, drawMutation)
	weights := make([]int, len(table))
	for i := range table {
		weights[i] = table[i].weight
	}
	recs := records(data)
	for range 20 {
		row := &table[d.Weighted(weights)]
		m := &damage{Mutation: Mutation{Kind: row.kind}, d: d, seed: seed, b: bytes.Clone(data), recs: recs}
		if !row.apply(m) {
			continue
		}
		if !row.sealed && d.Percent(65) {
			m.Stamped = stamp(m.b)
		}
		return m.b, m.Mutation
	}
	return bytes.Clone(data), Mutation{}
}

// stamp writes the checksum of all bytes but the last eight over these, if the file is of a version that has one.
func stamp(b []byte) bool {
	if len(b) < 18 || bytes.HasPrefix(b, []byte("REDIS000")) && b[8] < '5' {
		return false
	}
	body := b[:len(b)-8]
	binary.LittleEndian.PutUint64(b[len(body):], crc64.Checksum(body))
	return true
}

// span draws a piece of the file, of up to so many bytes.
func (m *damage) span(most int) (from, to int) {
	from = m.d.N(len(m.b))
	to = min(from+m.d.Between(1, most), len(m.b))
	m.Offset, m.Length = from, to-from
	return from, to
}

// sector draws a block, of the sizes in which disks and copies lose them where the file is large enough.
func (m *damage) sector() (from, to int) {
	size := dice.Pick(m.d, []int{8, 64, 512, 4096, m.d.Between(1, 100)})
	if size >= len(m.b) {
		size = m.d.Between(1, len(m.b))
	}
	from = m.d.N(len(m.b))
	if m.d.Coin() {
		from -= from % size
	}
	to = min(from+size, len(m.b))
	m.Offset, m.Length = from, to-from
	return from, to
}

func (m *damage) bitFlip() bool {
	if len(m.b) == 0 {
		return false
	}
	at, bit := m.d.N(len(m.b)), m.d.N(8)
	m.b[at] ^= 1 << bit
	m.Offset, m.Length, m.Detail = at, 1, fmt.Sprintf("bit %d", bit)
	return true
}

func (m *damage) bitFlips() bool {
	n := m.d.Between(2, 8)
	first, last := len(m.b), 0
	for range n {
		if !m.bitFlip() {
			return false
		}
		first, last = min(first, m.Offset), max(last, m.Offset)
	}
	m.Offset, m.Length, m.Detail = first, last-first+1, fmt.Sprintf("%d bits", n)
	return true
}

// tellingBytes are opcodes, types, heads of lengths and bounds.
var tellingBytes = []byte{0, 1, 2, 5, 7, 11, 16, 18, 20, 21, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC1, 0xC3, 0xC4, 0xE0, 0xF0, 0xF1, 0xF3, 0xF5, 0xF7, 0xFA, 0xFC, 0xFE, 0xFF}

func (m *damage) byteSet() bool {
	if len(m.b) == 0 {
		return false
	}
	at := m.d.N(len(m.b))
	was := m.b[at]
	m.b[at] = dice.Pick(m.d, tellingBytes)
	m.Offset, m.Length, m.Detail = at, 1, fmt.Sprintf("%02x to %02x", was, m.b[at])
	return was != m.b[at]
}

func (m *damage) burst() bool {
	if len(m.b) == 0 {
		return false
	}
	from, to := m.span(64)
	copy(m.b[from:to], m.d.Bytes(nil, to-from))
	return true
}

func (m *damage) blockZero() bool {
	if len(m.b) == 0 {
		return false
	}
	from, to := m.sector()
	clear(m.b[from:to])
	return true
}

func (m *damage) blockRemove() bool {
	if len(m.b) == 0 {
		return false
	}
	from, to := m.sector()
	m.b = append(m.b[:from], m.b[to:]...)
	return true
}

func (m *damage) blockDuplicate() bool {
	if len(m.b) == 0 {
		return false
	}
	from, to := m.sector()
	m.b = append(m.b[:to:to], m.b[from:]...)
	return true
}

func (m *damage) blockSwap() bool {
	if len(m.b) < 4 {
		return false
	}
	size := m.d.Between(1, min(4096, len(m.b)/2))
	i := m.d.N(len(m.b) - 2*size + 1)
	j := m.d.Between(i+size, len(m.b)-size)
	a := bytes.Clone(m.b[i : i+size])
	copy(m.b[i:], m.b[j:j+size])
	copy(m.b[j:], a)
	m.Offset, m.Length, m.Detail = i, size, fmt.Sprintf("with %d", j)
	return true
}

func (m *damage) insert() bool {
	at := m.d.N(len(m.b) + 1)
	foreign := m.d.Bytes(nil, m.d.Between(1, 32))
	if m.d.Coin() {
		foreign = []byte(dice.Pick(m.d, likeRecords))
	}
	m.Offset, m.Length = at, len(foreign)
	m.b = append(m.b[:at:at], append(foreign, m.b[at:]...)...)
	return true
}

func (m *damage) truncate() bool {
	if len(m.b) == 0 {
		return false
	}
	at := m.d.N(len(m.b))
	if m.d.N(4) == 0 { // few bytes are missing
		at = max(len(m.b)-m.d.Between(1, 20), 0)
	}
	m.Offset, m.Length = at, len(m.b)-at
	m.b = m.b[:at]
	return true
}

func (m *damage) appendBytes() bool {
	m.Offset = len(m.b)
	if m.d.Coin() {
		m.b = append(m.b, make([]byte, m.d.Between(1, 4096))...)
	} else {
		m.b = m.d.Bytes(m.b, m.d.Between(1, 64))
	}
	m.Length = len(m.b) - m.Offset
	return true
}

// replaced is for damages of the whole file, which are none if nothing changes.
func (m *damage) replaced(b []byte) bool {
	changed := !bytes.Equal(m.b, b)
	m.Length = len(m.b)
	m.b = b
	return changed
}

func (m *damage) textCRLF() bool {
	return m.replaced(bytes.ReplaceAll(m.b, []byte("\n"), []byte("\r\n")))
}

func (m *damage) textLF() bool {
	return m.replaced(bytes.ReplaceAll(m.b, []byte("\r\n"), []byte("\n")))
}

func (m *damage) textUTF8() bool {
	return m.replaced([]byte(strings.ToValidUTF8(string(m.b), "\uFFFD")))
}
