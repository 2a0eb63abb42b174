package repair

import (
	"bytes"
	"io"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb"
)

// partial is a key of whose value the beginning is kept.
type partial struct {
	span
	segment  int
	expires  bool
	elements int64
	torn     bool
}

const (
	partialMost = 64 << 20 // bytes of a value that are kept
	tornDrop    = 2        // elements before the end of a torn value that are not believed: a length may have grown there
)

// keepPart keeps the beginning of a value, if that is wanted and there is one. It returns how many elements these are.
func (s *salvager) keepPart(start, end int64, torn bool) int64 {
	if s.opt.Partial != PartialKeep || !rdb.Target(s.out.Version).Valid() {
		return 0
	}
	if k := len(s.out.partials); k > 0 && s.out.partials[k-1].start == start { // a gap that is told of in two parts
		return s.out.partials[k-1].elements
	}
	p := partial{span: span{start, end}, segment: len(s.segs) - 1, torn: torn}
	e, v, n := s.out.beginning(&p)
	if v == nil || n == 0 {
		return 0
	}
	if _, err := s.out.encodePart(e, v); err != nil {
		return 0
	}
	s.needs(max(typeVersions[e.Type].first, int(modifiersVersion(e))), start)
	p.elements, p.expires = n, e.ExpireAt != rdb.NoExpire
	s.keys.add(dupset.Process().Hash(e.Key), s.seg().db, start)
	s.out.partials = append(s.out.partials, p)
	s.out.PartialKeys++
	g := s.seg()
	g.keys++
	if p.expires {
		g.expires++
	}
	return n
}

// forgetParts gives up what is kept in part from a segment on.
func (s *salvager) forgetParts(segment int) {
	p := s.out.partials
	for len(p) > 0 && p[len(p)-1].segment >= segment {
		p = p[:len(p)-1]
	}
	s.out.PartialKeys -= int64(len(s.out.partials) - len(p))
	s.out.partials = p
}

// beginning reads the elements before the damage. The value is nil if there are none or it is not of a kind that has elements.
func (o *Salvaged) beginning(p *partial) (e *rdb.Entry, v rdb.Value, n int64) {
	r := rdb.NewReader(nil)
	defer r.Close()
	r.Resume(io.NewSectionReader(o.source(), p.start, p.end-p.start), rdb.Position{Offset: p.start, Family: o.Family, Version: o.Version})
	if !r.Next() {
		return nil, nil, 0
	}
	e, ok := r.Record().(*rdb.Entry)
	if !ok {
		return nil, nil, 0
	}
	c := partCollector{kind: e.Kind()}
	for el, err := range e.Elements() {
		if err != nil {
			c.dropEmpty()
			break
		}
		if c.size > partialMost || p.torn && c.odd(el.Data) {
			break
		}
		c.add(el)
	}
	if p.torn {
		c.drop(tornDrop)
	}
	head := *e
	head.Key = slices.Clone(e.Key)
	v, n = c.value()
	return &head, v, n
}

// partCollector puts elements together to a value that may be incomplete.
type partCollector struct {
	kind   rdb.Kind
	size   int
	items  [][]byte
	scored rdb.SortedSet
	fields rdb.Hash
	stream []rdb.StreamEntry
	seen   int // elements
	binary int // of them, with control characters
}

// odd reports whether an element has control characters as hardly any before it has: behind a length that is wrong the next ones are read from their
// middle, with the lengths of others in them.
func (c *partCollector) odd(p []byte) bool {
	const few, share = 8, 16
	control := slices.ContainsFunc(p, func(b byte) bool { return b < 0x20 })
	if control && c.seen >= few && c.binary*share < c.seen {
		return true
	}
	if c.seen++; control {
		c.binary++
	}
	return false
}

func (c *partCollector) keep(p []byte) []byte {
	c.size += len(p) + 24
	return slices.Clone(p)
}

func (c *partCollector) add(el *rdb.Element) {
	switch el.Kind {
	case rdb.ElementItem, rdb.ElementMember:
		c.items = append(c.items, c.keep(el.Data))
	case rdb.ElementScored:
		c.scored = append(c.scored, rdb.ScoredMember{Member: c.keep(el.Data), Score: el.Score})
	case rdb.ElementField:
		c.fields = append(c.fields, rdb.HashField{Name: c.keep(el.Data), Value: c.keep(el.Value), ExpireAt: el.ExpireAt})
	case rdb.ElementStreamEntry:
		e := rdb.StreamEntry{ID: el.ID}
		for _, f := range el.Fields {
			e.Fields = append(e.Fields, c.keep(f))
		}
		if n := len(c.stream); n == 0 || c.stream[n-1].ID.Less(e.ID) {
			c.stream = append(c.stream, e)
		}
	}
}

// drop forgets the last elements.
func (c *partCollector) drop(n int) {
	c.items = c.items[:max(0, len(c.items)-n)]
	c.scored = c.scored[:max(0, len(c.scored)-n)]
	c.fields = c.fields[:max(0, len(c.fields)-n)]
	c.stream = c.stream[:max(0, len(c.stream)-n)]
}

// dropEmpty forgets the last elements if they have no bytes: so zeros read, which are damage more often than not.
func (c *partCollector) dropEmpty() {
	empty := func(p []byte) bool { return len(p) == 0 }
	c.items = withoutLast(c.items, empty)
	c.scored = withoutLast(c.scored, func(m rdb.ScoredMember) bool { return empty(m.Member) })
	c.fields = withoutLast(c.fields, func(f rdb.HashField) bool { return empty(f.Name) })
}

// withoutLast is what is before the last elements that are such.
func withoutLast[E any](all []E, such func(E) bool) []E {
	for len(all) > 0 && such(all[len(all)-1]) {
		all = all[:len(all)-1]
	}
	return all
}

func (c *partCollector) value() (rdb.Value, int64) {
	switch c.kind {
	case rdb.KindList:
		return rdb.List(c.items), int64(len(c.items))
	case rdb.KindSet:
		return rdb.Set(c.items), int64(len(c.items))
	case rdb.KindSortedSet:
		return c.scored, int64(len(c.scored))
	case rdb.KindHash:
		return c.fields, int64(len(c.fields))
	case rdb.KindStream:
		s := &rdb.Stream{Entries: c.stream}
		if n := len(c.stream); n > 0 {
			s.Length, s.Added = uint64(n), uint64(n)
			s.FirstID, s.LastID = c.stream[0].ID, c.stream[n-1].ID
		}
		return s, int64(len(c.stream))
	}
	return nil, 0
}

// encodePart returns the record of a key with a value that is not the one of the file.
func (o *Salvaged) encodePart(e *rdb.Entry, v rdb.Value) ([]byte, error) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Target(o.Version), rdb.WriterOptions{})
	if err := w.SelectDB(e.DB); err != nil {
		return nil, err
	}
	if err := w.WriteEntry(e, v); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	before := headerSize + len(appendLength([]byte{opSelectDB}, e.DB))
	const behind = 9 // the end mark and the checksum
	return b.Bytes()[before : b.Len()-behind], nil
}
