// Package truthtest compares keys that were read from a file with the corpus's record of what a server held, for tests.
package truthtest

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// Comparison compares the keys of a file with a truth.
type Comparison struct {
	// Server is the one that wrote the file, empty where that is unknown. Encodings are compared only if it is known.
	Server string
	// Replayed is set if the file is not what the truth is of, but what another server made of its commands. What no command holds is
	// that server's own then: how a stream is split into nodes, when a consumer was last seen, when a key was used and how often, and
	// how much a group has read where the truth does not know.
	Replayed bool
}

// Differences returns in what the keys differ from the truth at path, nothing if they do not.
func (c *Comparison) Differences(t testing.TB, keys []Key, path string) (all []string) {
	t.Helper()
	ours := map[string]*Key{}
	for i := range keys {
		ours[fmt.Sprint(keys[i].DB, " ", keys[i].Key)] = &keys[i]
	}
	for want := range corpus.Truth(t, path) {
		name, k := lookup(ours, want)
		if k == nil {
			all = append(all, fmt.Sprintf("key %v of db %d is missing", want.Key, want.DB))
			continue
		}
		for _, d := range c.differences(k, want) {
			all = append(all, fmt.Sprintf("key %q: %s", k.Key, d))
		}
		delete(ours, name)
	}
	for _, k := range ours {
		if !k.Dropped() {
			all = append(all, fmt.Sprintf("key %q, which the server does not have", k.Key))
		}
	}
	return all
}

// lookup finds a key, by its sum where the truth has no more of it.
func lookup(ours map[string]*Key, want *corpus.Key) (string, *Key) {
	if b, ok := want.Key.Data(); ok {
		name := fmt.Sprint(want.DB, " ", string(b))
		return name, ours[name]
	}
	for name, k := range ours {
		if k.DB == uint64(want.DB) && want.Key.Equal([]byte(k.Key)) {
			return name, k
		}
	}
	return "", nil
}

// report collects what differs in one key.
type report struct {
	all      []string
	replayed bool
}

func (r *report) want(ok bool, format string, args ...any) {
	if !ok {
		r.all = append(r.all, fmt.Sprintf(format, args...))
	}
}

// optional compares a number that the truth may not know.
func (r *report) optional(what string, got int64, want *int64) {
	if want != nil {
		r.want(got == *want, "%s %d, want %d", what, got, *want)
	}
}

// differences compares a key with the truth.
func (c *Comparison) differences(k *Key, want *corpus.Key) []string {
	r := report{replayed: c.Replayed}
	server := c.Server
	r.want(kindAgrees(k, want.Type), "type %v, want %s", k.Kind, want.Type)
	if server != "" {
		r.want(encodingAgrees(k, want.Encoding), "encoding %s, want %s", k.Encoding, want.Encoding)
	}
	expire := rdb.NoExpire
	if want.ExpireAtMs != nil {
		expire = *want.ExpireAtMs
	}
	r.want(k.ExpireAt == expire, "expires at %d, want %d", k.ExpireAt, expire)
	if want.Freq != nil && !c.Replayed {
		r.want(k.Freq == *want.Freq, "freq %d, want %d", k.Freq, *want.Freq)
	}
	if want.IdleS != nil && !c.Replayed {
		r.want(k.Idle >= *want.IdleS-2 && k.Idle <= *want.IdleS+2, "idle %d, want %d", k.Idle, *want.IdleS)
	}
	if len(r.all) == 0 {
		r.value(k.Value, &want.Value)
	}
	return r.all
}

func (r *report) value(v rdb.Value, want *corpus.Value) {
	switch v := v.(type) {
	case rdb.String:
		r.want(want.String.Equal(v), "%q, want %v", v, want.String)
	case rdb.List:
		r.strings(v, want.List)
	case rdb.Set:
		r.strings(sorted(v), want.Set)
	case rdb.SortedSet:
		r.zset(v, want.ZSet)
	case rdb.Hash:
		r.hash(v, want.Hash)
	case *rdb.Stream:
		r.stream(v, want.Stream)
	case *rdb.Module:
		r.module(v, want)
	}
}

func sorted(all [][]byte) [][]byte {
	all = slices.Clone(all)
	slices.SortFunc(all, bytes.Compare)
	return all
}

