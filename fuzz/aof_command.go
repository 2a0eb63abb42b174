package fuzz

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// command writes one command that succeeds, of one of the kinds that servers log, and does to the state what it does.
func (l *log) command(db uint64) {
	k := l.existing(db)
	if k == nil || l.d.N(3) == 0 {
		l.create(db)
		return
	}
	switch l.d.N(8) {
	case 0:
		l.say(k, "DEL")
		l.state.remove(k)
	case 1:
		l.expire(k)
	case 2:
		l.rename(k)
	default:
		l.change(k)
	}
}

// existing draws a key of the database, nil if there is none.
func (l *log) existing(db uint64) *Key {
	var of []*Key
	for _, k := range l.state.list {
		if k.DB == db {
			of = append(of, k)
		}
	}
	if len(of) == 0 {
		return nil
	}
	return dice.Pick(l.d, of)
}

// say writes a command about a key: the key's name behind the first word, or behind two for those that have a word below.
func (l *log) say(k *Key, command string, args ...string) {
	l.must(l.w.Command(int(k.DB), append([]string{command, string(k.Name)}, args...)...))
}

// create makes a new key, by the commands of a rewrite or by RESTORE.
func (l *log) create(db uint64) {
	if l.d.N(30) == 0 && l.opt.Target >= rdb.Version10 {
		code := library(l.d, 1000+len(l.functions))
		l.functions = append(l.functions, code)
		l.must(l.w.Command(aof.NoDB, "FUNCTION", "LOAD", string(code)))
		return
	}
	k := &Key{DB: db, Name: l.g.names.next(), Value: l.g.value(), ExpireAt: rdb.NoExpire, Idle: -1, Freq: -1}
	sayable(k.Value)
	if l.d.N(6) == 0 {
		payload, err := rdb.AppendValueDump(nil, k.Value, l.opt.Target, rdb.WriterOptions{})
		l.must(err)
		l.say(k, "RESTORE", "0", string(payload), "REPLACE")
	} else {
		if l.state.keys[place{db, string(k.Name)}] != nil {
			l.say(k, "DEL")
		}
		l.must(WriteCommands(l.w, l.opt.Target, k))
	}
	l.state.put(k)
}

// sayable changes what a file can hold and commands cannot make: scores of -0, as a sorted set is packed while it is small, and in that there is
// no -0; and fields that expire later than commands let them.
func sayable(v rdb.Value) {
	switch v := v.(type) {
	case rdb.SortedSet:
		for i := range v {
			if v[i].Score == 0 {
				v[i].Score = 0
			}
		}
	case rdb.Hash:
		for i := range v {
			if v[i].ExpireAt >= 1<<46 {
				v[i].ExpireAt = year2100
			}
		}
	}
}

func (l *log) expire(k *Key) {
	if k.ExpireAt != rdb.NoExpire {
		l.say(k, "PERSIST")
		k.ExpireAt = rdb.NoExpire
		return
	}
	k.ExpireAt = year2100 + int64(l.d.N(1<<30))
	l.say(k, "PEXPIREAT", strconv.FormatInt(k.ExpireAt, 10))
}

func (l *log) rename(k *Key) {
	name := l.g.names.next()
	l.say(k, "RENAME", string(name))
	l.state.remove(k)
	k.Name = name
	l.state.put(k)
}

// change changes a key's value. One that has become empty is gone, unless it is a stream.
func (l *log) change(k *Key) {
	empty := false
	switch v := k.Value.(type) {
	case rdb.String:
		l.changeString(k, v)
	case rdb.List:
		k.Value, empty = l.changeList(k, slices.Clone(v))
	case rdb.Set:
		k.Value, empty = l.changeSet(k, slices.Clone(v))
	case rdb.SortedSet:
		k.Value, empty = l.changeSortedSet(k, slices.Clone(v))
	case rdb.Hash:
		k.Value, empty = l.changeHash(k, slices.Clone(v))
	case *rdb.Stream:
		s := *v
		l.changeStream(k, &s)
		k.Value = &s
	}
	if empty {
		l.state.remove(k)
	}
}

func (l *log) changeString(k *Key, v rdb.String) {
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && strconv.FormatInt(n, 10) == string(v) && n < math.MaxInt64-1000 {
		by := int64(l.d.N(1000))
		l.say(k, "INCRBY", strconv.FormatInt(by, 10))
		k.Value = rdb.String(strconv.AppendInt(nil, n+by, 10))
		return
	}
	more := l.g.text.next()
	switch l.d.N(3) {
	case 0:
		l.say(k, "APPEND", string(more))
		k.Value = append(slices.Clone(v), more...)
	case 1:
		l.say(k, "SET", string(more), "KEEPTTL")
		k.Value = rdb.String(more)
	default:
		k.Value, k.ExpireAt = rdb.String(more), year2100+int64(l.d.N(1<<30))
		if l.opt.Target >= rdb.Version10 {
			l.say(k, "SET", string(more), "PXAT", strconv.FormatInt(k.ExpireAt, 10))
		} else {
			l.say(k, "SET", string(more))
			l.say(k, "PEXPIREAT", strconv.FormatInt(k.ExpireAt, 10))
		}
	}
}

