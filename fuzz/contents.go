package fuzz

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/kvfsck/kvfsck/rdb"
)

// Key is a key with its value.
type Key struct {
	DB       uint64
	Name     []byte
	Value    rdb.Value
	ExpireAt int64 // milliseconds since 1970, or [rdb.NoExpire]
	Idle     int64 // seconds since the last access, or -1
	Freq     int   // access counter, or -1
	Meta     []rdb.KeyMeta
}

// Contents is what a file holds. Keys are in file order.
type Contents struct {
	Target    rdb.Target
	Keys      []Key
	Functions [][]byte // sources of libraries
	ModuleAux []ModuleAux
}

// ModuleAux is what a module stored outside keys.
type ModuleAux struct {
	Module rdb.ModuleID
	When   uint64
	Items  []rdb.ModuleItem
}

// ReadContents reads a file with [rdb.Reader], values whole.
func ReadContents(src io.Reader) (*Contents, error) {
	c := &Contents{}
	for rec, err := range rdb.NewReader(src).Records() {
		if err != nil {
			return c, err
		}
		switch rec := rec.(type) {
		case *rdb.Header:
			c.Target = rdb.Target(rec.Version)
		case *rdb.Function:
			c.Functions = append(c.Functions, bytes.Clone(rec.Code))
		case *rdb.ModuleAux:
			items, err := rec.Items()
			if err != nil {
				return c, err
			}
			c.ModuleAux = append(c.ModuleAux, ModuleAux{rec.Module, rec.When, items})
		case *rdb.Entry:
			k, err := readKey(rec)
			if err != nil {
				return c, err
			}
			c.Keys = append(c.Keys, k)
		}
	}
	return c, nil
}

func readKey(e *rdb.Entry) (Key, error) {
	k := Key{DB: e.DB, Name: bytes.Clone(e.Key), ExpireAt: e.ExpireAt, Idle: e.Idle, Freq: e.Freq}
	for _, m := range e.Meta {
		k.Meta = append(k.Meta, rdb.KeyMeta{Class: m.Class, Items: slices.Clone(m.Items)})
	}
	v, err := e.Value()
	k.Value = v
	return k, err
}

// Digest returns what DEBUG DIGEST answers on a server that holds the keys. It does not read the file that they came in.
func (c *Contents) Digest(dialect rdb.DigestDialect) (string, error) {
	if dialect == rdb.DigestAsFile && c.Target.Family() == rdb.Valkey {
		dialect = rdb.DigestValkey
	}
	d := rdb.Digest{Dialect: dialect}
	for i := range c.Keys {
		e, err := c.Keys[i].entry()
		if err == nil {
			err = d.Add(e)
		}
		if err != nil {
			return "", fmt.Errorf("key %q: %w", c.Keys[i].Name, err)
		}
	}
	return d.String(), nil
}

// entry makes an entry of the key. Its value goes through the payload of a DUMP, as entries have bytes.
func (k *Key) entry() (*rdb.Entry, error) {
	target := rdb.Version13
	if h, ok := k.Value.(rdb.Hash); ok && slices.ContainsFunc(h, func(f rdb.HashField) bool { return f.ExpireAt > 1<<48-1 }) {
		target = rdb.Version80
	}
	payload, err := rdb.AppendValueDump(nil, k.Value, target, rdb.WriterOptions{NoCompression: true})
	if err != nil {
		return nil, err
	}
	dump, err := rdb.ParseDump(payload)
	if err != nil {
		return nil, err
	}
	e := dump.Entry()
	e.DB, e.Key, e.ExpireAt = k.DB, k.Name, k.ExpireAt
	return e, nil
}

