package fuzz

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// AOFLayout is how an append-only log lies in files.
type AOFLayout uint8

const (
	AOFSetRDB   AOFLayout = iota // a directory with a manifest; its base is an RDB
	AOFSetText                   // the same; its base is commands
	AOFSetBare                   // the same, without a base
	AOFPlain                     // one file of commands, as before 7.0
	AOFPreamble                  // one file that begins with an RDB, as from 4.0 to 6.2
	numLayouts
)

// AOFOptions say what an append-only log is made of. The zero value is a set of two files, ten keys and 50 commands, as Redis 7.2 writes it.
type AOFOptions struct {
	// Target is the version of the RDB part, and tells the server whose commands there are; 0 is [rdb.Version11].
	Target rdb.Target
	Layout AOFLayout
	// Base are the keys from which the log begins. Target, Cluster and what servers refuse without modules are not taken from it.
	Base RDBOptions
	// Increments is how many files of commands a set has; 0 is 1.
	Increments int
	// History is how many files of a set are superseded and wait to be deleted.
	History int
	// Commands is how many commands there are, behind the base; 0 is 50.
	Commands int
	// Timestamps puts annotations of the time between commands, as "aof-timestamp-enabled yes" does.
	Timestamps bool
	// Transactions is the share of MULTI ... EXEC, in percent of commands; 0 is 5, Never none.
	Transactions int
	// Name is what the names of files begin with; empty is appendonly.aof.
	Name string
}

// AOFDir is the directory of a set, under that of the server.
const AOFDir = aof.DefaultDirName

// File is a file of a log.
type File struct {
	Name string // with its directory, by forward slashes: appendonlydir/appendonly.aof.1.incr.aof
	Data []byte
}

// Files is a log. Of a set the manifest is the first.
type Files []File