func (r *report) strings(got [][]byte, want []corpus.Bytes) {
	r.want(len(got) == len(want), "%d elements, want %d", len(got), len(want))
	for i := range min(len(got), len(want)) {
		r.want(want[i].Equal(got[i]), "element %d %q, want %v", i, got[i], want[i])
	}
}

func (r *report) zset(got rdb.SortedSet, want []corpus.ScoredValue) {
	got = slices.Clone(got)
	slices.SortFunc(got, func(a, b rdb.ScoredMember) int { return bytes.Compare(a.Member, b.Member) })
	r.want(len(got) == len(want), "%d members, want %d", len(got), len(want))
	for i := range min(len(got), len(want)) {
		r.want(want[i].Member.Equal(got[i].Member), "member %q, want %v", got[i].Member, want[i].Member)
		r.want(math.Float64bits(got[i].Score) == math.Float64bits(want[i].Score), "member %q: score %v, want %s", got[i].Member, got[i].Score, want[i].Text)
	}
}

func (r *report) hash(got rdb.Hash, want []corpus.HashField) {
	got = slices.Clone(got)
	slices.SortFunc(got, func(a, b rdb.HashField) int { return bytes.Compare(a.Name, b.Name) })
	r.want(len(got) == len(want), "%d fields, want %d", len(got), len(want))
	for i := range min(len(got), len(want)) {
		expire := rdb.NoExpire
		if want[i].ExpireAtMs != nil {
			expire = *want[i].ExpireAtMs
		}
		r.want(want[i].Field.Equal(got[i].Name), "field %q, want %v", got[i].Name, want[i].Field)
		r.want(want[i].Value.Equal(got[i].Value), "field %q: %q, want %v", got[i].Name, got[i].Value, want[i].Value)
		r.want(got[i].ExpireAt == expire, "field %q: expires at %d, want %d", got[i].Name, got[i].ExpireAt, expire)
	}
}

func sameID(got rdb.StreamID, want corpus.StreamID) bool {
	return got.MS == want.Ms && got.Seq == want.Seq
}

func (r *report) stream(got *rdb.Stream, want *corpus.Stream) {
	r.want(got.Length == want.Length, "length %d, want %d", got.Length, want.Length)
	r.want(sameID(got.LastID, want.LastID), "last id %v, want %v", got.LastID, want.LastID)
	if want.MaxDeletedID != nil {
		r.want(sameID(got.MaxDeleted, *want.MaxDeletedID), "max deleted id %v, want %v", got.MaxDeleted, want.MaxDeletedID)
	}
	if want.EntriesAdded != nil {
		r.want(got.Added == *want.EntriesAdded, "entries added %d, want %d", got.Added, *want.EntriesAdded)
	}
	if len(got.Entries) > 0 {
		r.want(got.FirstID == got.Entries[0].ID, "first id %v, first entry %v", got.FirstID, got.Entries[0].ID)
	}
	r.want(r.replayed || got.Nodes == want.Nodes, "%d nodes, want %d", got.Nodes, want.Nodes)
	r.want(len(got.Entries) == len(want.Entries), "%d entries, want %d", len(got.Entries), len(want.Entries))
	for i := range min(len(got.Entries), len(want.Entries)) {
		r.want(sameID(got.Entries[i].ID, want.Entries[i].ID), "entry %v, want %v", got.Entries[i].ID, want.Entries[i].ID)
		r.strings(got.Entries[i].Fields, want.Entries[i].Fields)
	}
	groups := slices.Clone(got.Groups)
	slices.SortFunc(groups, func(a, b rdb.StreamGroup) int { return bytes.Compare(a.Name, b.Name) })
	r.want(len(groups) == len(want.Groups), "%d groups, want %d", len(groups), len(want.Groups))
	for i := range min(len(groups), len(want.Groups)) {
		r.group(&groups[i], &want.Groups[i])
	}
}