// Diff compares the contents with others and returns the first difference in words, empty if there is none. The order of keys, of members and
// of fields does not matter.
func (c *Contents) Diff(other *Contents) string {
	a, b := sortedKeys(c.Keys), sortedKeys(other.Keys)
	for i := range min(len(a), len(b)) {
		if d := a[i].diff(b[i]); d != "" {
			return d
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d keys, not %d", len(b), len(a))
	}
	if !slices.EqualFunc(c.Functions, other.Functions, bytes.Equal) {
		return fmt.Sprintf("functions %.200q, not %.200q", other.Functions, c.Functions)
	}
	if x, y := fmt.Sprintf("%x", c.ModuleAux), fmt.Sprintf("%x", other.ModuleAux); x != y {
		return fmt.Sprintf("module data %.200s, not %.200s", y, x)
	}
	return ""
}

func sortedKeys(keys []Key) []*Key {
	s := make([]*Key, len(keys))
	for i := range keys {
		s[i] = &keys[i]
	}
	slices.SortFunc(s, func(a, b *Key) int { return cmp.Or(cmp.Compare(a.DB, b.DB), bytes.Compare(a.Name, b.Name)) })
	return s
}

func (k *Key) diff(other *Key) string {
	a, b := k.describe(nil), other.describe(nil)
	if bytes.Equal(a, b) {
		return ""
	}
	from := 0
	for from < min(len(a), len(b)) && a[from] == b[from] {
		from++
	}
	from = max(from-40, 0)
	return fmt.Sprintf("database %d, key %.100q: at %d of the description: %.200q, not %.200q", k.DB, k.Name, from, b[from:], a[from:])
}

// describe appends the key in words that are the same for equal keys and different for others.
func (k *Key) describe(dst []byte) []byte {
	dst = fmt.Appendf(dst, "%d %q expire %d idle %d freq %d meta %x\n", k.DB, k.Name, k.ExpireAt, k.Idle, k.Freq, k.Meta)
	return describeValue(dst, k.Value)
}

func describeValue(dst []byte, v rdb.Value) []byte {
	switch v := v.(type) {
	case rdb.String:
		return fmt.Appendf(dst, "string %q", []byte(v))
	case rdb.List:
		return fmt.Appendf(dst, "list %q", [][]byte(v))
	case rdb.Set:
		members := slices.SortedFunc(slices.Values(v), bytes.Compare)
		return fmt.Appendf(dst, "set %q", members)
	case rdb.SortedSet:
		members := slices.SortedFunc(slices.Values(v), func(a, b rdb.ScoredMember) int { return bytes.Compare(a.Member, b.Member) })
		dst = append(dst, "zset"...)
		for _, m := range members {
			dst = fmt.Appendf(dst, " %q %b", m.Member, m.Score)
		}
		return dst
	case rdb.Hash:
		fields := slices.SortedFunc(slices.Values(v), func(a, b rdb.HashField) int { return bytes.Compare(a.Name, b.Name) })
		dst = append(dst, "hash"...)
		for _, f := range fields {
			dst = fmt.Appendf(dst, " %q %q %d", f.Name, f.Value, f.ExpireAt)
		}
		return dst
	case *rdb.Stream:
		return describeStream(dst, v)
	case *rdb.Module:
		return fmt.Appendf(dst, "module %s %d %x", v.ID.Name(), v.ID.Version(), v.Items)
	}
	return fmt.Appendf(dst, "%v", v)
}

// describeStream says everything but how the entries lie in nodes.
func describeStream(dst []byte, s *rdb.Stream) []byte {
	dst = fmt.Appendf(dst, "stream last %v first %v deleted %v added %d length %d idmp %+v\n", s.LastID, s.FirstID, s.MaxDeleted, s.Added, s.Length, s.IDMP)
	for i := range s.Entries {
		dst = fmt.Appendf(dst, "%v %q\n", s.Entries[i].ID, s.Entries[i].Fields)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		dst = fmt.Appendf(dst, "group %q last %v pending %v nacked %v", g.Name, g.LastID, g.Pending, g.Nacked)
		if g.HasRead {
			dst = fmt.Appendf(dst, " read %d", g.EntriesRead)
		}
		dst = append(dst, '\n')
		for _, c := range g.Consumers {
			dst = fmt.Appendf(dst, " consumer %q seen %d active %d pending %v\n", c.Name, c.SeenMS, c.ActiveMS, c.Pending)
		}
	}
	for _, p := range s.Producers {
		dst = fmt.Appendf(dst, "producer %q %q\n", p.ID, p.Entries)
	}
	return dst
}
