package rdb

import (
	"encoding/binary"
	"strconv"

	"github.com/kvfsck/kvfsck/internal/dupset"
	"github.com/kvfsck/kvfsck/rdb/internal/stream"
)

// streamWalk is a walk over a stream. Types 15, 19, 21, 26 and 27 differ in what they store:
//
//	len nodes, then for each:
//	  str node key (16 bytes: the master id), str listpack
//	len length, id last
//	19+: id first, id greatest deleted, len entries ever added
//	len groups, then for each:
//	  str name, id last
//	  19+: len entries read
//	  len pending, then for each: 16 bytes id, i64le delivered, len deliveries
//	  len consumers, then for each:
//	    str name, i64le seen
//	    21+: i64le active
//	    len pending, then for each: 16 bytes id
//	  27: len given back, then for each: 16 bytes id
//	26+: len duration, len most ids, len producers, then for each:
//	       str id, len ids, then for each: str iid, id
//	     len ids added, len duplicates
//
// where id is len ms, len seq. (Redis 8.6 rdb.c)
type streamWalk struct {
	d       *decoder
	nodes   uint64
	live    uint64 // entries found that are not deleted
	damaged bool   // of some node, so that live is no truth
	first   StreamID
	last    StreamID // node key
	meta    StreamMeta
	node    stream.Node

	producerSum dupset.Sum
}

func (d *decoder) stream() error {
	if d.mode != modeFrame {
		d.newDups()
	}
	w := &d.sw
	w.node.Trim()
	*w = streamWalk{d: d, node: w.node}
	err := w.allNodes()
	if err == nil {
		err = w.metadata()
	}
	if err == nil {
		err = w.groups()
	}
	if err == nil && d.typ >= TypeStream4 {
		err = w.idmp()
	}
	return err
}

func (w *streamWalk) allNodes() error {
	d := w.d
	d.item = "stream node count"
	n, err := d.count()
	if err != nil {
		return err
	}
	w.nodes = n
	for ; n > 0; n-- {
		if err := d.element(w.oneNode); err != nil {
			return err
		}
	}
	return d.lateDups(CodeStreamNodeTwice)
}

func (w *streamWalk) oneNode() error {
	d := w.d
	d.item = "stream node key"
	if d.mode == modeFrame {
		if err := d.skipStr(); err != nil {
			return err
		}
		d.item = "stream listpack"
		return d.skipStr()
	}
	key, dup, err := d.name()
	if err != nil {
		return err
	}
	master, ok := rawID(key)
	if !ok {
		w.damaged = true
		d.fault(CodeStreamNodeKey, nil, "%d bytes", d.nameLen)
	}
	d.item = "stream listpack"
	d.el.Kind, d.el.ID = ElementStreamNode, master
	d.emit()
	w.last = master
	intact, err := d.blob(w.walkNode)
	if err != nil {
		return err
	}
	w.damaged = w.damaged || !intact
	if dup && intact {
		d.fault(CodeStreamNodeTwice, nil, "%v", master)
	}
	return nil
}

// walkNode walks a node's listpack.
func (w *streamWalk) walkNode(b *blobBytes) *flaw {
	d := w.d
	if d.mode == modeCheck && b.r == nil && !d.slow {
		if live, ok := stream.Plain(b.p); ok {
			w.live += uint64(live)
			return nil
		}
	}
	b.open(&d.lp, d)
	var visit func(*stream.Entry)
	if d.mode == modeEmit {
		visit = w.entry
	}
	live, err := w.node.Walk(&d.lp, visit)
	w.live += uint64(live)
	if err != nil {
		return &flaw{code: CodeStreamListpack, err: err}
	}
	if err := w.node.Miscount(); err != nil {
		return &flaw{code: CodeStreamCount, err: err}
	}
	return d.backlens("Stream listpack integrity check failed.")
}

func (w *streamWalk) entry(e *stream.Entry) {
	if e.Deleted() {
		return
	}
	id := StreamID{w.last.MS + uint64(e.MS), w.last.Seq + uint64(e.Seq)}
	if w.first == (StreamID{}) {
		w.first = id
	}
	el := &w.d.el
	el.Kind, el.ID, el.Fields = ElementStreamEntry, id, e.Fields
	w.d.emit()
}

// rawID takes an id as the radix tree has it: ms and seq, 8 bytes each, big endian.
func rawID(p []byte) (id StreamID, ok bool) {
	if len(p) != streamIDN {
		return id, false
	}
	return StreamID{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:])}, true
}

// id reads an id of two lengths.
func (d *decoder) id() (id StreamID, err error) {
	if id.MS, err = d.number(); err == nil {
		id.Seq, err = d.number()
	}
	return id, err
}

// fixedID reads an id of 16 bytes.
func (d *decoder) fixedID() (StreamID, error) {
	p, err := d.s.take(streamIDN)
	if err != nil {
		return StreamID{}, err
	}
	id, _ := rawID(p)
	return id, nil
}

