package jsonl_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/kvfsck/kvfsck/rdb"
)

// line is a line of the export as encoding/json reads it: the independent half of the tests.
type line struct {
	DB       *json.RawMessage `json:"db"`
	Key      text             `json:"key"`
	Type     string           `json:"type"`
	Encoding string           `json:"encoding"`
	ExpireAt *number          `json:"expire_at_ms"`
	Idle     *number          `json:"idle_s"`
	Freq     *number          `json:"freq"`
	Meta     []metaLine       `json:"meta"`
	Value    json.RawMessage  `json:"value"`
}

type metaLine struct {
	Class   string `json:"class"`
	Version int    `json:"version"`
	Flags   int    `json:"flags"`
	Items   []item `json:"items"`
}

// text is a byte string.
type text []byte

func (t *text) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*t = text(s)
		return err
	}
	var wrapped struct {
		B64 *string `json:"b64"`
	}
	if err := json.Unmarshal(b, &wrapped); err != nil {
		return err
	}
	if wrapped.B64 == nil {
		return fmt.Errorf("no byte string: %.80s", b)
	}
	p, err := base64.StdEncoding.DecodeString(*wrapped.B64)
	*t = p
	return err
}

// number is a whole number, as a string beyond 2^53. Its bits are those of an int64 or a uint64.
type number uint64

func (n *number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		*n = number(i)
		if quoted := b[0] == '"'; quoted != (i > 1<<53 || i < -1<<53) {
			return fmt.Errorf("wrong form of %d: %s", i, b)
		}
		return nil
	}
	u, err := strconv.ParseUint(s, 10, 64)
	*n = number(u)
	return err
}

// float is a score or a module's float.
type float struct {
	v   float64
	nan uint64 // its bits, where it is NaN
}

func (f *float) UnmarshalJSON(b []byte) error {
	var s string
	err := json.Unmarshal(b, &s)
	if err != nil {
		return err
	}
	if bits, ok := strings.CutPrefix(s, "nan:"); ok {
		f.v = math.NaN()
		f.nan, err = strconv.ParseUint(bits, 16, 64)
		return err
	}
	f.v, err = strconv.ParseFloat(s, 64)
	return err
}

// streamID is "ms-seq".
type streamID rdb.StreamID

func (id *streamID) UnmarshalJSON(b []byte) error {
	_, err := fmt.Sscanf(string(b), `"%d-%d"`, &id.MS, &id.Seq)
	return err
}

type item struct {
	UInt   *number `json:"uint"`
	SInt   *number `json:"sint"`
	Float  *float  `json:"float"`
	Double *float  `json:"double"`
	String *text   `json:"string"`
}

func items(in []item) (out []rdb.ModuleItem) {
	for _, it := range in {
		switch {
		case it.UInt != nil:
			out = append(out, rdb.ModuleItem{Kind: rdb.ModuleUInt, Int: uint64(*it.UInt)})
		case it.SInt != nil:
			out = append(out, rdb.ModuleItem{Kind: rdb.ModuleSInt, Int: uint64(*it.SInt)})
		case it.Float != nil:
			f := float32(it.Float.v)
			out = append(out, rdb.ModuleItem{Kind: rdb.ModuleFloat, Float: float64(f), Int: max(uint64(math.Float32bits(f)), it.Float.nan)})
		case it.Double != nil:
			out = append(out, rdb.ModuleItem{Kind: rdb.ModuleDouble, Float: it.Double.v, Int: max(math.Float64bits(it.Double.v), it.Double.nan)})
		default:
			out = append(out, rdb.ModuleItem{Kind: rdb.ModuleString, String: *it.String})
		}
	}
	return out
}

// parts decodes a JSON array into targets, the last of which may be missing.
func parts(b []byte, optional int, into ...any) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if len(raw) > len(into) || len(raw) < len(into)-optional {
		return fmt.Errorf("array of %d: %.80s", len(raw), b)
	}
	for i := range raw {
		if err := json.Unmarshal(raw[i], into[i]); err != nil {
			return err
		}
	}
	return nil
}

// value reads the value back.
func (l *line) value() (rdb.Value, error) {
	switch l.Type {
	case "string":
		var s text
		err := json.Unmarshal(l.Value, &s)
		return rdb.String(s), err
	case "list", "set":
		var all []text
		err := json.Unmarshal(l.Value, &all)
		var list [][]byte
		for _, t := range all {
			list = append(list, t)
		}
		if l.Type == "set" {
			return rdb.Set(list), err
		}
		return rdb.List(list), err
	case "zset":
		return parseZset(l.Value)
	case "hash":
		return parseHash(l.Value)
	case "stream":
		return parseStream(l.Value)
	default:
		return parseModule(l.Value)
	}
}

func parseZset(b []byte) (z rdb.SortedSet, err error) {
	var raw []json.RawMessage
	if err = json.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	for _, r := range raw {
		var member text
		var score float
		if err = parts(r, 0, &member, &score); err != nil {
			return nil, err
		}
		z = append(z, rdb.ScoredMember{Member: member, Score: score.v})
	}
	return z, nil
}

