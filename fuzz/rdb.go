package fuzz

import (
	"bytes"
	"fmt"
	"io"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// Never is the share that never happens; 0 is the default share.
const Never = -1

// RDBOptions say what an RDB is made of. The zero value is a small file of ten keys of every kind, as Redis 7.2 writes it, that any server
// from 7.2 on loads without modules.
type RDBOptions struct {
	// Target is the version of the format; 0 is [rdb.Version11]. What a version cannot hold is not generated for it.
	Target rdb.Target

	// Keys is how many keys there are; 0 is 10, or as many as it takes where Bytes is given.
	Keys int
	// Bytes is the size at which no further key is begun; 0 is no such limit.
	Bytes int64

	// Databases is how many databases have keys; 0 is 2.
	Databases int
	// Interleave mixes the keys of all databases instead of writing database by database, as Valkey 9.2 does when it saves without a fork.
	Interleave bool

	// Weights are how often each kind of value comes.
	Weights Weights
	// Elements is about how many elements a collection has; 0 is 12. Edge values may have more.
	Elements int
	// StringSize is about how many bytes a string has; 0 is 20. Edge values may have more.
	StringSize int
	// Strings is what the strings are made of.
	Strings StringStyle

	// Shares, in percent, of keys (of fields, for FieldExpire) that are so; 0 is the default and Never none.
	Expire      int // that expire, all of them in the year 2100 or later; default 15
	FieldExpire int // hashes with fields that expire, of versions that have them; default 30
	Idle        int // with an idle time; default 0
	Freq        int // with an access counter; default 0
	Edge        int // values that lie on a boundary of some encoding or are odd in another way; default 10
	Loose       int // values stored in another way than a server of the version would, yet valid; default 0
	Metadata    int // with a module's metadata that servers without the module pass over (version 13); default 0

	// Functions is how many function libraries there are, in versions that have them.
	Functions int
	// ModuleAux is how many modules store data outside keys. Servers refuse it without the module.
	ModuleAux int
	// Cluster puts the keys into cluster slots, with the counts of each slot before its keys, and all into database 0.
	Cluster bool
	// SlotImports is how many unfinished imports of slots there are (version 80). A server must be in cluster mode to load them.
	SlotImports int

	// NoCompression and NoChecksum are what "rdbcompression no" and "rdbchecksum no" do.
	NoCompression, NoChecksum bool
	// NoAux leaves out what the file says of itself, such as redis-ver.
	NoAux bool
	// Limits choose between packed and plain encodings; nil is those of a server that is not configured otherwise.
	Limits *rdb.Limits

	nested int // how deep in another file this one lies
}

// Weights are how often each kind of value comes, relative to each other. All 0 is one of each kind but modules and vector sets.
type Weights struct {
	String, List, Set, SortedSet, Hash, Stream int
	Module                                     int // opaque values of modules that no server has (version 8 and later)
	VectorSet                                  int // those of the module that comes with Redis from 8.0 on (versions 12 and 13)
}

// everyKind are the kinds that every server has.
var everyKind = Weights{String: 1, List: 1, Set: 1, SortedSet: 1, Hash: 1, Stream: 1}

// StringStyle is what strings are made of.
type StringStyle uint8

const (
	StringsMixed  StringStyle = iota // words, numbers, JSON, binary
	StringsRandom                    // bytes that nothing compresses
	StringsJSON                      // documents, which compress well
)

// filled returns the options with defaults in place of what was not said.
func (o RDBOptions) filled() RDBOptions {
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	if o.Target == 0 {
		o.Target = rdb.Version11
	}
	if o.Bytes <= 0 {
		set(&o.Keys, 10)
	}
	set(&o.Databases, 2)
	set(&o.Elements, 12)
	set(&o.StringSize, 20)
	set(&o.Expire, 15)
	set(&o.FieldExpire, 30)
	set(&o.Edge, 10)
	if o.Weights == (Weights{}) {
		o.Weights = everyKind
	}
	if o.Target < rdb.Version9 {
		o.Weights.Stream = 0
	}
	if o.Target < rdb.Version8 {
		o.Weights.Module = 0
	}
	if o.Target < rdb.Version12 || o.Target.Family() == rdb.Valkey {
		o.Weights.VectorSet = 0
	}
	if o.Cluster {
		o.Databases = 1
	}
	return o
}

// RDB returns a valid file and what it holds. The same seed and options give the same bytes. It panics if the target is not one of [rdb.Targets].
func RDB(seed uint64, opt RDBOptions) ([]byte, *Contents) {
	var buf bytes.Buffer
	c := &Contents{Target: opt.filled().Target}
	keep := func(k *Key) { c.Keys = append(c.Keys, *k) }
	head, err := write(&buf, seed, opt, keep)
	if err != nil {
		panic("fuzz: " + err.Error())
	}
	c.Functions, c.ModuleAux = head.Functions, head.ModuleAux
	return buf.Bytes(), c
}

// WriteRDB writes what [RDB] returns, in memory that does not grow with the file: the keys are shown to each, unless that is nil, as they are
// written. The error is that of dst, or about a target that is not one of [rdb.Targets].
func WriteRDB(dst io.Writer, seed uint64, opt RDBOptions, each func(*Key)) error {
	if each == nil {
		each = func(*Key) {}
	}
	_, err := write(dst, seed, opt, each)
	return err
}

// Streams of the dice. What one of them draws does not move the others, so that an option changes what it is about only.
const (
	drawKeys = iota + 1
	drawExpiry
	drawHead
	drawForm
	drawMutation
	drawOptions
	drawCommands
)

// generator writes one file.
type generator struct {
	opt    RDBOptions
	seed   uint64
	w      *rdb.Writer
	each   func(*Key)
	d      *dice.Dice // names and values
	expiry *dice.Dice
	form   *dice.Dice // how values are stored
	text   texts
	names  namer
	old    []byte // scratch of encodings
}

func write(dst io.Writer, seed uint64, opt RDBOptions, each func(*Key)) (*Contents, error) {
	opt = opt.filled()
	if !opt.Target.Valid() {
		return nil, fmt.Errorf("version %d cannot be generated", opt.Target)
	}
	d := dice.New(seed, drawKeys)
	g := &generator{
		opt: opt, seed: seed, each: each, d: d,
		w: rdb.NewWriter(dst, opt.Target, rdb.WriterOptions{
			NoChecksum: opt.NoChecksum, NoCompression: opt.NoCompression, Limits: opt.Limits,
		}),
		expiry: dice.New(seed, drawExpiry),
		form:   dice.New(seed, drawForm),
		text:   texts{d: d, style: opt.Strings, size: opt.StringSize, edge: max(opt.Edge, 0), nested: opt.nested},
		names:  namer{d: d, edge: max(opt.Edge, 0), odd: map[string]struct{}{}},
	}
	g.names.text = &g.text
	head, err := g.head()
	if err == nil {
		err = g.databases()
	}
	if err == nil {
		err = g.tail(head)
	}
	if err == nil {
		err = g.w.Close()
	}
	return head, err
}

// databases writes all keys.
func (g *generator) databases() error {
	n := g.opt.Databases
	switch {
	case g.opt.Cluster:
		return g.slots()
	case g.opt.Interleave || g.opt.Keys == 0:
		for i := 0; g.more(i, g.opt.Keys); i++ {
			db := i * n / max(g.opt.Keys, 1)
			if g.opt.Interleave {
				db = g.d.N(n)
			} else if g.opt.Keys == 0 {
				db = min(i/1000, n-1)
			}
			if err := g.put(g.key(g.number(db))); err != nil {
				return err
			}
		}
		return nil
	}
	for db := range n {
		if err := g.database(g.number(db), g.opt.Keys*(db+1)/n-g.opt.Keys*db/n); err != nil {
			return err
		}
	}
	return nil
}

// number is the number of the i-th database that has keys: most are the first ones, some lie apart.
func (g *generator) number(i int) uint64 {
	if i >= 4 {
		return uint64(i + i%3)
	}
	return uint64(i)
}

// more reports whether another key is to be written, the i-th of so many.
func (g *generator) more(i, keys int) bool {
	return (keys == 0 || i < keys) && (g.opt.Bytes <= 0 || g.w.Size() < g.opt.Bytes)
}

// database writes one database with its counts before it. How many keys expire is known before, as expiries are drawn apart: the same
// draws are made twice.
func (g *generator) database(db uint64, keys int) error {
	if keys == 0 {
		return nil
	}
	if err := g.w.SelectDB(db); err != nil {
		return err
	}
	if g.opt.Bytes <= 0 {
		g.expiry = dice.New(g.seed, drawExpiry+db<<8)
		expires := 0
		for range keys {
			if g.expires() != rdb.NoExpire {
				expires++
			}
		}
		g.expiry = dice.New(g.seed, drawExpiry+db<<8)
		if err := g.w.ResizeDB(uint64(keys), uint64(expires)); err != nil {
			return err
		}
	}
	for i := 0; g.more(i, keys); i++ {
		if err := g.put(g.key(db)); err != nil {
			return err
		}
	}
	return nil
}

// slots writes keys slot by slot, with the counts of each slot before its keys.
func (g *generator) slots() error {
	for i := 0; g.more(i, g.opt.Keys); {
		tag := fmt.Sprintf("t%d", g.d.N(1<<20))
		g.names.tag = tag
		run := make([]*Key, g.d.Between(1, 6))
		if g.opt.Keys > 0 {
			run = run[:min(len(run), g.opt.Keys-i)]
		}
		expires := uint64(0)
		for j := range run {
			run[j] = g.key(0)
			if run[j].ExpireAt != rdb.NoExpire {
				expires++
			}
		}
		if err := g.w.SlotInfo(uint64(slotOf(tag)), uint64(len(run)), expires); err != nil {
			return err
		}
		for _, k := range run {
			if err := g.put(k); err != nil {
				return err
			}
		}
		i += len(run)
	}
	return nil
}

// slotOf is the cluster slot of a hash tag: CRC-16/XMODEM modulo 16384.
func slotOf(tag string) int {
	crc := uint16(0)
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % 16384)
}

