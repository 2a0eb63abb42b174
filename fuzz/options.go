package fuzz

import (
	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/rdb"
)

// AnyOptions returns options drawn by the seed, for a file of one of the targets (any, if none is given): few keys or many, of one kind or of all,
// small or large, in the servers' own encodings or loose ones. Servers load such files without a module and without cluster mode.
func AnyOptions(seed uint64, targets ...rdb.Target) RDBOptions {
	if len(targets) == 0 {
		targets = rdb.Targets()
	}
	d := dice.New(seed, drawOptions)
	some := func(choices ...int) int { return dice.Pick(d, choices) }
	o := RDBOptions{
		Target:      dice.Pick(d, targets),
		Keys:        some(1, 2, 3, 5, 10, 20),
		Databases:   some(1, 2, 3, 5),
		Interleave:  d.Percent(20),
		Elements:    some(1, 4, 4, 12, 30),
		StringSize:  some(5, 20, 20, 60),
		Strings:     StringStyle(some(0, 0, 0, 0, 1, 2)),
		Expire:      some(Never, 0, 50),
		FieldExpire: some(Never, 0, 100),
		Edge:        some(Never, 0, 20, 50),
		Loose:       some(0, 0, 30, 100),
		Functions:   some(0, 0, 0, 1, 3),

		NoCompression: d.Percent(20),
		NoChecksum:    d.Percent(5),
		NoAux:         d.Percent(20),
	}
	switch d.N(4) {
	case 0:
		o.Idle = 50
	case 1:
		o.Freq = 50
	}
	if d.Percent(30) {
		w := []*int{&o.Weights.String, &o.Weights.List, &o.Weights.Set, &o.Weights.SortedSet, &o.Weights.Hash, &o.Weights.Stream}
		*dice.Pick(d, w) = 5
		o.Weights.String++
	}
	if d.Percent(10) {
		limits := dice.Pick(d, otherLimits)
		o.Limits = &limits
	}
	if d.Percent(20) {
		o.Metadata = 30
	}
	if o.Target == rdb.Version13 && d.Percent(25) {
		if o.Weights == (Weights{}) {
			o.Weights = everyKind
		}
		o.Weights.VectorSet = 1
	}
	return o
}

// WithModules adds values and data of modules that no server has, key metadata and, for a cluster, counts and imports of slots. Checkers read
// such files and servers refuse most of them.
func (o RDBOptions) WithModules(seed uint64) RDBOptions {
	d := dice.New(seed, drawOptions<<8)
	o = o.filled()
	o.Weights.Module = d.N(3)
	o.ModuleAux = d.N(3)
	o.Cluster = d.Percent(30)
	o.SlotImports = d.N(2)
	return o
}
