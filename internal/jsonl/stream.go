package jsonl

import (
	"cmp"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// streamLine is what has to be kept while a stream is written: the group at hand. Its consumers come behind its pending entries in
// the file, and tell only there whose each entry is.
type streamLine struct {
	inGroup   bool
	groups    int
	pending   []pendingEntry
	sorted    bool     // pending is in order of ids
	names     [][2]int // of each consumer, where its name stands in consumers
	consumers []byte   // their JSON
	nacked    []byte   // the JSON of the ids given back
	hasIDMP   bool
	producers int
}

type pendingEntry struct {
	id    rdb.StreamID
	ms    int64
	count uint64
	owner int // index into names, or -1
}

func (s *streamLine) reset() {
	s.inGroup, s.groups, s.hasIDMP, s.producers = false, 0, false, 0
	s.resetGroup()
}

func (s *streamLine) resetGroup() {
	s.pending, s.names, s.consumers, s.nacked = s.pending[:0], s.names[:0], s.consumers[:0], s.nacked[:0]
	s.sorted = true
}

// streamElement writes an element of a stream, or keeps it until its group ends.
func (w *Writer) streamElement(el *rdb.Element) {
	s := &w.stream
	switch el.Kind {
	case rdb.ElementStreamEntry:
		w.comma()
		w.buf = appendStreamEntry(w.buf, el)
	case rdb.ElementStreamMeta:
		w.buf = appendStreamMeta(w.buf, &el.Meta)
	case rdb.ElementGroup:
		w.endGroup()
		w.group(el)
	case rdb.ElementPending:
		if n := len(s.pending); n > 0 && !s.pending[n-1].id.Less(el.ID) {
			s.sorted = false
		}
		s.pending = append(s.pending, pendingEntry{el.ID, el.TimeMS, el.Count, -1})
	case rdb.ElementConsumer:
		s.consumer(el)
	case rdb.ElementConsumerPending:
		s.own(el.ID)
	case rdb.ElementNacked:
		s.nacked = appendID(separate(s.nacked), el.ID)
	default:
		w.idmpElement(el)
	}
}

func separate(b []byte) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return b
}

func appendStreamEntry(b []byte, el *rdb.Element) []byte {
	b = appendID(append(b, '['), el.ID)
	b = append(b, ',', '[')
	out, o := b[:cap(b)], len(b)
	out = room(out, o, slack)
	for i := 0; i+1 < len(el.Fields); i += 2 {
		if i > 0 {
			out[o] = ','
			o++
		}
		out[o] = '['
		out, o = put(out, o+1, el.Fields[i])
		out[o] = ','
		out, o = put(out, o+1, el.Fields[i+1])
		out[o] = ']'
		o++
	}
	return append(out[:o], ']', ']')
}

func appendStreamMeta(b []byte, m *rdb.StreamMeta) []byte {
	b = AppendUint(append(b, `],"length":`...), m.Length)
	b = appendID(append(b, `,"last_id":`...), m.LastID)
	b = appendID(append(b, `,"first_id":`...), m.FirstID)
	b = appendID(append(b, `,"max_deleted_id":`...), m.MaxDeleted)
	b = AppendUint(append(b, `,"entries_added":`...), m.Added)
	return append(b, `,"groups":[`...)
}

// group begins a group.
func (w *Writer) group(el *rdb.Element) {
	s := &w.stream
	if s.groups > 0 {
		w.buf = append(w.buf, ',')
	}
	s.groups++
	s.inGroup = true
	b := AppendBytes(append(w.buf, `{"name":`...), el.Data)
	b = appendID(append(b, `,"last_id":`...), el.ID)
	b = append(b, `,"entries_read":`...)
	if el.HasCount && el.Count != rdb.EntriesReadUnknown {
		b = AppendUint(b, el.Count)
	} else {
		b = append(b, "null"...)
	}
	w.buf = append(b, `,"pending":[`...)
}

func (s *streamLine) consumer(el *rdb.Element) {
	b := append(separate(s.consumers), `{"name":`...)
	start := len(b)
	b = AppendBytes(b, el.Data)
	s.names = append(s.names, [2]int{start, len(b)})
	b = AppendInt(append(b, `,"seen_ms":`...), el.TimeMS)
	b = AppendInt(append(b, `,"active_ms":`...), el.ActiveMS)
	s.consumers = append(b, '}')
}

// own notes that the last consumer owns a pending entry.
func (s *streamLine) own(id rdb.StreamID) {
	if !s.sorted {
		slices.SortStableFunc(s.pending, func(a, b pendingEntry) int { return compareID(a.id, b.id) })
		s.sorted = true
	}
	i, found := slices.BinarySearchFunc(s.pending, id, func(p pendingEntry, id rdb.StreamID) int { return compareID(p.id, id) })
	if found {
		s.pending[i].owner = len(s.names) - 1
	}
}

func compareID(a, b rdb.StreamID) int {
	return cmp.Or(cmp.Compare(a.MS, b.MS), cmp.Compare(a.Seq, b.Seq))
}

// endGroup writes what was kept of the group at hand.
func (w *Writer) endGroup() {
	s := &w.stream
	if !s.inGroup {
		return
	}
	b := w.buf
	for i := range s.pending {
		p := &s.pending[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendID(append(b, '['), p.id)
		b = append(b, ',')
		if p.owner >= 0 {
			name := s.names[p.owner]
			b = append(b, s.consumers[name[0]:name[1]]...)
		} else {
			b = append(b, "null"...)
		}
		b = AppendInt(append(b, ','), p.ms)
		b = append(AppendUint(append(b, ','), p.count), ']')
	}
	b = append(b, `],"consumers":[`...)
	b = append(b, s.consumers...)
	b = append(b, ']')
	if len(s.nacked) > 0 {
		b = append(b, `,"nacked":[`...)
		b = append(append(b, s.nacked...), ']')
	}
	w.buf = append(b, '}')
	s.inGroup = false
	s.resetGroup()
}

// endGroups closes the groups, unless idempotent ids behind them did.
func (w *Writer) endGroups() {
	if w.stream.hasIDMP {
		return
	}
	w.endGroup()
	w.buf = append(w.buf, ']')
}

// idmpElement writes what a stream remembers of idempotent producers.
func (w *Writer) idmpElement(el *rdb.Element) {
	s := &w.stream
	switch el.Kind {
	case rdb.ElementIDMP:
		w.endGroups()
		s.hasIDMP = true
		b := AppendUint(append(w.buf, `,"idmp":{"duration_s":`...), el.IDMP.DurationS)
		b = AppendUint(append(b, `,"max_entries":`...), el.IDMP.MaxEntries)
		w.buf = append(b, `,"producers":[`...)
	case rdb.ElementProducer:
		b := w.buf
		if s.producers > 0 {
			b = append(b, `]},`...)
		}
		s.producers++
		b = AppendBytes(append(b, `{"id":`...), el.Data)
		w.buf = append(b, `,"entries":[`...)
		w.first = true
	case rdb.ElementIDMPEntry:
		w.comma()
		b := AppendBytes(append(w.buf, '['), el.Data)
		w.buf = append(appendID(append(b, ','), el.ID), ']')
	case rdb.ElementIDMPCounters:
		b := w.buf
		if s.producers > 0 {
			b = append(b, `]}`...)
		}
		b = AppendUint(append(b, `],"added":`...), el.IDMP.Added)
		b = AppendUint(append(b, `,"duplicates":`...), el.IDMP.Duplicates)
		w.buf = append(b, '}')
	}
}
