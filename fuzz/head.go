package fuzz

import (
	"fmt"
	"strings"

	"github.com/kvfsck/kvfsck/fuzz/internal/dice"
	"github.com/kvfsck/kvfsck/fuzz/internal/loose"
	"github.com/kvfsck/kvfsck/rdb"
)

// writers are the releases that write each version, as its files say.
var writers = map[rdb.Target][2]string{
	rdb.Version7: {"redis-ver", "3.2.13"}, rdb.Version8: {"redis-ver", "4.0.14"}, rdb.Version9: {"redis-ver", "6.2.16"},
	rdb.Version10: {"redis-ver", "7.0.15"}, rdb.Version11: {"redis-ver", "7.2.6"}, rdb.Version12: {"redis-ver", "7.4.1"},
	rdb.Version13: {"redis-ver", "8.6.3"}, rdb.Version80: {"valkey-ver", "9.1.2"},
}

// head writes what stands before the keys.
func (g *generator) head() (*Contents, error) {
	d := dice.New(g.seed, drawHead)
	c := &Contents{Target: g.opt.Target}
	if err := g.w.WriteHeader(); err != nil {
		return c, err
	}
	if !g.opt.NoAux && g.opt.Target >= rdb.Version7 {
		for _, f := range [][2]string{writers[g.opt.Target], {"redis-bits", "64"}, {"ctime", fmt.Sprint(now/1000 + d.N(1<<20))}, {"used-mem", fmt.Sprint(d.N(1 << 30))}} {
			if err := g.w.WriteAux([]byte(f[0]), []byte(f[1])); err != nil {
				return c, err
			}
		}
	}
	for range g.opt.ModuleAux {
		if g.opt.Target >= rdb.Version9 {
			c.ModuleAux = append(c.ModuleAux, ModuleAux{g.moduleID(), uint64(d.Between(1, 2)), g.items()})
		}
	}
	if err := g.moduleAux(c, 1); err != nil {
		return c, err
	}
	for i := range g.opt.Functions {
		if g.opt.Target < rdb.Version10 {
			break
		}
		code := library(d, i)
		c.Functions = append(c.Functions, code)
		if err := g.w.Function(code); err != nil {
			return c, err
		}
	}
	for range g.opt.SlotImports {
		if g.opt.Target != rdb.Version80 {
			break
		}
		first := uint64(d.N(16000))
		job := fmt.Appendf(nil, "%016x%016x%08x", d.Uint64(), d.Uint64(), d.N(1<<30))
		if err := g.w.SlotImport(job, []rdb.SlotRange{{First: first, Last: first + uint64(d.N(300))}}); err != nil {
			return c, err
		}
	}
	return c, nil
}

// moduleAux writes the data that is to be loaded before the keys (1) or after them (2).
func (g *generator) moduleAux(c *Contents, when uint64) error {
	for _, m := range c.ModuleAux {
		if m.When == when {
			if err := g.w.ModuleAux(m.Module, m.When, m.Items); err != nil {
				return err
			}
		}
	}
	return nil
}

// tail writes what stands behind the keys. The contents have module data in file order.
func (g *generator) tail(c *Contents) error {
	err := g.moduleAux(c, 2)
	var before, after []ModuleAux
	for _, m := range c.ModuleAux {
		if m.When == 1 {
			before = append(before, m)
		} else {
			after = append(after, m)
		}
	}
	c.ModuleAux = append(before, after...)
	return err
}

// library is the source of the i-th library.
func library(d *dice.Dice, i int) []byte {
	b := fmt.Appendf(nil, "#!lua name=lib%d\n", i)
	if d.Coin() {
		b = fmt.Appendf(b, "-- %s\n", strings.Repeat("a comment that compresses ", d.Between(1, 40)))
	}
	return fmt.Appendf(b, "redis.register_function('f%d_%d', function(keys, args) return %d end)\n", i, d.N(1000), d.N(1000))
}

// put writes a key and shows it.
func (g *generator) put(k *Key) error {
	e := rdb.NewEntry(k.DB, k.Name)
	e.ExpireAt, e.Idle, e.Freq, e.Meta = k.ExpireAt, k.Idle, k.Freq, k.Meta
	g.each(k)
	if g.opt.Loose > 0 && g.form.Percent(g.opt.Loose) {
		if t, raw, ok := g.loosely(k.Value); ok {
			return g.w.WriteRaw(e, t, raw)
		}
	}
	return g.w.WriteEntry(e, k.Value)
}

// loosely encodes a value as no server of the version would by itself, though all load it: with other limits, as an older version does, or in
// longer forms than need be. ok is false for values that have no such encoding.
func (g *generator) loosely(v rdb.Value) (t rdb.Type, raw []byte, ok bool) {
	opt := rdb.WriterOptions{NoCompression: g.opt.NoCompression}
	target := g.opt.Target
	switch g.form.N(4) {
	case 0:
		limits := dice.Pick(g.form, otherLimits)
		opt.Limits = &limits
	case 1:
		if target = g.older(v); target == 0 {
			return 0, nil, false
		}
	default:
		e := loose.Encoder{D: g.form, Target: target}
		return e.Value(v)
	}
	dump, err := rdb.AppendValueDump(g.old[:0], v, target, opt)
	if err != nil {
		return 0, nil, false
	}
	g.old = dump
	return rdb.Type(dump[0]), dump[1 : len(dump)-10], true
}

// otherLimits make nearly everything plain, nearly everything packed, or nodes of lists and streams small.
var otherLimits = []rdb.Limits{
	{ListSize: 1, ListEntries: 1, ListValue: 1, HashEntries: 1, HashValue: 1, SetInts: 1, SetEntries: 1, SetValue: 1, ZsetEntries: 1, ZsetValue: 1, StreamBytes: 1, StreamEntries: 1},
	{ListSize: -5, ListEntries: 1 << 16, ListValue: 1 << 16, HashEntries: 1 << 16, HashValue: 1 << 16, SetInts: 1 << 16, SetEntries: 1 << 16, SetValue: 1 << 16, ZsetEntries: 1 << 16, ZsetValue: 1 << 16, StreamBytes: 1 << 20, StreamEntries: 1 << 16},
	{ListSize: 3, ListEntries: 8, ListValue: 20, HashEntries: 8, HashValue: 20, SetInts: 8, SetEntries: 8, SetValue: 20, ZsetEntries: 8, ZsetValue: 20, StreamBytes: 200, StreamEntries: 3},
}

// older draws an older version whose encoding of the value is the same value to a server of the target's; 0 if there is none.
func (g *generator) older(v rdb.Value) rdb.Target {
	switch v := v.(type) {
	case *rdb.Stream, *rdb.Module:
		return 0
	case rdb.Hash:
		for i := range v {
			if v[i].ExpireAt != rdb.NoExpire {
				return 0
			}
		}
	}
	// From 10 on there are listpacks, and Valkey's differ from Redis's in some sizes of entries.
	last := rdb.Version12
	if g.opt.Target.Family() == rdb.Valkey {
		last = rdb.Version9
	}
	var choices []rdb.Target
	for _, t := range rdb.Targets() {
		if t < g.opt.Target && t <= last {
			choices = append(choices, t)
		}
	}
	if len(choices) == 0 {
		return 0
	}
	return dice.Pick(g.form, choices)
}
