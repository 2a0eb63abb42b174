package repair

import "github.com/kvfsck/kvfsck/aof"

// # Keys of another kind
//
// Where a block is missing, nothing of the framing may be left to show that what follows it is in a value. But the keys do, where those
// of the log are of a few kinds, and those in the value are of others:
//
//	SET user:17 ..., DEL cart:8, ... | gap | SET backup:1 ..., DEL backup:2 | damage, or nothing | SET user:4 ...
//
// The kind of a key is what stands in front of its first digit or separator. Logs whose keys have nothing in common prove nothing so.

// aofKeys counts the kinds of keys in what was kept.
type aofKeys struct {
	counts    [1 << 12]uint32 // by hash of the kind
	total     uint32
	strangers uint32 // those that were rare when they came
	runs      uint32 // in which they came, one behind the other
	strange   bool   // the last one was one
}

// fewKeys is how many must be known before others are strange, half of it before those of the same kinds are not, and rareKind how many
// others there are for one of a rare kind.
const (
	fewKeys  = 64
	rareKind = 64
)

// keyKind returns the hash of the kind of c's key; ok is false if c has none.
func (s *aofScan) keyKind(c *aofCommand) (kind uint32, ok bool) {
	if c.note || c.special != aof.Ordinary || c.argc < 2 {
		return 0, false
	}
	p := c.first[1]
	h := uint32(2166136261)
	for _, b := range s.at(p.start, int(min(p.end-p.start, 32))) {
		if letter := b | 0x20; b < 0x80 && (letter < 'a' || letter > 'z') {
			break
		}
		h = (h ^ uint32(b)) * 16777619
	}
	return (h ^ h>>16) % uint32(len(aofKeys{}.counts)), true
}

// rare reports whether few keys are of the kind.
func (k *aofKeys) rare(kind uint32) bool { return k.counts[kind] <= k.total/rareKind }

// add counts the key of a command that is kept. The first of all is no stranger.
func (k *aofKeys) add(kind uint32) {
	strange := k.total > 0 && k.rare(kind)
	if strange {
		k.strangers++
	}
	if strange && !k.strange {
		k.runs++
	}
	k.strange = strange
	k.counts[kind]++
	k.total++
}

// unlikely reports whether n keys of rare kinds in a row are not to be expected. Where a log turns to other work they come in rows, so how many of them stood in a row before tells
// how likely it is that one follows another.
func (k *aofKeys) unlikely(n int) bool {
	odds := float64(k.runs+1) / float64(k.total+1)
	next := max((float64(k.strangers-k.runs)+1.0/8)/float64(k.strangers+1), float64(k.strangers+1)/float64(k.total+1))
	for range min(n, 64) - 1 {
		odds *= next
	}
	return n > 0 && odds < 0.001
}

// familiar returns where behind a gap, from p on, the commands have keys of the kinds that are known, if those in front of that have
// others and are in a value most likely; else p.
func (s *aofSalvage) familiar(p int64) int64 {
	if s.keys.total < fewKeys || s.tired() {
		return p
	}
	strangers := 0
	candidate := p // where the commands without a key begin that stand in front of the next
	for q := p; q < min(p+suspectLine, s.size); {
		note, ok := s.annotation(q)
		if ok && note.hasTime {
			break
		}
		c := note
		if !ok {
			if c, ok = s.command(q, nil, s.limit()); !ok {
				q = s.resume(q + 1)
				candidate = q
				continue
			}
			s.judge(&c)
		}
		if kind, ok := s.keyKind(&c); ok && s.keys.rare(kind) {
			strangers++
			candidate = c.end
		} else if ok {
			break
		}
		q = c.end
	}
	if candidate < min(p+suspectLine, s.size) && s.keys.unlikely(strangers) {
		return candidate
	}
	return p
}

// known reports whether the keys of the commands in [from, to) are of the kinds that are known, where keys of others are not expected.
func (s *aofSalvage) known(from, to int64) bool {
	if s.keys.total < fewKeys/2 || s.keys.strangers > s.keys.total/rareKind {
		return false
	}
	found := false
	for p := from; p < to; {
		if c, ok := s.command(p, nil, s.limit()); ok {
			s.judge(&c)
			kind, ok := s.keyKind(&c)
			if ok && s.keys.rare(kind) {
				return false
			}
			found = found || ok
		}
		next := s.recordEnd(p)
		if next == 0 {
			return found
		}
		p = next
	}
	return found
}

// aofTimes are the last times that were kept, the latest first.
type aofTimes [8]int64

func (t *aofTimes) add(seconds int64) {
	copy(t[1:], t[:])
	t[0] = seconds
}

// last returns about the last time, 0 if there is none. Some may be from a block of the file that is in another place; so the earliest
// of them counts.
func (t *aofTimes) last() int64 {
	last := t[0]
	for _, x := range t {
		if x > 0 {
			last = min(last, x)
		}
	}
	return last
}