func (w *streamWalk) metadata() (err error) {
	d, m := w.d, &w.meta
	d.item = "stream metadata"
	if m.Length, err = d.number(); err != nil {
		return err
	}
	if m.LastID, err = d.id(); err != nil {
		return err
	}
	m.FirstID, m.Added = w.first, m.Length
	if d.typ >= TypeStream2 {
		if m.FirstID, err = d.id(); err != nil {
			return err
		}
		if m.MaxDeleted, err = d.id(); err != nil {
			return err
		}
		if m.Added, err = d.number(); err != nil {
			return err
		}
	}
	if d.mode == modeFrame {
		return nil
	}
	switch {
	case m.Length > 0 && w.nodes == 0:
		d.fault(CodeStreamNoNodes, nil, "%d", m.Length)
	case m.Length != w.live && !w.damaged:
		d.fault(CodeStreamLength, nil, "%d, entries %d", m.Length, w.live)
	}
	d.el.Kind, d.el.Meta = ElementStreamMeta, *m
	d.emit()
	return nil
}

func (w *streamWalk) groups() error {
	d := w.d
	d.item = "stream group count"
	n, err := d.count()
	if err == nil && d.mode != modeFrame {
		d.newDups()
	}
	for ; err == nil && n > 0; n-- {
		if err = d.element(w.groupHead); err == nil {
			err = w.groupBody()
		}
	}
	return err
}

func (w *streamWalk) groupHead() (err error) {
	d := w.d
	var name []byte
	var dup bool
	d.item = "stream group name"
	if d.mode == modeFrame {
		err = d.skipStr()
	} else {
		name, dup, err = d.name()
	}
	if err != nil {
		return err
	}
	el := &d.el
	d.item = "stream group id"
	if el.ID, err = d.id(); err != nil {
		return err
	}
	el.Count = EntriesReadUnknown
	if el.HasCount = d.typ >= TypeStream2; el.HasCount {
		d.item = "stream group entries read"
		if el.Count, err = d.number(); err != nil {
			return err
		}
	}
	if dup {
		d.faultSaying(CodeGroupDuplicate, "Duplicated consumer group name %s", name)
	}
	el.Kind, el.Data = ElementGroup, name
	d.emit()
	return nil
}

func (w *streamWalk) groupBody() error {
	d := w.d
	d.pel.reset()
	if err := w.pending(); err != nil {
		return err
	}
	d.item = "stream consumer count"
	n, err := d.count()
	if err != nil {
		return err
	}
	for i := uint64(1); i <= n; i++ {
		if err := d.element(w.consumer); err != nil {
			return err
		}
		if err := w.consumerPending(i); err != nil {
			return err
		}
	}
	if d.typ >= TypeStream5 {
		if err := w.nacked(); err != nil {
			return err
		}
	}
	if d.mode != modeFrame {
		if id, ok := d.pel.unowned(); ok {
			d.fault(CodePendingUnowned, nil, "%v", id)
		}
	}
	return nil
}

// pending walks the entries pending in a group.
func (w *streamWalk) pending() error {
	d := w.d
	d.item = "stream pending count"
	n, err := d.count()
	if err != nil {
		return err
	}
	for ; n > 0; n-- {
		if d.mode == modeFrame {
			n = d.skipPending(n)
		}
		d.item = "stream pending id"
		id, err := d.fixedID()
		if err != nil {
			return err
		}
		d.item = "stream pending entry"
		at, err := d.s.uint64()
		if err != nil {
			return err
		}
		count, err := d.number()
		if err != nil {
			return err
		}
		if d.mode == modeFrame {
			continue
		}
		if !d.pel.add(id) {
			d.fault(CodePendingDuplicate, nil, "%v", id)
		}
		d.el.Kind, d.el.ID, d.el.TimeMS, d.el.Count = ElementPending, id, int64(at), count
		d.emit()
	}
	return nil
}

func (w *streamWalk) consumer() (err error) {
	d, el := w.d, &w.d.el
	d.item = "stream consumer name"
	if d.mode == modeFrame {
		err = d.skipStr()
	} else {
		el.Data, err = d.str()
	}
	if err != nil {
		return err
	}
	if d.mode != modeFrame && !d.pel.addName(d.seed.Sum(el.Data)) {
		d.fault(CodeConsumerDuplicate, nil, "%q", shorten(el.Data))
	}
	d.item = "stream consumer seen time"
	seen, err := d.s.uint64()
	if err != nil {
		return err
	}
	active := seen
	if d.typ >= TypeStream3 {
		d.item = "stream consumer active time"
		if active, err = d.s.uint64(); err != nil {
			return err
		}
	}
	el.Kind, el.TimeMS, el.ActiveMS = ElementConsumer, int64(seen), int64(active)
	d.emit()
	return nil
}

// consumerPending walks the ids pending with the owner-th consumer of the group.
func (w *streamWalk) consumerPending(owner uint64) error {
	d := w.d
	d.item = "stream consumer pending count"
	n, err := d.count()
	if err != nil {
		return err
	}
	d.item = "stream consumer pending id"
	for ; n > 0; n-- {
		if d.mode == modeFrame { // from the start, or since a fault
			return d.skipIDs(n)
		}
		id, err := d.fixedID()
		if err != nil {
			return err
		}
		switch before, known := d.pel.own(id, owner); {
		case !known:
			d.fault(CodePendingUnknown, nil, "%v", id)
		case before == owner:
			d.fault(CodePendingTwice, nil, "%v", id)
		case before != 0:
			d.faultSaying(CodePendingShared, "NACK already assigned to a different consumer, shared NACKs across consumers are not valid")
		}
		d.el.Kind, d.el.ID = ElementConsumerPending, id
		d.emit()
	}
	return nil
}

