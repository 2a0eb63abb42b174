package main

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/kvfsck/kvfsck/rdb"
)

// respStream is what has to be known of a stream while its commands are written, which are those of a server's own rewrite:
//
//	XADD key id field value ...                         for each entry; one with MAXLEN 0 for a stream without entries
//	XSETID key last ENTRIESADDED n MAXDELETEDID id
//	XCFGSET key IDMP-DURATION n IDMP-MAXSIZE n          where they are not the default
//	XGROUP CREATE key group last ENTRIESREAD n
//	XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n JUSTID FORCE
//	XGROUP CREATECONSUMER key group consumer            for one with nothing pending
//
// No command makes an entry pending that was deleted, gives an id back, or remembers ids of idempotent producers: a stream with any
// of these is restored. When a consumer was last seen no command tells.
type respStream struct {
	only     bool           // only RESTORE can hold it
	pending  []rdb.StreamID // of all groups, in order
	length   int
	first    rdb.StreamID
	meta     rdb.StreamMeta
	group    []byte
	claims   map[rdb.StreamID]rdb.StreamPending // of the group
	consumer []byte
	idle     bool // there is a consumer of whom nothing was written
}

// streamDefault is both limits that a stream has where nothing was configured (stream-idmp-duration, stream-idmp-maxsize).
const streamDefault = 100

// streamValue writes a stream. Its bytes are kept, as they have to be looked at twice.
func (w *respWriter) streamValue(e *rdb.Entry) error {
	if !w.server.can(canStream) {
		return &notHeldError{key: e.Key, what: abilities[canStream].what, r: w.server}
	}
	raw, err := e.Raw()
	if err != nil {
		return err
	}
	s := &w.stream
	if err := w.survey(e, raw); err != nil {
		return err
	}
	if s.only {
		return w.restore(e, raw)
	}
	return w.streamCommands(e, raw)
}

// elements calls each with the elements of a stream or a module's value, of which raw is the bytes.
func (w *respWriter) elements(e *rdb.Entry, raw []byte, each func(*rdb.Element) error) error {
	target, ok := payloads[e.Type]
	if !ok {
		return &notHeldError{key: e.Key, what: "a value of type " + e.Type.String()}
	}
	if w.again == nil {
		w.again = rdb.NewReader(nil)
	}
	w.record = append(append(w.record[:0], byte(e.Type), 1, 'k'), raw...)
	w.again.ResumeBytes(w.record, rdb.Position{Offset: e.ValueOffset - int64(len(w.record)-len(raw)), Family: e.Family, Version: int(target), DB: e.DB})
	if !w.again.Next() {
		return placed(e, w.again.Err())
	}
	var err error
	fault := w.again.Record().(*rdb.Entry).Visit(func(el *rdb.Element) bool {
		err = each(el)
		return err == nil
	})
	return cmp.Or(err, placed(e, fault))
}

// placed makes a fault of a value that was read again one of its key.
func placed(e *rdb.Entry, err error) error {
	var fault *rdb.FormatError
	if errors.As(err, &fault) {
		fault.Record, fault.Key = e.Offset, e.Key
	}
	return err
}

// survey finds out what kind of commands are needed.
func (w *respWriter) survey(e *rdb.Entry, raw []byte) error {
	s := &w.stream
	*s = respStream{pending: s.pending[:0]}
	err := w.elements(e, raw, func(el *rdb.Element) error {
		switch el.Kind {
		case rdb.ElementStreamEntry:
			if s.length == 0 {
				s.first = el.ID
			}
			s.length++
		case rdb.ElementStreamMeta:
			s.meta = el.Meta
		case rdb.ElementPending:
			s.pending = append(s.pending, el.ID)
		case rdb.ElementNacked, rdb.ElementProducer:
			s.only = true
		case rdb.ElementIDMPCounters:
			s.only = s.only || el.IDMP.Added != 0 || el.IDMP.Duplicates != 0
		}
		return nil
	})
	if err != nil || len(s.pending) == 0 || s.only {
		return err
	}
	slices.SortFunc(s.pending, compareIDs)
	return w.findDeleted(e, raw)
}

func compareIDs(a, b rdb.StreamID) int {
	return cmp.Or(cmp.Compare(a.MS, b.MS), cmp.Compare(a.Seq, b.Seq))
}

// findDeleted looks for a pending entry that is not in the stream.
func (w *respWriter) findDeleted(e *rdb.Entry, raw []byte) error {
	s := &w.stream
	left := s.pending
	err := w.elements(e, raw, func(el *rdb.Element) error {
		if el.Kind == rdb.ElementStreamEntry {
			if len(left) > 0 && left[0].Less(el.ID) {
				s.only = true
			}
			for len(left) > 0 && left[0] == el.ID {
				left = left[1:]
			}
		}
		return nil
	})
	s.only = s.only || len(left) > 0
	return err
}