// key draws a key.
func (g *generator) key(db uint64) *Key {
	k := &Key{DB: db, ExpireAt: g.expires(), Idle: -1, Freq: -1}
	k.Name = g.names.next()
	k.Value = g.value()
	switch {
	case g.opt.Target < rdb.Version9:
	case g.d.Percent(max(g.opt.Idle, 0)):
		k.Idle = int64(dice.Pick(g.d, []int{0, 1, 63, 64, 16383, 16384, 1 << 24, g.d.N(1 << 20)}))
	case g.d.Percent(max(g.opt.Freq, 0)):
		k.Freq = dice.Pick(g.d, []int{0, 1, 5, 127, 128, 255, g.d.N(256)})
	}
	if g.opt.Target == rdb.Version13 && g.d.Percent(max(g.opt.Metadata, 0)) {
		k.Meta = g.metadata()
	}
	return k
}

// Times of expiry, in milliseconds since 1970.
const (
	year2100 = 4102444800000
	year9999 = 253402300799999
)

// expires draws an expiry: of the year 2100 or later, so that no test sees a key vanish.
func (g *generator) expires() int64 {
	e := g.expiry
	if !e.Percent(max(g.opt.Expire, 0)) {
		return rdb.NoExpire
	}
	if e.Percent(max(g.opt.Edge, 0)) {
		return dice.Pick(e, []int64{year2100, year9999, 1<<47 - 1, 1 << 47, 1<<48 - 1, 1<<53 + 1, 1<<62 + 7})
	}
	return year2100 + int64(e.N(1<<30))*1000 + int64(e.N(2)*e.N(1000))
}
