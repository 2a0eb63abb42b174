package rdb

import (
	"encoding/binary"
	"slices"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/stream"
)

// quickWalk walks a value in the window, see [Reader.quick]. Once something is not of a frequent form p is 0 and stays so.
type quickWalk struct {
	d *decoder
	b []byte
	p int
}

// number passes a length.
func (w *quickWalk) number() (v uint64) {
	if w.p == 0 || w.p > len(w.b)-quickRoom {
		w.p = 0
		return 0
	}
	if w.b[w.p] == len64 {
		w.p += 9
		return binary.BigEndian.Uint64(w.b[w.p-8:])
	}
	v, w.p = lengthAt(w.b, w.p)
	return v
}

// take passes n bytes.
func (w *quickWalk) take(n int) []byte {
	if w.p == 0 || n > len(w.b)-w.p {
		w.p = 0
		return nil
	}
	w.p += n
	return w.b[w.p-n : w.p]
}

// name passes a string and reports whether it is surely none of those before.
func (w *quickWalk) name(before *quickNames) (isNew bool) {
	if w.p == 0 {
		return false
	}
	w.d.arena.reset()
	text, end := w.d.textAt(w.b, w.p, 0)
	if w.p = end; end == 0 || before.n == len(before.sums) {
		return false
	}
	sum := dupset.QuickSum(text, 0, len(text))
	isNew = !slices.Contains(before.sums[:before.n], sum)
	before.sums[before.n] = sum
	before.n++
	return isNew
}

// quickNames tells a few names apart.
type quickNames struct {
	n    int
	sums [8]uint64
}

// quickStream checks a stream: its nodes, and groups if they, their consumers and the entries pending are few.
func (r *Reader) quickStream(b []byte, typ Type, p int) int {
	if typ > TypeStream3 {
		return 0
	}
	w := quickWalk{&r.dec, b, p}
	keys, live := r.dec.few.Reset(), int64(0)
	for n := w.number(); n > 0 && w.p != 0; n-- {
		if w.number() != streamIDN || len(keys) == cap(keys) {
			return 0
		}
		keys = append(keys, dupset.Name{At: w.p, Len: streamIDN})
		w.take(streamIDN)
		if w.p == 0 {
			return 0
		}
		var node []byte
		if node, w.p = r.quickWhole(b, w.p); w.p == 0 {
			return 0
		}
		n, ok := stream.Plain(node)
		if !ok {
			return 0
		}
		live += n
	}
	length := w.number()
	w.number() // the last id
	w.number()
	if typ >= TypeStream2 {
		for range 5 { // the first id, the greatest one deleted, and how many were ever added
			w.number()
		}
	}
	if length != uint64(live) || !r.dec.few.NewNames(b, keys) {
		return 0
	}
	var names quickNames
	for n := w.number(); n > 0 && w.p != 0; n-- {
		if !w.name(&names) {
			return 0
		}
		w.number() // its id
		w.number()
		if typ >= TypeStream2 {
			w.number() // entries read
		}
		w.group(typ)
	}
	return w.p
}

// group passes what follows the head of a group: each entry pending is that of one consumer.
func (w *quickWalk) group(typ Type) {
	var ids [maxQuickPending]StreamID // in order
	n := w.number()
	if n > maxQuickPending {
		w.p = 0
	}
	for i := range min(n, maxQuickPending) {
		ids[i], _ = rawID(w.take(streamIDN))
		w.take(8) // when it was delivered
		w.number()
		if i > 0 && !ids[i-1].Less(ids[i]) {
			w.p = 0
		}
	}
	if w.p == 0 {
		return
	}
	pending, owned := ids[:n], uint64(0) // a bit each
	var names quickNames
	for c := w.number(); c > 0 && w.p != 0; c-- {
		if !w.name(&names) {
			w.p = 0
		}
		if w.take(8); typ >= TypeStream3 { // when it was seen, and when it was active
			w.take(8)
		}
		i := 0
		for m := w.number(); m > 0 && w.p != 0; m-- {
			id, _ := rawID(w.take(streamIDN))
			for i < len(pending) && pending[i].Less(id) {
				i++
			}
			if i == len(pending) || pending[i] != id || owned>>i&1 != 0 {
				w.p = 0
				return
			}
			owned |= 1 << i
		}
	}
	if owned != 1<<n-1 {
		w.p = 0
	}
}

// maxQuickPending is how many entries pending there are room for.
const maxQuickPending = 64
