package rdb

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/rdb/internal/listpack"
	"github.com/kvfsck/kvfsck/rdb/internal/stream"
)

// Types of streams by version: 9 writes 15, 10 writes 19, 11, 12 and 80 write 21, 13 writes 26. What each stores is in [streamWalk].

func (e *encoder) chooseStream(s *Stream) (Type, error) {
	if !e.target.Holds(FeatureStream) {
		return 0, e.omitKey(FeatureStream)
	}
	for i := range s.Entries {
		if err := e.checkEntry(&s.Entries[i]); err != nil {
			return 0, err
		}
	}
	if len(s.Producers) > 0 && !e.target.Holds(FeatureIDMP) {
		if err := e.without(FeatureIDMP, "producer "+strconv.Quote(string(shorten(s.Producers[0].ID)))); err != nil {
			return 0, err
		}
	}
	for i := range s.Groups {
		if g := &s.Groups[i]; len(g.Nacked) > 0 {
			detail := "group " + strconv.Quote(string(shorten(g.Name))) + ", entry " + g.Nacked[0].String()
			if err := e.without(FeatureNacked, detail); err != nil {
				return 0, err
			}
		}
	}
	e.countStreamAdvice(s)
	return e.streamType(), nil
}

func (e *encoder) streamType() Type {
	switch {
	case e.target == Version9:
		return TypeStream
	case e.target == Version10:
		return TypeStream2
	case e.target == Version13:
		return TypeStream4
	}
	return TypeStream3
}

func (e *encoder) checkEntry(entry *StreamEntry) error {
	if len(entry.Fields)%2 != 0 {
		return e.unsupported(FeatureValue, "stream entry "+entry.ID.String()+" has a field without a value")
	}
	if entryRoom(entry) > maxPacked {
		return e.unsupported(FeatureValue, "stream entry "+entry.ID.String()+" has 1 GiB")
	}
	return nil
}

// entrySize is the size of an entry by which servers decide whether it fits into a node.
func entrySize(entry *StreamEntry) (n int64) {
	for _, f := range entry.Fields {
		n += int64(len(f))
	}
	return n
}

// entryRoom is at least what an entry takes in a node, with the master record that it may need.
func entryRoom(entry *StreamEntry) int64 {
	return 2*entrySize(entry) + packedOverhead*int64(2*len(entry.Fields)+8)
}

// countStreamAdvice notes what the type leaves out and servers do without.
func (e *encoder) countStreamAdvice(s *Stream) {
	reads, active := false, false
	for i := range s.Groups {
		g := &s.Groups[i]
		reads = reads || g.HasRead && g.EntriesRead != estimateRead(s, g.LastID)
		for j := range g.Consumers {
			active = active || g.Consumers[j].ActiveMS != g.Consumers[j].SeenMS
		}
	}
	counters := reads || s.Added != uint64(len(s.Entries)) || s.MaxDeleted != (StreamID{})
	limits := s.IDMP.Present && s.IDMP != IDMP{Present: true, DurationS: defaultIDMPDuration, MaxEntries: defaultIDMPEntries}
	for f, lost := range map[Feature]bool{FeatureStreamCounters: counters, FeatureConsumerActive: active, FeatureIDMPLimits: limits} {
		if lost && !e.target.Holds(f) {
			e.omitted[f]++
		}
	}
}

func (e *encoder) stream(t Type, s *Stream) {
	nodes := 0
	body := e.apart(func() {
		for rest := s.Entries; len(rest) > 0; nodes++ {
			rest = rest[e.streamNode(rest):]
		}
	})
	e.length(uint64(nodes))
	e.raw(body)
	e.length(uint64(len(s.Entries)))
	e.id(s.LastID)
	if t >= TypeStream2 {
		e.id(s.FirstID)
		e.id(s.MaxDeleted)
		e.length(s.Added)
	}
	e.length(uint64(len(s.Groups)))
	for i := range s.Groups {
		e.group(t, s, &s.Groups[i])
	}
	if t >= TypeStream4 {
		e.idmp(s)
	}
}

func (e *encoder) id(id StreamID) {
	e.length(id.MS)
	e.length(id.Seq)
}

func (e *encoder) fixedID(id StreamID) {
	e.buf = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(e.buf, id.MS), id.Seq)
}

// streamNode writes the first entries as a node, key and listpack, and returns how many they are: a server adds to the last node until
// its size with the next entry's fields and values reaches the limit, or its number of entries does. (Redis 7.4 t_stream.c)
func (e *encoder) streamNode(entries []StreamEntry) (n int) {
	limit := int64(e.limits.StreamBytes)
	if limit <= 0 {
		limit = maxPacked
	}
	n = e.fillNode(entries, 1, func(n int) bool {
		if most := e.limits.StreamEntries; most > 0 && n >= most {
			return false
		}
		size := int64(e.lp.Size())
		return size+entrySize(&entries[n]) < limit && size+entryRoom(&entries[n]) <= maxPacked
	})
	if n >= 1<<7 { // the number of entries stands at the front, in as many bytes as it needs
		e.fillNode(entries[:n], n, func(int) bool { return true })
	}
	var key [streamIDN]byte
	binary.BigEndian.PutUint64(key[:], entries[0].ID.MS)
	binary.BigEndian.PutUint64(key[8:], entries[0].ID.Seq)
	e.str(key[:])
	e.blob, _ = e.lp.Finish()
	if n < 1<<7 {
		e.blob[listpack.MinSize-1] = byte(n)
	}
	e.str(e.blob)
	return n
}

