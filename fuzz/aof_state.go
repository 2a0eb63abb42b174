package fuzz

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/rdb"
)

// place is where a key stands.
type place struct {
	db   uint64
	name string
}

// state is what a server holds. The list is in an order that does not depend on the map.
type state struct {
	keys map[place]*Key
	list []*Key
}

func (s *state) put(k *Key) {
	at := place{k.DB, string(k.Name)}
	if old := s.keys[at]; old != nil {
		s.remove(old)
	}
	s.keys[at] = k
	s.list = append(s.list, k)
}

func (s *state) remove(k *Key) {
	delete(s.keys, place{k.DB, string(k.Name)})
	i := slices.Index(s.list, k)
	s.list = slices.Delete(s.list, i, i+1)
}

// sorted returns the keys by database and name.
func (s *state) sorted() []*Key {
	return slices.SortedFunc(slices.Values(s.list), func(a, b *Key) int {
		return cmp.Or(cmp.Compare(a.DB, b.DB), bytes.Compare(a.Name, b.Name))
	})
}

func (s *state) contents(t rdb.Target, functions [][]byte) *Contents {
	c := &Contents{Target: t, Functions: functions}
	for _, k := range s.sorted() {
		k.Idle, k.Freq = -1, -1
		c.Keys = append(c.Keys, *k)
	}
	return c
}

// batch is how many elements servers put into one command of a rewrite.
const batch = 64

// WriteCommands writes the commands that make the key, as the rewrite of a log does. Streams and what a module stores are restored from their payload, for which
// the version must have them.
func WriteCommands(w *aof.Writer, target rdb.Target, k *Key) error {
	var err error
	name := string(k.Name)
	each := func(command string, args []string, per int) {
		for chunk := range slices.Chunk(args, per*batch) {
			if err == nil {
				err = w.Command(int(k.DB), append([]string{command, name}, chunk...)...)
			}
		}
	}
	switch v := k.Value.(type) {
	case rdb.String:
		err = w.Command(int(k.DB), "SET", name, string(v))
	case rdb.List:
		each("RPUSH", texted(v), 1)
	case rdb.Set:
		each("SADD", texted(v), 1)
	case rdb.SortedSet:
		args := make([]string, 0, 2*len(v))
		for _, m := range v {
			args = append(args, strconv.FormatFloat(m.Score, 'g', 17, 64), string(m.Member))
		}
		each("ZADD", args, 2)
	case rdb.Hash:
		args := make([]string, 0, 2*len(v))
		for _, f := range v {
			args = append(args, string(f.Name), string(f.Value))
		}
		each("HMSET", args, 2)
		for _, f := range v {
			if err == nil && f.ExpireAt != rdb.NoExpire {
				err = w.Command(int(k.DB), "HPEXPIREAT", name, strconv.FormatInt(f.ExpireAt, 10), "FIELDS", "1", string(f.Name))
			}
		}
	default:
		var payload []byte
		if payload, err = rdb.AppendValueDump(nil, v, target, rdb.WriterOptions{}); err == nil {
			err = w.Command(int(k.DB), "RESTORE", name, "0", string(payload))
		}
	}
	if err == nil && k.ExpireAt != rdb.NoExpire {
		err = w.Command(int(k.DB), "PEXPIREAT", name, strconv.FormatInt(k.ExpireAt, 10))
	}
	return err
}

func texted(items [][]byte) []string {
	s := make([]string, len(items))
	for i := range items {
		s[i] = string(items[i])
	}
	return s
}