// skipPending passes pending entries that are at hand, but for the last of n, and returns how many are left.
func (d *decoder) skipPending(n uint64) (left uint64) {
	b, p := d.s.buf[:d.s.end], d.s.pos
	for ; n > 1 && p <= len(b)-streamIDN-8-quickRoom; n-- {
		_, q := lengthAt(b, p+streamIDN+8)
		if q == 0 {
			break
		}
		p = q
	}
	d.s.pos = p
	return n
}

// skipIDs passes n ids of 16 bytes, one after the other, so that an end among them is noticed where the servers would.
func (d *decoder) skipIDs(n uint64) error {
	for n > 0 {
		k := min(n, max(1, uint64(d.s.end-d.s.pos)/streamIDN)) // those that are at hand
		if err := d.s.skip(k * streamIDN); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// nacked walks the ids that consumers gave back.
func (w *streamWalk) nacked() error {
	d := w.d
	d.item = "stream nack count"
	n, err := d.count()
	if err != nil {
		return err
	}
	d.item = "stream nack id"
	for ; n > 0; n-- {
		if d.mode == modeFrame {
			return d.skipIDs(n)
		}
		id, err := d.fixedID()
		if err != nil {
			return err
		}
		if before, known := d.pel.own(id, ownerNone); !known || before != 0 {
			d.fault(CodeNackUnknown, nil, "%v", id)
		}
		d.el.Kind, d.el.ID = ElementNacked, id
		d.emit()
	}
	return nil
}

// Limits of the idempotency settings (Redis 8.6).
const (
	maxIDMPDuration = 86400
	maxIDMPEntries  = 10000
)

func (w *streamWalk) idmp() (err error) {
	d := w.d
	limits := IDMP{Present: true}
	d.item = "stream idmp duration"
	if limits.DurationS, err = d.count(); err != nil {
		return err
	}
	if limits.DurationS < 1 || limits.DurationS > maxIDMPDuration {
		d.faultAt(CodeIDMPDuration, strconv.FormatUint(limits.DurationS, 10))
	}
	d.item = "stream idmp max entries"
	if limits.MaxEntries, err = d.count(); err != nil {
		return err
	}
	if limits.MaxEntries < 1 || limits.MaxEntries > maxIDMPEntries {
		d.faultAt(CodeIDMPMax, strconv.FormatUint(limits.MaxEntries, 10))
	}
	d.el.Kind, d.el.IDMP = ElementIDMP, limits
	d.emit()
	if err = w.producers(); err != nil {
		return err
	}
	d.item = "stream iids added"
	if limits.Added, err = d.number(); err != nil {
		return err
	}
	d.item = "stream iids duplicates"
	if limits.Duplicates, err = d.number(); err != nil {
		return err
	}
	d.el.Kind, d.el.IDMP = ElementIDMPCounters, limits
	d.emit()
	return nil
}

// faultAt is fault in every mode but that of finding the end.
func (d *decoder) faultAt(code Code, detail string) {
	if d.mode != modeFrame {
		d.fault(code, nil, "%s", detail)
	}
}

func (w *streamWalk) producers() error {
	d := w.d
	d.item = "stream idmp producers"
	n, err := d.count()
	if err == nil && d.mode != modeFrame {
		d.pel.reset()
	}
	for ; err == nil && n > 0; n-- {
		err = w.producer()
	}
	return err
}

func (w *streamWalk) producer() error {
	d := w.d
	if err := d.element(w.producerID); err != nil {
		return err
	}
	n, err := d.count()
	if err == nil && d.mode != modeFrame {
		if !d.pel.addName(w.producerSum) {
			d.fault(CodeIDMPProducer, nil, "")
		}
		d.newDups()
	}
	for ; err == nil && n > 0; n-- {
		err = d.element(w.producerEntry)
	}
	return err
}

func (w *streamWalk) producerID() (err error) {
	d := w.d
	if d.mode == modeFrame {
		return d.skipStr()
	}
	if d.el.Data, err = d.str(); err != nil {
		return err
	}
	w.producerSum = d.seed.Sum(d.el.Data)
	d.el.Kind = ElementProducer
	d.emit()
	return nil
}

func (w *streamWalk) producerEntry() (err error) {
	d := w.d
	var iid []byte
	var dup bool
	if d.mode == modeFrame {
		err = d.skipStr()
	} else {
		iid, dup, err = d.name()
	}
	if err != nil {
		return err
	}
	if d.el.ID, err = d.id(); err != nil {
		return err
	}
	if dup {
		d.fault(CodeIDMPEntry, nil, "%q", shorten(iid))
	}
	d.el.Kind, d.el.Data = ElementIDMPEntry, iid
	d.emit()
	return nil
}
