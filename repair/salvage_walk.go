package repair

import (
	"bytes"
	"context"
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// salvager is a run of Salvage.
type salvager struct {
	ctx      context.Context
	opt      SalvageOptions
	src      io.ReaderAt
	size     int64
	out      Salvaged
	truncate bool

	x          *recordReader
	probe      prober
	census     *census
	recent     []record // read and still open to doubt
	pos        int64    // behind the last of them
	done       int64    // behind what is settled
	ended      bool
	sumWrong   bool  // the checksum is that of other bytes
	oddTimes   []cut // keys with odd expiries, the first ones
	tails      []tail
	entered    record // the key entered last
	keysAtGap  uint32 // those known at the last gap
	learntEver bool   // keys behind a gap were learnt first, as few were known before it
	hollow     []span // records that are damaged and may have swallowed others, the first ones
	shorts     []tail // keys whose values may go on in the gap behind them, the first ones
	tried      int    // keys looked at for these
	forms      []tail // keys of types that are not written any more, the first ones
	weakKeys   []weakKey
	weakEnd    int64 // of the last one
	thin       []thinHead
	sought     int                                 // records looked at for these
	behindEnds int64                               // bytes looked at behind end marks
	inside     int64                               // and in strings that had read on
	bareKeys   []cut                               // keys behind damage that do not expire, the first ones
	openKeys   []cut                               // keys that seem to have lost their expiry, of which the counts are to tell
	open       map[int64]bool                      // where these begin
	guessed    bool                                // the version, of which nothing in the file tells
	sampled    *familySample                       // of such a file
	needed     [rdb.MaxRedisVersion + 1]versionUse // likewise, by version
	again      bool                                // duplicates are to be looked for anew
	unsure     bool                                // all since the last gap may be fields of a hash
	weak       int64                               // where records begin that have little evidence, 0 if there are none
	alone      int64                               // where x began to read without reading ahead

	segs         []segment
	selected     int  // segments that are
	hinted       int  // likewise
	crowded      bool // there were more
	sums         segmentSums
	behind       int // the first segment behind the last gap
	gapAt        int64
	skips        []span // embedded dumps, for the map
	keys         *keySet
	runs         []keyRun // that a check told of, those that are to come
	checkedTo    int64    // how far checks came
	told         int64    // how far that was told
	libs         []library
	moduleTypes  map[rdb.ModuleID]moduleUse
	moduleShapes map[string]madeSo
	cuts         []cut
	surplusCuts  []cut          // of keys of whose expiries there is doubt
	expiryCuts   map[int64]bool // likewise, where they begin
	slots        slotCheck
	doubts       []doubtful // not settled yet
	sample       []byte
}

func newSalvager(ctx context.Context, src io.ReaderAt, size int64, opt SalvageOptions) *salvager {
	opt = opt.withDefaults()
	s := &salvager{ctx: ctx, opt: opt, src: src, size: size, moduleTypes: map[rdb.ModuleID]moduleUse{}, moduleShapes: map[string]madeSo{}, sample: make([]byte, 96)}
	s.out.Size, s.out.src, s.out.opt = size, src, opt
	if !opt.walkAll {
		s.runs, s.keys = opt.checked.takeRuns()
	}
	if s.keys == nil {
		s.keys = newKeySet(opt)
	}
	if opt.checked != nil {
		s.checkedTo = opt.checked.to
	}
	s.probe = prober{view: view{src: src, size: size}, known: map[int64]*record{}, end: size}
	s.probe.x = newRecordReader(opt)
	return s
}

func (s *salvager) close() {
	s.keys.close()
	s.probe.x.r.Close()
	if s.x != nil {
		s.x.stopAhead()
		s.x.r.Close()
	}
}

// tell tells how far the file was read, which checks of what follows do before the walk.
func (s *salvager) tell(at int64) {
	if s.told = max(s.told, at); s.opt.Progress != nil {
		s.opt.Progress(s.told)
	}
}

// tick is called now and then.
func (s *salvager) tick(at int64) error {
	s.tell(at)
	if s.crowded {
		return ErrTooManyParts
	}
	return s.ctx.Err()
}

func (s *salvager) run() error {
	s.readHeader()
	s.probe.headless = !magicAt(s.probe.view.at(0, headerSize))
	s.census = newCensus(s.standings())
	s.probe.census, s.probe.family, s.probe.version = s.census, s.out.Family, s.out.Version
	s.census.idleFirst, s.census.freqFirst = s.idleFirst()
	s.segs = []segment{{}}
	s.x = &recordReader{family: s.out.Family}
	from := s.pos
	if !s.out.HeaderDamaged {
		from = 0 // so that the checksum is computed
	}
	s.x.r = rdb.NewReaderOptions(io.NewSectionReader(s.src, from, s.size-from), s.x.options(s.opt))
	if from > 0 || s.out.HeaderDamaged {
		s.resume()
	} else if s.size >= s.aheadFrom() {
		s.x.ahead = newReadAhead(io.NewSectionReader(s.src, 0, s.size), nil, s.opt, s.opt.checked)
	}
	for !s.ended {
		failed, err := s.walk()
		s.probe.view.giveBack()
		if err != nil {
			return err
		}
		if s.ended || s.truncate {
			break
		}
		if s.othersRecord(failed) {
			s.resume()
			continue
		}
		s.weak = 0
		if err := s.resync(failed); err != nil {
			return err
		}
		if s.pos >= s.probe.end {
			break
		}
		s.resume()
	}
	s.settle(0)
	if s.done < s.probe.end {
		s.lose(s.done, s.probe.end)
	}
	if s.probe.end < s.size && !s.ended {
		if n := len(s.out.Regions); n > 0 { // a damaged record may seem to reach into what is another file's
			r := &s.out.Regions[n-1]
			r.End = min(r.End, s.probe.end)
		}
		s.mark(s.probe.end, s.size, RegionForeign)
	}
	if s.crowded {
		return ErrTooManyParts
	}
	return s.probe.view.err
}

// resume makes the ordinary reading go on at s.pos.
func (s *salvager) resume() {
	s.x.stopAhead()
	s.alone = s.pos
	s.x.r.Resume(io.NewSectionReader(s.src, s.pos, s.probe.end-s.pos), s.probe.position(s.pos))
}

// aheadFrom is how many bytes are read before records are read ahead.
func (s *salvager) aheadFrom() int64 {
	if s.opt.alone != 0 {
		return s.opt.alone
	}
	return aheadLeast
}

// goAhead has records read ahead from s.pos on, which is behind a key.
func (s *salvager) goAhead() {
	at := s.probe.position(s.pos)
	s.x.ahead = newReadAhead(io.NewSectionReader(s.src, s.pos, s.probe.end-s.pos), &at, s.opt, nil)
}

// cutAgain has a piece cut anew, and those behind it, where its end was guessed wrong.
func (s *salvager) cutAgain() {
	a := s.x.ahead
	p, wary := a.again, a.wary
	s.x.stopAhead()
	src := io.NewSectionReader(s.src, p.Start(), s.probe.end-p.Start())
	s.x.ahead = startAhead(src, rdb.SplitterOptions{Again: p, Sure: wary}, min(2*wary, maxWary), s.opt, a.checked)
}

// walk reads records until the end or until one cannot be read or believed; it returns where that one begins.
func (s *salvager) walk() (failed int64, err error) {
	var f record
	for n := 0; ; n++ {
		if n&1023 == 1023 {
			if err := s.tick(s.pos); err != nil {
				return 0, err
			}
		}
		if s.x.ahead == nil && s.pos-s.alone >= s.aheadFrom() && f.what == isKey {
			s.goAhead()
		}
		if f.what == isKey {
			if err := s.askCheck(); err != nil {
				return 0, err
			}
		}
		if calm := s.passCalm(); s.passRun() || calm {
			if err := s.tick(s.pos); err != nil {
				return 0, err
			}
		}
		if !s.x.head(&f) {
			switch s.x.err() {
			case errDense:
				s.resume()
				continue
			case errGuess:
				s.cutAgain()
				continue
			}
			fe, err := framing(s.x.err())
			if fe == nil && err == nil && s.out.Version < firstChecked {
				s.ended = true
			}
			return s.pos, err
		}
		if s.x.ahead != nil {
			s.x.ahead.show(&s.probe.view)
		}
		if carried := f.start < s.pos; carried && s.truncate {
			f.start, f.modified, f.damaged = s.pos, true, true
		} else if carried { // what says something of this key stands before another record
			f.start = s.pos
			s.surplus(&f, true)
		} else if f.modified && !s.truncate {
			s.surplus(&f, false)
		}
		if s.incredible(&f) {
			return s.pos, nil
		}
		if f.what == isEnd {
			if s.atEnd(&f) {
				return s.pos, nil
			}
			s.resume()
			continue
		}
		key := s.x.key
		s.census.hinted = s.census.hinted || f.what == isResize
		learn, like := f.what == isKey && s.census.count(&f, s.x.entry), 0.0
		if learn {
			like = s.census.learnKey(key)
			s.census.learnShape(key, f.expires)
		}
		if f.what == isResize && f.numbers[1] > 0 {
			s.census.willExpire = true
		}
		if f.what == isSlot || f.what == isSlotField {
			s.x.slots, s.probe.x.slots = true, true
		}
		s.noteFields(&f)
		if err := s.x.value(&f); err != nil {
			fe, err := framing(err)
			if fe == nil {
				return 0, err
			}
			return s.pos, err
		}
		if s.truncate && f.damaged || f.damaged && f.what == isKey && (s.hopeless(&f) || s.longerType(&f) || s.longName(&f)) || s.unheardOf(&f) {
			return s.pos, nil
		}
		if learn {
			s.learnValue(s.x.entry.ValueOffset, &f)
		}
		if f.what == isResize && !s.truncate {
			s.takeBackSelect(&f)
		}
		if f.what == isKey && !s.truncate {
			odd, behind := s.census.oddControl(key), s.behindDamaged(&f)
			if behind && s.probe.inNode(&f) {
				f.damaged, f.doubt = true, DoubtBeginning
			} else if odd && behind {
				if odd = !s.beginsLater(&f); odd && f.typ == rdb.TypeString && !f.modified {
					return s.pos, nil // where the damaged one ends is not certain
				}
			}
			if !behind {
				if r := s.swallowedByKey(&f, key, true); r != nil {
					s.accept(f.cutAt(r.start))
					f, odd, key = *r, false, bytes.Clone(s.keyOf(r))
				}
			}
			if odd && s.otherKey(&f, false) {
				f.damaged, f.doubt = true, DoubtBeginning
			} else if odd && s.probe.view.zerosBefore(f.end, 1) == 1 {
				f.weak = len(s.probe.stringOf(&f)) == 0 && f.typ == rdb.TypeString
			}
			s.takeBack(&f)
			f.rote = s.probe.byRote(&f, key)
		}
		if f.code == rdb.CodeEmpty && like < hopelessBits && !s.truncate {
			s.doubtEnd(&f)
		}
		s.accept(f)
		switch {
		case f.damaged && f.what == isKey:
			s.probe.view.giveBack()
			if s.swallowedNext() {
				s.resume()
				continue
			}
			s.lookInside()
		case f.what == isKey && s.odd(&f, key):
			if s.weak == 0 {
				s.weak = f.start
			}
		case s.weak > 0:
			s.calmly()
		}
	}
}

// learnValue learns what values look like from the one at an offset.
func (s *salvager) learnValue(at int64, f *record) {
	n := int(min(int64(len(s.sample)), f.end-at))
	if b := s.probe.view.borrow(at, n); b != nil {
		copy(s.sample[:n], b)
	} else {
		n, _ = s.src.ReadAt(s.sample[:n], at)
	}
	if f.typ == rdb.TypeModule2 && len(s.census.modules) < 1000 {
		id, _, _, _ := lengthForm(s.sample[:n])
		s.census.modules[rdb.ModuleID(id)] = true
	}
	if _, size, enc, shortest := lengthForm(s.sample[:n]); f.typ == rdb.TypeString && size > 0 {
		s.census.longForms += one(!shortest)
		if value := s.sample[min(size, n):n]; !enc && len(value) >= noiseLeast {
			noise := isNoise(value)
			s.census.noises += one(noise)
			s.census.texts += one(!noise)
		}
	}
	s.census.valueText.learn(s.sample[:n], false)
}

// learnFrom learns from some records of a chain that is trusted, before what comes before it is judged.
func (s *salvager) learnFrom(at int64) {
	x := newRecordReader(s.opt)
	defer x.r.Close()
	x.r.Resume(io.NewSectionReader(s.src, at, s.probe.end-at), s.probe.position(at))
	var f record
	var c census
	defer func() {
		s.census.idleFirst = s.census.idleFirst || c.usually(c.idle)
		s.census.freqFirst = s.census.freqFirst || c.usually(c.freqs)
	}()
	for n := 0; n < 4*learnFirst && x.head(&f) && f.what != isEnd; n++ {
		if f.what == isKey {
			c.countKey(f.typ, f.expires, x.entry.Idle >= 0, x.entry.Freq >= 0)
			s.census.learnKey(x.key)
			s.census.learnShape(x.key, f.expires)
			s.census.willExpire = s.census.willExpire || f.expires
			if x.value(&f) != nil {
				return
			}
			s.learnValue(x.entry.ValueOffset, &f)
		}
	}
}

// accept adds a record to those read.
func (s *salvager) accept(f record) {
	s.recent = append(s.recent, f)
	s.pos = f.end
	if s.unsure = s.unsure && f.likeField(); s.unsure && len(s.recent) < mostOpen {
		return
	}
	if len(s.recent) >= 2*openRecords {
		s.settle(openRecords)
	}
}

// openRecords is how many records stay open to doubt, mostOpen where they may all be fields of a hash.
const (
	openRecords = 64
	mostOpen    = 4096
)

// settle gives all but the last records that were read to the account.
func (s *salvager) settle(keep int) {
	n := len(s.recent) - keep
	for i := range n {
		s.commit(&s.recent[i], s.recent[i:])
	}
	if n > 0 {
		s.recent = s.recent[:copy(s.recent, s.recent[n:])]
	}
}

// replace puts a new reading in the place of the records from its beginning on.
func (s *salvager) replace(g *gap, path []*record) {
	before := map[int64]record{} // what was read, by start
	for n := len(s.recent); n > 0 && s.recent[n-1].start >= g.w; n-- {
		before[s.recent[n-1].start] = s.recent[n-1]
		s.recent = s.recent[:n-1]
	}
	for _, f := range path {
		f := *f
		s.takeBackInRow(&f)
		s.recent = append(s.recent, f)
		if was, ok := before[f.start]; ok && was.end == f.end {
			s.recent[len(s.recent)-1].keepSurplus(&was)
		}
	}
	s.pos, s.unsure = g.anchor, s.fieldsPossible()
	s.skips = append(s.skips, g.skipped...)
	if n := len(g.skipped); n > 0 && !g.found && g.skipped[n-1].end == s.probe.end {
		s.probe.end = g.skipped[n-1].start // another file behind this one
		s.pos = s.probe.end
	}
}
