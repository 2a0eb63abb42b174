package repair

import (
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
	willExpire           bool   // keys do that were learnt ahead, or the file says so
	longForms            bool   // lengths are longer than need be: no server wrote the file
	anyText              *textModel
	modules              map[rdb.ModuleID]bool
	keyText, valueText   *textModel
	shapes               map[uint32]shapeUse
	table                [256]standing
}

func newCensus(t [256]standing) *census {
	return &census{modules: map[rdb.ModuleID]bool{}, shapes: map[uint32]shapeUse{}, keyText: newTextModel(0.9), valueText: newTextModel(0.55), anyText: newTextModel(0.98), table: t}
}

// sampling is how many keys are learnt from: every one up to this many, then one in as many again.
const (
	learnAll  = 4096
	learnThen = 64
)

// count takes note of a key. It reports whether its text is wanted too.
func (c *census) count(f *record, e *rdb.Entry) (learn bool) {
	c.keys++
	if len(e.Key) > 0 {
		c.first[e.Key[0]]++
	}
	if intWidth(e.Key) > 0 {
		c.ints++
	}
	c.types[f.typ]++
	if f.expires {
		c.expires++
	}
	if e.Idle >= 0 {
		c.idle++
	}
	if e.Freq >= 0 {
		c.freqs++
	}
	return c.keys < learnAll || c.keys%learnThen == 0
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
	c.keyText.learn(key, true)
	return like
}

// rarity is the logarithm of how often something was seen.
func rarity(n, of uint32) float64 { return math.Log2((float64(n) + 0.5) / (float64(of) + 4)) }
