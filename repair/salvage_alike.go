package repair

// In a small file there are no keys that were known before the damage, and few behind it to learn from. But keys have forms, and where several records in a
// row lead to the anchor, of which the keys have one form, none of them is read by luck. So these are learnt before they are judged.

const (
	alikeLeast = 3  // keys of one form in a row
	alikeMost  = 64 // records looked at before the anchor
	alikeKey   = 3  // bytes of a key at least
)

// learnAlike learns the keys of one form in the row that leads to the anchor. It reports whether there are any.
func (g *gap) learnAlike() bool {
	s := g.s
	if s.fieldsPossible() { // of which the same can be said
		return false
	}
	row := g.rowBefore(g.anchor)
	count := map[uint32]int{}
	for _, f := range row {
		count[shape(s.keyOf(f))]++
	}
	any := false
	for _, f := range row {
		key := s.keyOf(f)
		if count[shape(key)] < alikeLeast {
			continue
		}
		s.census.learnKey(key)
		s.census.learnShape(key, f.expires)
		any = true
	}
	return any
}

// rowBefore returns the keys of text in the row of records that ends at an offset, from behind.
func (g *gap) rowBefore(end int64) (row []*record) {
	by := map[int64]*record{} // their ends
	for _, f := range g.s.probe.known {
		if f.start <= g.w || f.damaged || f.what == isEnd || f.what == isKey && !g.named(f) {
			continue
		}
		if was := by[f.end]; was == nil || f.score > was.score || f.score == was.score && f.start < was.start {
			by[f.end] = f
		}
	}
	for range alikeMost {
		f := by[end]
		if f == nil || g.stuck[f.start] {
			break
		}
		if f.what == isKey {
			row = append(row, f)
		}
		end = f.start
	}
	return row
}

// named reports whether a record has a key of text.
func (g *gap) named(f *record) bool {
	if f.nameless {
		return false
	}
	key := g.s.keyOf(f)
	return len(key) >= alikeKey && isText(key)
}

// namedAsBefore reports whether a string behind a gap that begins at an offset is rather a field of a hash, or a member of a set, behind an empty string: strings stand before it in a row, the
// last of them has a name of the same form, and no key has one.
//
//	... 03 "abc" 04 "f158" | 00 | 04 "f143" 03 "xyz" | record        field, empty value, field, value
func (g *gap) namedAsBefore(f *record, from int64) bool {
	const looked, least = 512, 3 // bytes; strings in a row
	if !f.likeField() {
		return false
	}
	s := g.s
	key := shape(s.keyOf(f))
	if s.census.shapes[key].keys > 0 {
		return false
	}
	from = max(from, f.start-looked)
	b := s.probe.view.at(from, int(f.start-from))
	if int64(len(b)) < f.start-from {
		return false
	}
	b = b[:f.start-from]
	row := longestRun(b, len(b), -1)
	if len(row) < least {
		return false
	}
	last := b[row[len(row)-1]:]
	_, n, enc, _ := lengthForm(last)
	return !enc && shape(last[n:]) == key
}
