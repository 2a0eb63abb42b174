package truthtest

import (
	"bytes"
	"time"

	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/rdb"
)

// Key is a key as a file has it.
type Key struct {
	DB       uint64
	Key      string
	Kind     rdb.Kind
	Encoding string
	ExpireAt int64
	Idle     int64
	Freq     int
	Value    rdb.Value
}

// Read reads every key of an RDB with Entry.Value.
func Read(file []byte) (all []Key, err error) {
	r := rdb.NewReader(bytes.NewReader(file))
	for r.Next() {
		e, ok := r.Record().(*rdb.Entry)
		if !ok {
			continue
		}
		k := Key{DB: e.DB, Key: string(e.Key), Kind: e.Kind(), Encoding: e.Encoding(), ExpireAt: e.ExpireAt, Idle: e.Idle, Freq: e.Freq}
		if k.Value, err = e.Value(); err != nil {
			return all, err
		}
		if s, ok := k.Value.(rdb.String); ok {
			k.Encoding = jsonl.StringEncoding(s)
		}
		all = append(all, k)
	}
	return all, r.Err()
}

// Dropped reports whether a server leaves the key out on loading: it has expired, or is an empty collection.
func (k *Key) Dropped() bool {
	if k.ExpireAt != rdb.NoExpire && k.ExpireAt < time.Now().UnixMilli() {
		return true
	}
	switch v := k.Value.(type) {
	case rdb.List:
		return len(v) == 0
	case rdb.Set:
		return len(v) == 0
	case rdb.SortedSet:
		return len(v) == 0
	case rdb.Hash:
		return len(v) == 0
	}
	return false
}