// streamCommands writes a stream that commands can hold.
func (w *respWriter) streamCommands(e *rdb.Entry, raw []byte) error {
	err := w.elements(e, raw, func(el *rdb.Element) error {
		if err := w.streamElement(e, el); err != nil {
			return err
		}
		return w.out.Relieve()
	})
	w.endConsumer(e.Key)
	return err
}

func (w *respWriter) streamElement(e *rdb.Entry, el *rdb.Element) error {
	s := &w.stream
	switch el.Kind {
	case rdb.ElementStreamEntry:
		w.command("XADD", append([][]byte{e.Key, []byte(el.ID.String())}, el.Fields...)...)
	case rdb.ElementStreamMeta:
		w.streamMeta(e.Key)
	case rdb.ElementIDMP:
		w.endConsumer(e.Key)
		return w.streamLimits(e.Key, &el.IDMP)
	case rdb.ElementGroup:
		w.endConsumer(e.Key)
		s.group = append(s.group[:0], el.Data...)
		s.claims = map[rdb.StreamID]rdb.StreamPending{}
		w.streamGroup(e.Key, el)
	case rdb.ElementPending:
		s.claims[el.ID] = rdb.StreamPending{ID: el.ID, DeliveredMS: el.TimeMS, Count: el.Count}
	case rdb.ElementConsumer:
		w.endConsumer(e.Key)
		s.consumer, s.idle = append(s.consumer[:0], el.Data...), true
	case rdb.ElementConsumerPending:
		s.idle = false
		p := s.claims[el.ID]
		w.command("XCLAIM", e.Key, s.group, s.consumer, []byte("0"), []byte(el.ID.String()), []byte("TIME"), appendInt(p.DeliveredMS),
			[]byte("RETRYCOUNT"), strconv.AppendUint(nil, p.Count, 10), []byte("JUSTID"), []byte("FORCE"))
	}
	return nil
}

// streamMeta sets the counters. A stream without entries is created by an entry that is trimmed at once.
func (w *respWriter) streamMeta(key []byte) {
	m := &w.stream.meta
	last := []byte(m.LastID.String())
	if w.stream.length == 0 {
		id := last
		if m.LastID == (rdb.StreamID{}) {
			id = []byte("0-1")
		}
		w.command("XADD", key, []byte("MAXLEN"), []byte("0"), id, []byte("x"), []byte("y"))
	}
	if !w.server.can(canStreamCounters) {
		w.command("XSETID", key, last)
		return
	}
	w.command("XSETID", key, last, []byte("ENTRIESADDED"), strconv.AppendUint(nil, m.Added, 10),
		[]byte("MAXDELETEDID"), []byte(m.MaxDeleted.String()))
}

func (w *respWriter) streamLimits(key []byte, l *rdb.IDMP) error {
	switch {
	case !l.Present || l.DurationS == streamDefault && l.MaxEntries == streamDefault:
		return nil
	case !w.server.can(canStreamLimits):
		return &notHeldError{key: key, what: abilities[canStreamLimits].what, r: w.server}
	}
	w.command("XCFGSET", key, []byte("IDMP-DURATION"), strconv.AppendUint(nil, l.DurationS, 10),
		[]byte("IDMP-MAXSIZE"), strconv.AppendUint(nil, l.MaxEntries, 10))
	return nil
}

func (w *respWriter) streamGroup(key []byte, el *rdb.Element) {
	args := [][]byte{[]byte("CREATE"), key, el.Data, []byte(el.ID.String())}
	if w.server.can(canStreamCounters) {
		read := int64(el.Count)
		if !el.HasCount {
			read = w.stream.estimate(el.ID)
		}
		args = append(args, []byte("ENTRIESREAD"), appendInt(read))
	}
	w.command("XGROUP", args...)
}

// estimate is how much a group has read as a server has it that loads a type without such a number: -1 if it cannot be told
// (t_stream.c, streamEstimateDistanceFromFirstEverEntry, for a stream of which nothing was deleted).
func (s *respStream) estimate(last rdb.StreamID) int64 {
	switch {
	case s.length == 0, last.Less(s.first):
		return 0
	case last == s.meta.LastID:
		return int64(s.length)
	case last == s.first:
		return 1
	}
	return -1
}

// endConsumer creates a consumer that no XCLAIM did.
func (w *respWriter) endConsumer(key []byte) {
	s := &w.stream
	if s.idle && w.server.can(canCreateConsumer) {
		w.command("XGROUP", []byte("CREATECONSUMER"), key, s.group, s.consumer)
	}
	s.idle = false
}
