package repair

import (
	"bytes"
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// census is what the records of the file were so far.
type census struct {
	types, first         [256]uint32 // of keys: by type, by first byte
	keys                 uint32
	expires, idle, freqs uint32
	tested, novel        uint32 // keys looked at while learning, and those of them that were unlike those before
	binary, ints, long   uint32 // and those with control characters; keys written as integers; long keys
	parted               uint32 // and those with a colon
	willExpire           bool   // keys do that were learnt ahead, or the file says so
	idleFirst, freqFirst bool   // nearly all of the first keys have idle times, or access counters
	hinted               bool   // counts stood behind a SELECTDB
	fields               bool   // hashes whose fields expire are known
	longForms            uint32 // strings whose length is longer than need be
	texts, noises        uint32 // values of strings that are text, and those that are not
	anyText              *textModel
	modules              map[rdb.ModuleID]bool
	keyText, valueText   *textModel
	shapes               map[uint32]shapeUse
	table                [256]standing
}

func newCensus(t [256]standing) *census {
	modules := map[rdb.ModuleID]bool{vectorSetID: true} // of the servers themselves: nobody has to have seen one before
	return &census{modules: modules, shapes: map[uint32]shapeUse{}, keyText: newTextModel(0.9), valueText: newTextModel(0.55), anyText: newTextModel(0.98), table: t}
}

// How many keys are learnt from: every one up to learnAll, one in learnSome up to learnMuch, then one in learnFew.
const (
	learnAll  = 1 << 12
	learnSome = 1 << 6
	learnMuch = 1 << 19
	learnFew  = 1 << 9
)

// count takes note of a key. It reports whether its text is wanted too.
func (c *census) count(f *record, e *rdb.Entry) (learn bool) {
	if len(e.Key) > 0 {
		c.first[e.Key[0]]++
	}
	return c.countKey(f.typ, f.expires, e.Idle >= 0, e.Freq >= 0)
}

// countKey is count for all but the first byte.
func (c *census) countKey(t rdb.Type, expires, idle, freq bool) (learn bool) {
	c.keys++
	c.types[t]++
	c.expires += one(expires)
	c.idle += one(idle)
	c.freqs += one(freq)
	return c.keys%learnFew == 0 || c.keys < learnAll || c.keys%learnSome == 0 && c.keys < learnMuch
}

// one is 1 if something is so, else 0.
func one(is bool) (n uint32) {
	if is {
		n = 1
	}
	return n
}

// usual reports whether there are so many keys of a type, and such that begin with a byte, that one more is nothing to wonder about. counted is 1
// if it was counted, else 0.
func (c *census) usual(t rdb.Type, first byte, counted uint32) bool {
	const few, some, rare = 4, 16, 512 // few and some keys say nothing of what is usual
	keys := uint64(c.keys + 1 - counted)
	return keys < few || uint64(c.types[t]-counted)*rare > keys && (keys < some || uint64(c.first[first]-counted)*rare > keys)
}

// writesLong reports whether lengths are longer than need be, and not by damage: no server wrote the file.
func (c *census) writesLong() bool {
	const rare = 32 // keys for each
	return c.longForms > 1 && c.longForms*rare > c.keys
}

// share is the logarithm of how frequent something is among the keys, beside one byte in 256.
func (c *census) share(n uint32, prior float64) float64 {
	p := (float64(n) + 8*prior) / (float64(c.keys) + 8)
	return max(-12, min(8, math.Log2(p)+8))
}

// learnKey learns what keys look like, and how often one looks like none before it. It returns the evidence that it does.
func (c *census) learnKey(key []byte) (like float64) {
	c.tested++
	if like = c.keyText.likeness(c.valueText, key, true); like < 0 {
		c.novel++
	}
	for _, b := range key {
		if b < 0x20 {
			c.binary++
			break
		}
	}
	c.ints += one(intWidth(key) > 0)
	c.long += one(len(key) > longKey)
	c.parted += one(parted(key))
	c.keyText.learn(key, true)
	return like
}

// parted reports whether a key has parts, as names of most servers' keys do or none does.
func parted(key []byte) bool { return bytes.IndexByte(key, ':') >= 0 }

// partsBits is the evidence against a key that has parts where others have none, or the other way round.
func (c *census) partsBits(key []byte) float64 {
	alike := c.parted
	if !parted(key) {
		alike = c.tested - c.parted
	}
	return math.Log2(float64(alike+1) / float64(c.tested+1))
}

// rarity is the logarithm of how often something was seen.
func rarity(n, of uint32) float64 { return math.Log2((float64(n) + 0.5) / (float64(of) + 4)) }
