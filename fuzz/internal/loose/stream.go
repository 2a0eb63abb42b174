package loose

import (
	"encoding/binary"

	"github.com/kvfsck/kvfsck/rdb"
)

// Flags of a record in a stream's node.
const (
	flagDeleted    = 1
	flagSameFields = 2
)

// stream encodes a stream in the newest type of the version, with nodes of random size in which there are records of deleted entries.
func (e *Encoder) stream(s *rdb.Stream) (rdb.Type, []byte, bool) {
	t := map[rdb.Target]rdb.Type{rdb.Version9: rdb.TypeStream, rdb.Version10: rdb.TypeStream2, rdb.Version13: rdb.TypeStream4}[e.Target]
	if t == 0 {
		t = rdb.TypeStream3
	}
	var body []byte
	nodes := uint64(0)
	for rest := s.Entries; len(rest) > 0; nodes++ {
		n := min(len(rest), e.D.Between(1, 20))
		body = e.String(body, rawID(nil, rest[0].ID))
		body = e.String(body, e.node(rest[:n]))
		rest = rest[n:]
	}
	b := append(e.Length(nil, nodes), body...)
	b = e.Length(b, uint64(len(s.Entries)))
	b = e.id(b, s.LastID)
	if t >= rdb.TypeStream2 {
		b = e.Length(e.id(e.id(b, s.FirstID), s.MaxDeleted), s.Added)
	}
	b = e.Length(b, uint64(len(s.Groups)))
	for i := range s.Groups {
		b = e.group(b, t, &s.Groups[i])
	}
	if t >= rdb.TypeStream4 {
		b = e.producers(b, s)
	}
	return t, b, true
}

func rawID(b []byte, id rdb.StreamID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, id.MS), id.Seq)
}

func (e *Encoder) id(b []byte, id rdb.StreamID) []byte { return e.Length(e.Length(b, id.MS), id.Seq) }

// node packs entries. The first one's fields are the master record's, which an entry with the same fields may or may not refer to.
func (e *Encoder) node(entries []rdb.StreamEntry) []byte {
	master := entries[0]
	dead := make([]int, len(entries)) // records of deleted entries behind each
	deleted := 0
	for i := range dead {
		if e.D.N(4) == 0 {
			dead[i] = e.D.Between(1, 2)
			deleted += dead[i]
		}
	}
	p := pack{e: e, b: make([]byte, 6)}
	p.int(int64(len(entries)))
	p.int(int64(deleted))
	p.int(int64(len(master.Fields) / 2))
	for i := 0; i < len(master.Fields); i += 2 {
		p.string(master.Fields[i])
	}
	p.int(0)
	for i := range entries {
		e.record(&p, &master, &entries[i], 0)
		for range dead[i] {
			e.record(&p, &master, &entries[i], flagDeleted)
		}
	}
	return p.finish()
}

func (e *Encoder) record(p *pack, master, entry *rdb.StreamEntry, flags int64) {
	same := len(master.Fields) == len(entry.Fields) && e.D.Coin()
	for i := 0; same && i < len(entry.Fields); i += 2 {
		same = string(master.Fields[i]) == string(entry.Fields[i])
	}
	pairs := int64(len(entry.Fields) / 2)
	step, first, size := 1, 0, 2*pairs+4
	if same {
		flags, step, first, size = flags|flagSameFields, 2, 1, pairs+3
	}
	p.int(flags)
	p.int(int64(entry.ID.MS - master.ID.MS))
	p.int(int64(entry.ID.Seq - master.ID.Seq))
	if !same {
		p.int(pairs)
	}
	for i := first; i < len(entry.Fields); i += step {
		p.string(entry.Fields[i])
	}
	p.int(size)
}

func (e *Encoder) group(b []byte, t rdb.Type, g *rdb.StreamGroup) []byte {
	b = e.id(e.String(b, g.Name), g.LastID)
	if t >= rdb.TypeStream2 {
		b = e.Length(b, g.EntriesRead)
	}
	b = e.Length(b, uint64(len(g.Pending)))
	for _, p := range g.Pending {
		b = binary.LittleEndian.AppendUint64(rawID(b, p.ID), uint64(p.DeliveredMS))
		b = e.Length(b, p.Count)
	}
	b = e.Length(b, uint64(len(g.Consumers)))
	for i := range g.Consumers {
		c := &g.Consumers[i]
		b = binary.LittleEndian.AppendUint64(e.String(b, c.Name), uint64(c.SeenMS))
		if t >= rdb.TypeStream3 {
			b = binary.LittleEndian.AppendUint64(b, uint64(c.ActiveMS))
		}
		b = e.Length(b, uint64(len(c.Pending)))
		for _, id := range c.Pending {
			b = rawID(b, id)
		}
	}
	return b
}

func (e *Encoder) producers(b []byte, s *rdb.Stream) []byte {
	b = e.Length(e.Length(b, s.IDMP.DurationS), s.IDMP.MaxEntries)
	b = e.Length(b, uint64(len(s.Producers)))
	for i := range s.Producers {
		b = e.Length(e.String(b, s.Producers[i].ID), uint64(len(s.Producers[i].Entries)))
		for _, entry := range s.Producers[i].Entries {
			b = e.id(e.String(b, entry.IID), entry.ID)
		}
	}
	return e.Length(e.Length(b, s.IDMP.Added), s.IDMP.Duplicates)
}
