package rdb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kvfsck/kvfsck/rdb"
)

// recipe makes values of bytes: every sequence of bytes makes one, and near sequences make near values.
type recipe struct{ b []byte }

func (r *recipe) byte() byte {
	if len(r.b) == 0 {
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *recipe) uint64() uint64 {
	var p [8]byte
	r.b = r.b[copy(p[:], r.b):]
	return binary.LittleEndian.Uint64(p[:])
}

// count is a number of elements: mostly few, now and then more than any packed encoding takes.
func (r *recipe) count() int {
	if n := int(r.byte()); n < 250 {
		return n % 12
	}
	return 100 + 3*int(r.byte())
}

// bytes is a string: text, an integer or something like one, a run, or long.
func (r *recipe) bytes() []byte {
	switch kind := r.byte(); {
	case kind < 100:
		n := min(int(kind), len(r.b))
		p := r.b[:n:n]
		r.b = r.b[n:]
		return p
	case kind < 160:
		return strconv.AppendInt(nil, int64(r.uint64())>>(r.byte()%64), 10)
	case kind < 180:
		return fmt.Appendf(nil, "%03d", int8(r.byte()))
	case kind < 250:
		return bytes.Repeat([]byte{r.byte()}, int(r.byte()))
	}
	return bytes.Repeat([]byte("abcdefghij"), 1+int(r.uint64()%3000))
}

// distinct is a string that was not there before.
func (r *recipe) distinct(seen map[string]bool) []byte {
	p := r.bytes()
	for i := len(seen); seen[string(p)]; i++ {
		p = append(bytes.Clone(p), strconv.Itoa(i)...)
	}
	seen[string(p)] = true
	return p
}

func (r *recipe) expiry() int64 {
	if r.byte() < 128 {
		return rdb.NoExpire
	}
	return int64(1 + r.uint64()%(1<<48-1))
}

func (r *recipe) value() rdb.Value {
	n, seen := 1+r.count(), map[string]bool{}
	switch r.byte() % 7 {
	case 0:
		return rdb.String(r.bytes())
	case 1:
		var l rdb.List
		for range n {
			l = append(l, r.bytes())
		}
		return l
	case 2:
		var s rdb.Set
		for range n {
			s = append(s, r.distinct(seen))
		}
		return s
	case 3:
		var z rdb.SortedSet
		for range n {
			score := math.Float64frombits(r.uint64())
			if math.IsNaN(score) {
				score = float64(n)
			}
			z = append(z, rdb.ScoredMember{Member: r.distinct(seen), Score: score})
		}
		return z
	case 4:
		var h rdb.Hash
		for range n {
			h = append(h, rdb.HashField{Name: r.distinct(seen), Value: r.bytes(), ExpireAt: r.expiry()})
		}
		return h
	case 5:
		return r.module(n)
	}
	return r.stream(n - 1)
}

func (r *recipe) module(n int) *rdb.Module {
	m := &rdb.Module{ID: rdb.ModuleID(r.uint64() | 1<<63)} // no module has number 0
	for range n {
		it := rdb.ModuleItem{Kind: rdb.ModuleItemKind(1 + r.byte()%5)}
		switch it.Kind {
		case rdb.ModuleString:
			it.String = r.bytes()
		case rdb.ModuleFloat:
			it.Int = uint64(uint32(r.uint64()))
			it.Float = float64(math.Float32frombits(uint32(it.Int)))
		case rdb.ModuleDouble:
			it.Int = r.uint64()
			it.Float = math.Float64frombits(it.Int)
		default:
			it.Int = r.uint64()
		}
		m.Items = append(m.Items, it)
	}
	return m
}

func (r *recipe) id() rdb.StreamID { return rdb.StreamID{MS: r.uint64() >> 1, Seq: r.uint64() >> 1} }

func (r *recipe) stream(n int) *rdb.Stream {
	s := &rdb.Stream{}
	id := rdb.StreamID{MS: uint64(r.byte()), Seq: uint64(r.byte())}
	for range n {
		id.MS, id.Seq = id.MS+uint64(r.byte()%3), id.Seq+1+uint64(r.byte())
		var fields [][]byte
		for range 1 + r.byte()%3 {
			fields = append(fields, []byte{'a' + r.byte()%2}, r.bytes())
		}
		s.Entries = append(s.Entries, rdb.StreamEntry{ID: id, Fields: fields})
	}
	s.Length, s.LastID, s.MaxDeleted, s.Added = uint64(n), id, r.id(), r.uint64()
	if n > 0 {
		s.FirstID = s.Entries[0].ID
	}
	names := map[string]bool{}
	for range r.byte() % 3 {
		s.Groups = append(s.Groups, r.group(names))
	}
	s.IDMP = rdb.IDMP{Present: true, DurationS: 1 + r.uint64()%86400, MaxEntries: 1 + r.uint64()%10000, Added: r.uint64(), Duplicates: r.uint64()}
	for range r.byte() % 3 {
		p, iids := rdb.IDMPProducer{ID: r.distinct(names)}, map[string]bool{}
		for range r.byte() % 4 {
			p.Entries = append(p.Entries, rdb.IDMPEntry{IID: r.distinct(iids), ID: r.id()})
		}
		s.Producers = append(s.Producers, p)
	}
	return s
}

// group makes a group whose pending entries each belong to one of its consumers.
func (r *recipe) group(names map[string]bool) rdb.StreamGroup {
	g := rdb.StreamGroup{Name: r.distinct(names), LastID: r.id(), EntriesRead: r.uint64(), HasRead: true}
	consumers := map[string]bool{}
	for range r.byte() % 4 {
		c := rdb.StreamConsumer{Name: r.distinct(consumers), SeenMS: int64(r.uint64()), ActiveMS: int64(r.uint64())}
		for range r.byte() % 4 {
			id := rdb.StreamID{MS: uint64(len(g.Pending)), Seq: r.uint64()}
			g.Pending = append(g.Pending, rdb.StreamPending{ID: id, DeliveredMS: int64(r.uint64()), Count: r.uint64()})
			c.Pending = append(c.Pending, id)
		}
		g.Consumers = append(g.Consumers, c)
	}
	return g
}

// FuzzWriter writes values made of the input in every version, with and without compression and with limits of its own, and demands
// that the file has no fault and gives the same values.
func FuzzWriter(f *testing.F) {
	for kind := range byte(7) {
		f.Add([]byte{5, kind, 3, 'a', 'b', 'c', 110, 1, 2, 3, 4, 5, 6, 7, 8, 60, 200, 'x', 90, 252, 9, 9})
		f.Add(append([]byte{255, 200, kind}, bytes.Repeat([]byte{7, 'q', 150, 1, 0, 0, 0, 0, 0, 0, 0, 0, 33}, 40)...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := (&recipe{b}).value()
		for _, target := range rdb.Targets() {
			opt := rdb.WriterOptions{Drop: rdb.DropAll()}
			if len(b)%2 == 1 {
				opt.NoCompression = true
				opt.Limits = &rdb.Limits{ListSize: len(b)%9 - 5, HashEntries: 3, HashValue: 1 << 20, SetEntries: 3, SetValue: 9, ZsetEntries: 1 << 20, ZsetValue: 1 << 20, StreamEntries: len(b) % 300}
			}
			checkWritten(t, target, opt, v)
		}
	})
}

// faultless is contents of a file that must not have any fault, with a small window.
func faultless(t *testing.T, b []byte) (keys []keyed) {
	t.Helper()
	opt := rdb.ReaderOptions{Window: 1 << 10, OnFault: func(e *rdb.FormatError) error {
		if e.Severity() > rdb.Note {
			return e
		}
		return nil
	}}
	for rec, err := range rdb.NewReaderOptions(bytes.NewReader(b), opt).Records() {
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := rec.(*rdb.Entry); ok {
			v, err := e.Value()
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, keyed{Key: string(e.Key), Value: v})
		}
	}
	return keys
}

func checkWritten(t *testing.T, target rdb.Target, opt rdb.WriterOptions, v rdb.Value) {
	t.Helper()
	file, err := write(target, opt, v, rdb.String("after"))
	if err != nil {
		t.Fatalf("%v: %v", target, err)
	}
	keys := faultless(t, file)
	if len(keys) == 1 && (v.Kind() == rdb.KindStream && !target.Holds(rdb.FeatureStream) || v.Kind() == rdb.KindModule && !target.Holds(rdb.FeatureModule)) {
		return
	}
	if h, ok := v.(rdb.Hash); ok && !target.Holds(rdb.FeatureFieldExpire) {
		lasting := append(rdb.Hash{}, h...)
		for i := range lasting {
			lasting[i].ExpireAt = rdb.NoExpire
		}
		v = lasting
	}
	want, got := keyed{Value: v}.asHeld(target).Value, keyed{Value: keys[0].Value}.asHeld(target).Value
	if reflect.DeepEqual(want, got) {
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
		t.Fatalf("%v:\n%s", target, diff)
	}
}