func (l *log) changeList(k *Key, v rdb.List) (_ rdb.Value, empty bool) {
	item := l.g.text.next()
	switch l.d.N(5) {
	case 0:
		l.say(k, "RPUSH", string(item))
		v = append(v, item)
	case 1:
		l.say(k, "LPUSH", string(item))
		v = slices.Insert(v, 0, item)
	case 2:
		l.say(k, "LPOP")
		v = v[1:]
	case 3:
		i := l.d.N(len(v))
		l.say(k, "LSET", strconv.Itoa(i), string(item))
		v[i] = item
	default:
		l.say(k, "LTRIM", "0", "-2")
		v = v[:len(v)-1]
	}
	return v, len(v) == 0
}

func (l *log) changeSet(k *Key, v rdb.Set) (_ rdb.Value, empty bool) {
	member := l.g.text.next()
	i := slices.IndexFunc(v, func(m []byte) bool { return bytes.Equal(m, member) })
	if i < 0 && l.d.Coin() {
		l.say(k, "SADD", string(member))
		return append(v, member), false
	}
	i = l.d.N(len(v))
	l.say(k, "SREM", string(v[i]))
	v = slices.Delete(v, i, i+1)
	return v, len(v) == 0
}

func (l *log) changeSortedSet(k *Key, v rdb.SortedSet) (_ rdb.Value, empty bool) {
	i := l.d.N(len(v))
	if l.d.Coin() {
		l.say(k, "ZREM", string(v[i].Member))
		v = slices.Delete(v, i, i+1)
		return v, len(v) == 0
	}
	v[i].Score = float64(l.d.N(1<<20)) / 16
	l.say(k, "ZADD", strconv.FormatFloat(v[i].Score, 'g', 17, 64), string(v[i].Member))
	return v, false
}

func (l *log) changeHash(k *Key, v rdb.Hash) (_ rdb.Value, empty bool) {
	i := l.d.N(len(v))
	switch {
	case l.d.Coin():
		l.say(k, "HDEL", string(v[i].Name))
		v = slices.Delete(v, i, i+1)
	case l.opt.Target >= rdb.Version12 && l.d.Coin():
		v[i].ExpireAt = year2100 + int64(l.d.N(1<<30))
		l.say(k, "HPEXPIREAT", strconv.FormatInt(v[i].ExpireAt, 10), "FIELDS", "1", string(v[i].Name))
	default:
		v[i].Value, v[i].ExpireAt = l.g.text.next(), rdb.NoExpire
		l.say(k, "HSET", string(v[i].Name), string(v[i].Value))
	}
	return v, len(v) == 0
}

// groupName draws a name that no group of the stream has: those of the base are drawn apart, and now and then the same.
func (l *log) groupName(s *rdb.Stream) []byte {
	for {
		name := l.g.names.next()
		if !slices.ContainsFunc(s.Groups, func(g rdb.StreamGroup) bool { return bytes.Equal(g.Name, name) }) {
			return name
		}
	}
}

// changeStream adds an entry, deletes one, or makes a group.
func (l *log) changeStream(k *Key, s *rdb.Stream) {
	switch id := s.LastID; {
	case l.d.N(3) == 0 && len(s.Entries) > 0:
		i := l.d.N(len(s.Entries))
		gone := s.Entries[i].ID
		l.say(k, "XDEL", gone.String())
		s.Entries = slices.Delete(slices.Clone(s.Entries), i, i+1)
		if s.MaxDeleted.Less(gone) {
			s.MaxDeleted = gone
		}
	case l.d.N(3) == 0:
		name := l.groupName(s)
		g := rdb.StreamGroup{Name: name, LastID: id, EntriesRead: rdb.EntriesReadUnknown, HasRead: true}
		l.must(l.w.Command(int(k.DB), "XGROUP", "CREATE", string(k.Name), string(name), id.String()))
		s.Groups = append(slices.Clone(s.Groups), g)
		slices.SortFunc(s.Groups, func(a, b rdb.StreamGroup) int { return bytes.Compare(a.Name, b.Name) })
	case id.MS < math.MaxUint64:
		id = rdb.StreamID{MS: id.MS + 1, Seq: uint64(l.d.N(3))}
		field, value := l.g.text.next(), l.g.text.next()
		l.say(k, "XADD", id.String(), string(field), string(value))
		s.Entries = append(slices.Clone(s.Entries), rdb.StreamEntry{ID: id, Fields: [][]byte{field, value}})
		s.LastID = id
		s.Added++
	default:
		l.say(k, "PEXPIREAT", strconv.FormatInt(year2100, 10))
		k.ExpireAt = year2100
	}
	s.Length, s.FirstID = uint64(len(s.Entries)), rdb.StreamID{}
	if len(s.Entries) > 0 {
		s.FirstID = s.Entries[0].ID
	}
}