func parseHash(b []byte) (h rdb.Hash, err error) {
	var raw []json.RawMessage
	if err = json.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	for _, r := range raw {
		var name, value text
		never := rdb.NoExpire
		at := number(never)
		if err = parts(r, 1, &name, &value, &at); err != nil {
			return nil, err
		}
		h = append(h, rdb.HashField{Name: name, Value: value, ExpireAt: int64(at)})
	}
	return h, nil
}

func parseModule(b []byte) (*rdb.Module, error) {
	var m struct {
		Module  string `json:"module"`
		Version int    `json:"version"`
		Items   []item `json:"items"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	id, ok := rdb.NewModuleID(m.Module, m.Version)
	if !ok {
		return nil, fmt.Errorf("no module id: %q %d", m.Module, m.Version)
	}
	return &rdb.Module{ID: id, Items: items(m.Items)}, nil
}

type streamJSON struct {
	Entries    []json.RawMessage `json:"entries"`
	Length     number            `json:"length"`
	LastID     streamID          `json:"last_id"`
	FirstID    streamID          `json:"first_id"`
	MaxDeleted streamID          `json:"max_deleted_id"`
	Added      number            `json:"entries_added"`
	Groups     []groupJSON       `json:"groups"`
	IDMP       *struct {
		Duration  number `json:"duration_s"`
		Max       number `json:"max_entries"`
		Producers []struct {
			ID      text              `json:"id"`
			Entries []json.RawMessage `json:"entries"`
		} `json:"producers"`
		Added      number `json:"added"`
		Duplicates number `json:"duplicates"`
	} `json:"idmp"`
}

type groupJSON struct {
	Name        text              `json:"name"`
	LastID      streamID          `json:"last_id"`
	EntriesRead *number           `json:"entries_read"`
	Pending     []json.RawMessage `json:"pending"`
	Consumers   []struct {
		Name   text   `json:"name"`
		Seen   number `json:"seen_ms"`
		Active number `json:"active_ms"`
	} `json:"consumers"`
	Nacked []streamID `json:"nacked"`
}

func parseStream(b []byte) (*rdb.Stream, error) {
	var j streamJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, err
	}
	s := &rdb.Stream{StreamMeta: rdb.StreamMeta{
		Length: uint64(j.Length), LastID: rdb.StreamID(j.LastID), FirstID: rdb.StreamID(j.FirstID), MaxDeleted: rdb.StreamID(j.MaxDeleted), Added: uint64(j.Added),
	}}
	for _, raw := range j.Entries {
		var id streamID
		var fields [][2]text
		if err := parts(raw, 0, &id, &fields); err != nil {
			return nil, err
		}
		e := rdb.StreamEntry{ID: rdb.StreamID(id), Fields: [][]byte{}}
		for _, f := range fields {
			e.Fields = append(e.Fields, f[0], f[1])
		}
		s.Entries = append(s.Entries, e)
	}
	for i := range j.Groups {
		g, err := j.Groups[i].group()
		if err != nil {
			return nil, err
		}
		s.Groups = append(s.Groups, g)
	}
	return s, j.idmp(s)
}

func (j *streamJSON) idmp(s *rdb.Stream) error {
	if j.IDMP == nil {
		return nil
	}
	s.IDMP = rdb.IDMP{Present: true, DurationS: uint64(j.IDMP.Duration), MaxEntries: uint64(j.IDMP.Max), Added: uint64(j.IDMP.Added), Duplicates: uint64(j.IDMP.Duplicates)}
	for _, p := range j.IDMP.Producers {
		producer := rdb.IDMPProducer{ID: p.ID}
		for _, raw := range p.Entries {
			var iid text
			var id streamID
			if err := parts(raw, 0, &iid, &id); err != nil {
				return err
			}
			producer.Entries = append(producer.Entries, rdb.IDMPEntry{IID: iid, ID: rdb.StreamID(id)})
		}
		s.Producers = append(s.Producers, producer)
	}
	return nil
}

func (j *groupJSON) group() (rdb.StreamGroup, error) {
	g := rdb.StreamGroup{Name: j.Name, LastID: rdb.StreamID(j.LastID), EntriesRead: rdb.EntriesReadUnknown}
	if j.EntriesRead != nil {
		g.EntriesRead, g.HasRead = uint64(*j.EntriesRead), true
	}
	byName := map[string]int{}
	for i, c := range j.Consumers {
		g.Consumers = append(g.Consumers, rdb.StreamConsumer{Name: c.Name, SeenMS: int64(c.Seen), ActiveMS: int64(c.Active)})
		byName[string(c.Name)] = i
	}
	for _, raw := range j.Pending {
		var id streamID
		var consumer *text
		var ms, count number
		if err := parts(raw, 0, &id, &consumer, &ms, &count); err != nil {
			return g, err
		}
		g.Pending = append(g.Pending, rdb.StreamPending{ID: rdb.StreamID(id), DeliveredMS: int64(ms), Count: uint64(count)})
		if consumer != nil {
			c := &g.Consumers[byName[string(*consumer)]]
			c.Pending = append(c.Pending, rdb.StreamID(id))
		}
	}
	for _, id := range j.Nacked {
		g.Nacked = append(g.Nacked, rdb.StreamID(id))
	}
	return g, nil
}