// fillNode puts entries into e.lp as long as more allows another and returns how many it has then. count is what it says of them.
func (e *encoder) fillNode(entries []StreamEntry, count int, more func(n int) bool) (n int) {
	w, master := &e.lp, &entries[0]
	w.Reset(e.blob[:0])
	w.AddInt(int64(count))
	w.AddInt(0) // deleted
	w.AddInt(int64(len(master.Fields) / 2))
	for i := 0; i < len(master.Fields); i += 2 {
		w.Add(master.Fields[i])
	}
	w.AddInt(0)
	for n = 0; n < len(entries) && (n == 0 || more(n)); n++ {
		addRecord(w, master, &entries[n])
	}
	return n
}

// addRecord adds an entry to the node of a master record; see [stream.Node].
func addRecord(w *listpack.Writer, master, entry *StreamEntry) {
	fields := entry.Fields
	same := sameFields(master.Fields, fields)
	flags, step, first, size := int64(0), 1, 0, int64(len(fields))+4
	if same {
		flags, step, first, size = stream.FlagSameFields, 2, 1, int64(len(fields)/2)+3
	}
	w.AddInt(flags)
	w.AddInt(int64(entry.ID.MS - master.ID.MS))
	w.AddInt(int64(entry.ID.Seq - master.ID.Seq))
	if !same {
		w.AddInt(int64(len(fields) / 2))
	}
	for i := first; i < len(fields); i += step {
		w.Add(fields[i])
	}
	w.AddInt(size)
}

func sameFields(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i += 2 {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (e *encoder) group(t Type, s *Stream, g *StreamGroup) {
	e.str(g.Name)
	e.id(g.LastID)
	if t >= TypeStream2 {
		read := g.EntriesRead
		if !g.HasRead {
			read = estimateRead(s, g.LastID)
		}
		e.length(read)
	}
	e.pending(g)
	e.length(uint64(len(g.Consumers)))
	for i := range g.Consumers {
		c := &g.Consumers[i]
		e.str(c.Name)
		e.uint64(uint64(c.SeenMS))
		if t >= TypeStream3 {
			e.uint64(uint64(c.ActiveMS))
		}
		e.length(uint64(len(c.Pending)))
		for _, id := range c.Pending {
			e.fixedID(id)
			e.spill()
		}
	}
}

// pending writes what is pending in a group, without what was given back: choose has seen to it that this may be left out.
func (e *encoder) pending(g *StreamGroup) {
	list := g.Pending
	if len(g.Nacked) > 0 {
		back := make(map[StreamID]struct{}, len(g.Nacked))
		for _, id := range g.Nacked {
			back[id] = struct{}{}
		}
		list = slices.DeleteFunc(slices.Clone(list), func(p StreamPending) bool {
			_, gone := back[p.ID]
			return gone
		})
	}
	e.length(uint64(len(list)))
	for i := range list {
		e.fixedID(list[i].ID)
		e.uint64(uint64(list[i].DeliveredMS))
		e.length(list[i].Count)
		e.spill()
	}
}

// Idempotency limits of a stream for which none were set (Redis 8.6).
const (
	defaultIDMPDuration = 100 // seconds
	defaultIDMPEntries  = 100
)

func (e *encoder) idmp(s *Stream) {
	limits := s.IDMP
	if !limits.Present {
		limits.DurationS, limits.MaxEntries = defaultIDMPDuration, defaultIDMPEntries
	}
	e.length(limits.DurationS)
	e.length(limits.MaxEntries)
	e.length(uint64(len(s.Producers)))
	for i := range s.Producers {
		p := &s.Producers[i]
		e.str(p.ID)
		e.length(uint64(len(p.Entries)))
		for j := range p.Entries {
			e.str(p.Entries[j].IID)
			e.id(p.Entries[j].ID)
			e.spill()
		}
	}
	e.length(limits.Added)
	e.length(limits.Duplicates)
}

// estimateRead is how many entries a group up to id has read, as a server reckons that loads a type without the number.
// (Redis 7.0 t_stream.c, streamEstimateDistanceFromFirstEverEntry)
func estimateRead(s *Stream, id StreamID) uint64 {
	length := uint64(len(s.Entries))
	switch {
	case s.Added == 0:
		return 0
	case length == 0 && !s.LastID.Less(id):
		return s.Added
	case id != StreamID{} && id.Less(s.MaxDeleted):
		return EntriesReadUnknown
	case id == s.LastID:
		return s.Added
	case s.LastID.Less(id):
		return EntriesReadUnknown
	}
	if s.MaxDeleted == (StreamID{}) || s.MaxDeleted.Less(s.FirstID) {
		switch {
		case id.Less(s.FirstID):
			return s.Added - length
		case id == s.FirstID:
			return s.Added - length + 1
		}
	}
	return EntriesReadUnknown
}