func (r *report) group(got *rdb.StreamGroup, want *corpus.Group) {
	r.want(want.Name.Equal(got.Name), "group %q, want %v", got.Name, want.Name)
	r.want(sameID(got.LastID, want.LastID), "group %q: last id %v, want %v", got.Name, got.LastID, want.LastID)
	if got.HasRead && !(r.replayed && want.EntriesRead == nil) { // otherwise what the server has is its own estimate
		read := int64(-1)
		if want.EntriesRead != nil {
			read = *want.EntriesRead
		}
		r.want(got.EntriesRead == uint64(read), "group %q: entries read %d, want %d", got.Name, got.EntriesRead, read)
	}
	owner := map[rdb.StreamID][]byte{}
	consumers := slices.Clone(got.Consumers)
	slices.SortFunc(consumers, func(a, b rdb.StreamConsumer) int { return bytes.Compare(a.Name, b.Name) })
	r.want(len(consumers) == len(want.Consumers), "group %q: %d consumers, want %d", got.Name, len(consumers), len(want.Consumers))
	for i := range min(len(consumers), len(want.Consumers)) {
		c, w := &consumers[i], &want.Consumers[i]
		r.want(w.Name.Equal(c.Name), "consumer %q, want %v", c.Name, w.Name)
		if !r.replayed {
			r.optional("consumer seen at", c.SeenMS, w.SeenMs)
			r.optional("consumer active at", c.ActiveMS, w.ActiveMs)
		}
		r.want(slices.EqualFunc(c.Pending, w.Pending, sameID), "consumer %q: pending %v, want %v", c.Name, c.Pending, w.Pending)
		for _, id := range c.Pending {
			owner[id] = c.Name
		}
	}
	r.want(len(got.Pending) == len(want.Pending), "group %q: %d pending, want %d", got.Name, len(got.Pending), len(want.Pending))
	for i := range min(len(got.Pending), len(want.Pending)) {
		p, w := &got.Pending[i], &want.Pending[i]
		r.want(sameID(p.ID, w.ID), "pending %v, want %v", p.ID, w.ID)
		r.want(w.Consumer.Equal(owner[p.ID]), "pending %v: owner %q, want %v", p.ID, owner[p.ID], w.Consumer)
		r.optional("delivered at", p.DeliveredMS, w.DeliveryMs)
		r.want(p.Count == w.Count, "pending %v: delivered %d times, want %d", p.ID, p.Count, w.Count)
	}
}

// module compares a module's items with what the module answers.
//
//	test___dt  saves a number and a string, and answers both
//	test__rdb  saves 1, a string and two floats, and answers the string
//	vectorset  saves its dimension and how many elements it has first
func (r *report) module(got *rdb.Module, want *corpus.Value) {
	items := got.Items
	switch name := got.ID.Name(); {
	case name == "vectorset" && want.VectorSet != nil && len(items) > 2:
		r.want(items[0].Int == uint64(want.VectorSet.Dim), "%d dimensions, want %d", items[0].Int, want.VectorSet.Dim)
		r.want(items[1].Int == uint64(want.VectorSet.Card), "%d elements, want %d", items[1].Int, want.VectorSet.Card)
	case name == "test___dt" && len(want.Module) == 2 && len(items) == 2:
		r.optional("number", int64(items[0].Int), want.Module[0].Int)
		r.want(want.Module[1].Bytes.Equal(items[1].String), "%q, want %v", items[1].String, want.Module[1].Bytes)
	case name == "test__rdb" && len(want.Module) == 1 && len(items) > 1:
		r.want(want.Module[0].Bytes.Equal(items[1].String), "%q, want %v", items[1].String, want.Module[0].Bytes)
	default:
		r.want(false, "module %s: %v, want %v", name, items, want)
	}
}

// encodingAgrees says whether an encoding as the file has it agrees with the answer of the server that wrote the file. Lists of a
// single packed node answer "listpack" since 7.2, streams "unknown" before 6.0; strings that commands changed are not what they are
// after loading.
func encodingAgrees(k *Key, want string) bool {
	switch {
	case k.Encoding == want:
		return true
	case k.Kind == rdb.KindString:
		return want == "raw" || want == "embstr"
	case k.Kind == rdb.KindList:
		return k.Encoding == "quicklist" && want == "listpack"
	case k.Kind == rdb.KindStream:
		return want == "unknown"
	case k.Kind == rdb.KindModule:
		return true
	}
	return false
}

func kindAgrees(k *Key, want string) bool {
	if m, ok := k.Value.(*rdb.Module); ok {
		return m.ID.Name() == want || strings.EqualFold(want, "vectorset")
	}
	return k.Kind.String() == want
}
