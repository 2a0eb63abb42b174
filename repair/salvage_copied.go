package repair

import (
	"fmt"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
)

// A key that is torn can be kept all the same, where a block of the file stands twice or was written anew: another record of its name is whole. Then it is not lost. So the names of
// those lost are looked for among those kept, as keys that stand twice are.

// addLost adds the keys that are lost to those among which duplicates are looked for.
func (s *salvager) addLost() error {
	seeds := dupset.Process()
	for i := range s.out.Lost {
		k := &s.out.Lost[i]
		if k.Kept > 0 {
			continue
		}
		db := s.segs[s.segmentAt(k.Offset)].db
		if s.keys.exact == nil {
			s.keys.add(seeds.Hash(k.Key), db, k.Offset)
		} else if err := s.keys.addExact(k.Key, db, k.Offset); err != nil {
			return fmt.Errorf("looking for duplicate keys: %w", err)
		}
	}
	return nil
}

// lostPlaces says of the keys that are lost where their records begin, and of how many of each a copy is kept.
type lostPlaces map[int64]*lostPlace

type lostPlace struct{ lost, copied int }

func (s *salvager) lostPlaces() lostPlaces {
	l := lostPlaces{}
	for i := range s.out.Lost {
		if k := &s.out.Lost[i]; k.Kept == 0 {
			if l[k.Offset] == nil {
				l[k.Offset] = &lostPlace{}
			}
			l[k.Offset].lost++
		}
	}
	return l
}

// without returns what is left of the duplicates of one name without those lost, nothing if less than two are.
func (l lostPlaces) without(dups []dupset.Dup) []dupset.Dup {
	places := []int64{dups[0].First}
	for _, d := range dups {
		places = append(places, d.Second)
	}
	slices.Sort(places)
	var kept []int64
	var gone []*lostPlace
	for i, at := range places {
		n := 0 // of those before at the same place
		for n < i && places[i-1-n] == at {
			n++
		}
		if p := l[at]; p != nil && n < p.lost {
			gone = append(gone, p)
		} else {
			kept = append(kept, at)
		}
	}
	if len(gone) == 0 {
		return dups
	}
	if len(kept) > 0 {
		for _, p := range gone {
			p.copied++
		}
	}
	dups = dups[:0]
	for _, at := range kept[min(1, len(kept)):] {
		dups = append(dups, dupset.Dup{First: kept[0], Second: at})
	}
	return dups
}

// forgetCopied takes the keys of which copies are kept from those lost.
func (s *salvager) forgetCopied(l lostPlaces) {
	s.out.Lost = slices.DeleteFunc(s.out.Lost, func(k LostKey) bool {
		p := l[k.Offset]
		if k.Kept > 0 || p == nil || p.copied == 0 {
			return false
		}
		p.copied--
		if k.Doubt != "" {
			s.out.DoubtfulKeys--
		} else {
			s.out.DamagedKeys--
		}
		return true
	})
}