// WriteTo writes the files under a directory, which is made if need be: that of a server.
func (f Files) WriteTo(dir string) error {
	for _, file := range f {
		path := filepath.Join(dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (o AOFOptions) filled() AOFOptions {
	if o.Target == 0 {
		o.Target = rdb.Version11
	}
	if o.Increments == 0 {
		o.Increments = 1
	}
	if o.Commands == 0 {
		o.Commands = 50
	}
	if o.Transactions == 0 {
		o.Transactions = 5
	}
	if o.Name == "" {
		o.Name = aof.DefaultFileName
	}
	b := &o.Base
	b.Target, b.Cluster, b.SlotImports, b.ModuleAux, b.Metadata, b.Weights.Module = o.Target, false, 0, 0, 0, 0
	return o
}

// AnyAOFOptions returns options drawn by the seed, for a log that a server of one of the targets loads (any from 10 on, if none is given).
func AnyAOFOptions(seed uint64, targets ...rdb.Target) AOFOptions {
	if len(targets) == 0 {
		targets = []rdb.Target{rdb.Version10, rdb.Version11, rdb.Version12, rdb.Version13, rdb.Version80}
	}
	d := dice.New(seed, drawOptions<<16)
	o := AOFOptions{
		Target:       dice.Pick(d, targets),
		Layout:       AOFLayout(d.N(int(numLayouts))),
		Increments:   d.Between(1, 3),
		History:      dice.Pick(d, []int{0, 0, 1, 2}),
		Commands:     dice.Pick(d, []int{1, 5, 20, 60, 150}),
		Timestamps:   d.Percent(30),
		Transactions: dice.Pick(d, []int{Never, 0, 20}),
		Name:         dice.Pick(d, []string{"", "", "", "a log", `quoted"name`}),
	}
	o.Base = AnyOptions(seed, o.Target)
	o.Base.Metadata = 0
	return o
}

// AOFSet returns the files of a valid log and what a server holds that has loaded them. The same seed and options give the same bytes.
// It panics if the target is not one of [rdb.Targets]. The contents have no idle times and access counters.
func AOFSet(seed uint64, opt AOFOptions) (Files, *Contents) {
	opt = opt.filled()
	l := newLog(seed, opt)
	var files Files
	switch opt.Layout {
	case AOFPlain:
		files = Files{{opt.Name, l.commands(opt.Commands)}}
	case AOFPreamble:
		files = Files{{opt.Name, append(l.base(), l.commands(opt.Commands)...)}}
	default:
		files = l.set()
	}
	return files, l.state.contents(opt.Target, l.functions)
}

// log writes one log.
type log struct {
	opt       AOFOptions
	g         *generator // draws names and values
	d         *dice.Dice // which commands
	state     state
	functions [][]byte

	w    *aof.Writer
	time int64
}

func newLog(seed uint64, opt AOFOptions) *log {
	base := opt.Base.filled()
	d := dice.New(seed, drawKeys<<8)
	g := &generator{opt: base, seed: seed, d: d, expiry: dice.New(seed, drawExpiry<<8), form: dice.New(seed, drawForm<<8)}
	g.text = texts{d: d, style: base.Strings, size: base.StringSize, edge: max(base.Edge, 0)}
	g.names = namer{d: d, text: &g.text, edge: max(base.Edge, 0), odd: map[string]struct{}{}, n: 1 << 40}
	return &log{opt: opt, g: g, d: dice.New(seed, drawCommands), state: state{keys: map[place]*Key{}}, time: now / 1000}
}

// base returns the RDB of the keys from which the log begins, and takes them into the state.
func (l *log) base() []byte {
	b, c := RDB(l.g.seed, l.opt.Base)
	l.functions = append(l.functions, c.Functions...)
	for i := range c.Keys {
		l.state.put(&c.Keys[i])
	}
	return b
}

// commands returns a file of n commands.
func (l *log) commands(n int) []byte {
	var buf bytes.Buffer
	l.w = aof.NewWriter(&buf)
	for range n {
		if l.opt.Timestamps && l.d.N(5) == 0 {
			l.time += int64(l.d.N(100))
			l.must(l.w.Timestamp(l.time))
		}
		if l.d.Percent(max(l.opt.Transactions, 0)) {
			l.transaction()
		} else {
			l.command(uint64(l.d.N(l.g.opt.Databases)))
		}
	}
	l.must(l.w.Flush())
	return buf.Bytes()
}

// transaction writes commands that are executed together.
func (l *log) transaction() {
	l.must(l.w.Command(0, "MULTI"))
	for range l.d.Between(1, 6) {
		l.command(uint64(l.d.N(l.g.opt.Databases)))
	}
	l.must(l.w.Command(aof.NoDB, "EXEC"))
}

// must is for errors of writing into memory, of which there are none.
func (l *log) must(err error) {
	if err != nil {
		panic("fuzz: " + err.Error())
	}
}

// set returns the files of a set.
func (l *log) set() Files {
	o := l.opt
	m := &aof.Manifest{}
	files := Files{{Name: AOFDir + "/" + o.Name + ".manifest"}}
	add := func(t aof.FileType, seq int, kind string, data []byte) {
		name := fmt.Sprintf("%s.%d.%s", o.Name, seq, kind)
		m.Entries = append(m.Entries, aof.ManifestEntry{Name: name, Seq: int64(seq), Type: t, StartOffset: aof.NoOffset, EndOffset: aof.NoOffset})
		files = append(files, File{AOFDir + "/" + name, data})
	}
	seq := o.History + 1
	switch o.Layout {
	case AOFSetRDB:
		add(aof.Base, seq, "base.rdb", l.base())
	case AOFSetText:
		add(aof.Base, seq, "base.aof", l.rewrite())
	}
	for i := range o.History {
		junk := []byte(strings.Repeat("superseded ", i))
		add(aof.History, i+1, "incr.aof", junk)
	}
	for i := range o.Increments {
		n := o.Commands*(i+1)/o.Increments - o.Commands*i/o.Increments
		add(aof.Incr, seq+i, "incr.aof", l.commands(n))
	}
	text, err := m.AppendText(nil)
	l.must(err)
	files[0].Data = text
	return files
}

// rewrite returns the base as commands, as a rewrite makes them with "aof-use-rdb-preamble no".
func (l *log) rewrite() []byte {
	l.base()
	var buf bytes.Buffer
	l.w = aof.NewWriter(&buf)
	for _, code := range l.functions {
		l.must(l.w.Command(aof.NoDB, "FUNCTION", "LOAD", string(code)))
	}
	for _, k := range l.state.sorted() {
		sayable(k.Value)
		l.must(WriteCommands(l.w, l.opt.Target, k))
	}
	l.must(l.w.Flush())
	return buf.Bytes()
}
