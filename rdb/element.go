package rdb

// ElementKind tells which fields of an [Element] are set.
type ElementKind uint8

const (
	ElementString          ElementKind = iota + 1 // Data
	ElementItem                                   // Data: an item of a list
	ElementMember                                 // Data: a member of a set
	ElementScored                                 // Data, Score: a member of a sorted set
	ElementField                                  // Data, Value, ExpireAt: a field of a hash
	ElementStreamNode                             // ID: a listpack of a stream begins, its master id
	ElementStreamEntry                            // ID, Fields
	ElementStreamMeta                             // Meta, after the last entry
	ElementGroup                                  // Data (name), ID (last), Count (entries read), HasCount
	ElementPending                                // ID, TimeMS, Count: of the last group
	ElementConsumer                               // Data (name), TimeMS (seen), ActiveMS: of the last group
	ElementConsumerPending                        // ID: of the last consumer
	ElementNacked                                 // ID: of the last group
	ElementIDMP                                   // IDMP; Added and Duplicates are not read yet
	ElementProducer                               // Data (id)
	ElementIDMPEntry                              // Data (iid), ID: of the last producer
	ElementIDMPCounters                           // IDMP, whole
	ElementModuleID                               // Module.ID's value in ModuleID
	ElementModuleItem                             // Module
)

// Element is a part of a value, in file order. Only the fields that its Kind names are meaningful; byte slices hold until the
// next element.
type Element struct {
	Kind     ElementKind
	HasCount bool
	Data     []byte
	Value    []byte
	Score    float64
	ExpireAt int64
	ID       StreamID
	Fields   [][]byte
	TimeMS   int64
	ActiveMS int64
	Count    uint64
	Meta     StreamMeta
	IDMP     IDMP
	ModuleID ModuleID
	Module   ModuleItem
}

// collector puts elements together to a value. It copies what it keeps into blocks, so that a value of many small strings costs
// few allocations.
type collector struct {
	kind   Kind
	arena  []byte
	str    String
	list   [][]byte
	zset   SortedSet
	hash   Hash
	stream *Stream
	module *Module
}

func newCollector(k Kind) *collector {
	c := &collector{kind: k}
	switch k {
	case KindStream:
		c.stream = &Stream{}
	case KindModule:
		c.module = &Module{}
	}
	return c
}

// keep copies b. Blocks double up to 64 KiB, so that memory stays in proportion to what was kept.
func (c *collector) keep(b []byte) []byte {
	if len(b) > cap(c.arena)-len(c.arena) || c.arena == nil {
		c.arena = make([]byte, 0, max(len(b), min(2*cap(c.arena), 64<<10), 64))
	}
	n := len(c.arena)
	c.arena = append(c.arena, b...)
	return c.arena[n:len(c.arena):len(c.arena)]
}

func (c *collector) add(el *Element) {
	switch el.Kind {
	case ElementString:
		c.str = append(String{}, el.Data...)
	case ElementItem, ElementMember:
		c.list = append(c.list, c.keep(el.Data))
	case ElementScored:
		c.zset = append(c.zset, ScoredMember{c.keep(el.Data), el.Score})
	case ElementField:
		c.hash = append(c.hash, HashField{c.keep(el.Data), c.keep(el.Value), el.ExpireAt})
	case ElementModuleID:
		c.module.ID = el.ModuleID
	case ElementModuleItem:
		c.module.Items = append(c.module.Items, el.Module.clone())
	default:
		c.addStream(c.stream, el)
	}
}

func (c *collector) addStream(s *Stream, el *Element) {
	switch el.Kind {
	case ElementStreamNode:
		s.Nodes++
	case ElementStreamEntry:
		fields := make([][]byte, len(el.Fields))
		for i, f := range el.Fields {
			fields[i] = c.keep(f)
		}
		s.Entries = append(s.Entries, StreamEntry{el.ID, fields})
	case ElementStreamMeta:
		s.StreamMeta = el.Meta
	case ElementGroup:
		s.Groups = append(s.Groups, StreamGroup{Name: c.keep(el.Data), LastID: el.ID, EntriesRead: el.Count, HasRead: el.HasCount})
	case ElementIDMP, ElementIDMPCounters:
		s.IDMP = el.IDMP
	case ElementProducer:
		s.Producers = append(s.Producers, IDMPProducer{ID: c.keep(el.Data)})
	case ElementIDMPEntry:
		p := &s.Producers[len(s.Producers)-1]
		p.Entries = append(p.Entries, IDMPEntry{c.keep(el.Data), el.ID})
	default:
		c.addGroup(&s.Groups[len(s.Groups)-1], el)
	}
}

func (c *collector) addGroup(g *StreamGroup, el *Element) {
	switch el.Kind {
	case ElementPending:
		g.Pending = append(g.Pending, StreamPending{el.ID, el.TimeMS, el.Count})
	case ElementConsumer:
		g.Consumers = append(g.Consumers, StreamConsumer{Name: c.keep(el.Data), SeenMS: el.TimeMS, ActiveMS: el.ActiveMS})
	case ElementConsumerPending:
		p := &g.Consumers[len(g.Consumers)-1]
		p.Pending = append(p.Pending, el.ID)
	case ElementNacked:
		g.Nacked = append(g.Nacked, el.ID)
	}
}

func (c *collector) value() Value {
	switch c.kind {
	case KindString:
		return c.str
	case KindList:
		return List(c.list)
	case KindSet:
		return Set(c.list)
	case KindSortedSet:
		return c.zset
	case KindHash:
		return c.hash
	case KindStream:
		return c.stream
	default:
		return c.module
	}
}
