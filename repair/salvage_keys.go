package repair

import "github.com/kvfsck/kvfsck/internal/dupset"

// keySet finds keys that stand twice. They are dealt out beside the walk, and compared at its end: by hashes alone, unless they are few. What may stand
// twice is looked for again then, see [salvager.countAgain].
type keySet struct {
	opt     dupset.Options
	workers int        // that compare
	keys    []keyPlace // as long as they are few
	filter  *dupset.Filter
	hashes  []uint64      // not handed over yet
	work    chan []uint64 // nil as long as none were handed over
	free    chan []uint64
	ended   chan struct{}
	err     error // of the filter

	exact    *dupset.Late // takes the place of all that: for keys that are looked at again
	suspects *dupset.Suspects
}

// keyPlace is a key and where its record begins.
type keyPlace struct {
	hash uint64
	at   int64
}

const (
	fewPlaces  = 2048
	keysAtOnce = 2048 // are handed over
)

func newKeySet(o SalvageOptions) *keySet {
	return &keySet{opt: dupset.Options{MemoryLimit: o.MaxMemory, TempDir: o.TempDir, MaxDups: maxDuplicates}, workers: o.readers()}
}

// newExactKeySet is for keys of which it takes the suspects; nil is all.
func newExactKeySet(o SalvageOptions, suspects *dupset.Suspects) *keySet {
	k := newKeySet(o)
	k.exact, k.suspects = dupset.NewLate(k.opt), suspects
	return k
}

// add adds a key by the hash of its name.
func (k *keySet) add(hash, db uint64, at int64) {
	hash = dupset.InSpace(hash, db)
	if k.filter == nil {
		if k.keys = append(k.keys, keyPlace{hash, at}); len(k.keys) < fewPlaces {
			return
		}
		k.many()
		return
	}
	if k.hashes = append(k.hashes, hash); len(k.hashes) >= keysAtOnce {
		k.handOver()
	}
}

// many makes it a set of more than a few keys.
func (k *keySet) many() {
	k.filter = dupset.NewFilter(k.opt)
	for i := range k.keys {
		k.hashes = append(k.hashes, k.keys[i].hash)
	}
	k.keys = nil
}

// addRun adds keys by the hashes of their names in their database. The hashes are the set's from then on; what it returns has room for others, and is the caller's.
func (k *keySet) addRun(hashes []uint64) (room []uint64) {
	if k.filter == nil {
		k.many()
	}
	return k.give(hashes)
}

// addExact adds a key to an exact set, if it is a suspect.
func (k *keySet) addExact(key []byte, db uint64, at int64) error {
	seeds := dupset.Process()
	if k.suspects != nil && !k.suspects.Has(dupset.InSpace(seeds.Hash(key), db)) {
		return nil
	}
	sum := seeds.Sum(key)
	sum.Lo = dupset.InSpace(sum.Lo, db)
	return k.exact.Add([]dupset.Note{dupset.NoteOf(sum, at)})
}

// handOver has the keys so far dealt out beside the walk.
func (k *keySet) handOver() { k.hashes = k.give(k.hashes) }

// give has hashes dealt out beside the walk, and returns room for others.
func (k *keySet) give(hashes []uint64) (room []uint64) {
	if k.work == nil {
		const waiting = 4
		k.work, k.free, k.ended = make(chan []uint64, waiting), make(chan []uint64, waiting), make(chan struct{})
		go k.deal()
	}
	k.work <- hashes
	select {
	case room = <-k.free:
		return room
	default:
		return make([]uint64, 0, keysAtOnce)
	}
}

// deal deals out keys as they come.
func (k *keySet) deal() {
	defer close(k.ended)
	for hashes := range k.work {
		if k.err == nil {
			k.err = k.filter.Add(hashes)
		}
		select {
		case k.free <- hashes[:0]:
		default:
		}
	}
}

// wait ends the dealing beside.
func (k *keySet) wait() {
	if k.work != nil {
		close(k.work)
		<-k.ended
		k.work = nil
	}
}

// finish returns every duplicate, as [dupset.Late.Finish] does, and how many there are; or else the suspects, if that takes a second look.
func (k *keySet) finish() (dups []dupset.Dup, seen int64, suspects *dupset.Suspects, err error) {
	switch {
	case k.exact != nil:
		dups, seen, err = k.exact.Finish(k.workers)
		return dups, seen, nil, err
	case k.filter == nil:
		dups, seen, err = k.few()
		return dups, seen, nil, err
	}
	k.handOver()
	if k.wait(); k.err != nil {
		return nil, 0, nil, k.err
	}
	suspects, err = k.filter.Finish(k.workers)
	return nil, 0, suspects, err
}

// few is finish where there are few keys: among so many, hashes of 64 bits can be taken for the keys.
func (k *keySet) few() (dups []dupset.Dup, seen int64, err error) {
	set := dupset.New(k.opt)
	defer set.Close()
	for _, p := range k.keys {
		if _, err := set.Add(dupset.Sum{Hi: p.hash, Lo: p.hash}, p.at); err != nil {
			return nil, 0, err
		}
	}
	dups, err = set.Finish()
	return dups, set.Seen(), err
}

func (k *keySet) close() {
	k.wait()
	if k.filter != nil {
		k.filter.Close()
	}
	if k.exact != nil {
		k.exact.Close()
	}
	k.filter, k.exact = nil, nil
}
