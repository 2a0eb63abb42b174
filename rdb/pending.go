package rdb

import (
	"slices"
	"sort"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// pendingList is the entries pending in a group and who owns each. Servers write them in the order of their ids, so a sorted slice
// holds them: 24 bytes an entry, about what one takes in the file. Input in another order moves it to a map.
type pendingList struct {
	ids       []StreamID
	owners    []uint64 // 0: nobody yet
	byID      map[StreamID]int
	consumers map[dupset.Sum]struct{}
}

// ownerNone is the owner of entries that were given back.
const ownerNone = 1<<64 - 1

func (p *pendingList) reset() {
	const most = 1 << 16 // entries that are worth keeping the memory of
	if cap(p.ids) > most {
		p.ids, p.owners = nil, nil
	}
	p.ids, p.owners, p.byID = p.ids[:0], p.owners[:0], nil
	if len(p.consumers) > most {
		p.consumers = nil
	}
	clear(p.consumers)
}

// add notes an entry and reports whether it is new.
func (p *pendingList) add(id StreamID) bool {
	if n := len(p.ids); p.byID == nil && n > 0 && !p.ids[n-1].Less(id) {
		p.byID = make(map[StreamID]int, n)
		for i, known := range p.ids {
			p.byID[known] = i
		}
	}
	if p.byID != nil {
		if _, known := p.byID[id]; known {
			return false
		}
		p.byID[id] = len(p.ids)
	}
	p.ids = append(p.ids, id)
	p.owners = append(p.owners, 0)
	return true
}

func (p *pendingList) find(id StreamID) (i int, ok bool) {
	if p.byID != nil {
		i, ok = p.byID[id]
		return i, ok
	}
	i = sort.Search(len(p.ids), func(i int) bool { return !p.ids[i].Less(id) })
	return i, i < len(p.ids) && p.ids[i] == id
}

// own makes owner, counted from 1, the owner of an entry and returns who was before; known is false if there is no such entry.
func (p *pendingList) own(id StreamID, owner uint64) (before uint64, known bool) {
	i, ok := p.find(id)
	if !ok {
		return 0, false
	}
	before, p.owners[i] = p.owners[i], owner
	return before, true
}

// unowned returns an entry that nobody owns.
func (p *pendingList) unowned() (id StreamID, ok bool) {
	i := slices.Index(p.owners, 0)
	if i < 0 {
		return id, false
	}
	return p.ids[i], true
}

// addName notes the name of a consumer and reports whether it is new in its group.
func (p *pendingList) addName(sum dupset.Sum) bool {
	if p.consumers == nil {
		p.consumers = make(map[dupset.Sum]struct{})
	}
	_, known := p.consumers[sum]
	p.consumers[sum] = struct{}{}
	return !known
}
