package repair

import "github.com/kvfsck/kvfsck/internal/dupset"

// keySet finds keys that stand twice. They are dealt out beside the walk, in the order in which they come, and compared at its end.
type keySet struct {
	opt     dupset.Options
	workers int        // that compare
	keys    []keyPlace // not handed over yet
	set     *dupset.Late
	work    chan []keyPlace // nil as long as none were handed over
	free    chan []keyPlace
	ended   chan struct{}
	err     error // of the set
}

// keyPlace is a key and where its record begins.
type keyPlace struct {
	sum dupset.Sum
	at  int64
}

// keysAtOnce is how many keys are handed over at once.
const keysAtOnce = 2048

func newKeySet(o SalvageOptions) *keySet {
	return &keySet{opt: dupset.Options{MemoryLimit: o.MaxMemory, TempDir: o.TempDir, MaxDups: maxDuplicates}, workers: o.readers()}
}

func (k *keySet) add(sum dupset.Sum, at int64) {
	if k.keys = append(k.keys, keyPlace{sum, at}); len(k.keys) >= keysAtOnce {
		k.handOver()
	}
}

// handOver has the keys so far dealt out beside the walk.
func (k *keySet) handOver() {
	if k.work == nil {
		const waiting = 4
		k.set = dupset.NewLate(k.opt)
		k.work, k.free, k.ended = make(chan []keyPlace, waiting), make(chan []keyPlace, waiting), make(chan struct{})
		go k.deal()
	}
	k.work <- k.keys
	select {
	case k.keys = <-k.free:
	default:
		k.keys = make([]keyPlace, 0, keysAtOnce)
	}
}

// deal deals out keys as they come.
func (k *keySet) deal() {
	defer close(k.ended)
	var notes []dupset.Note
	for keys := range k.work {
		notes = notes[:0]
		for i := range keys {
			notes = append(notes, dupset.NoteOf(keys[i].sum, keys[i].at))
		}
		if k.err == nil {
			k.err = k.set.Add(notes)
		}
		select {
		case k.free <- keys[:0]:
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

// finish returns every duplicate, as [dupset.Late.Finish] does, and how many there are.
func (k *keySet) finish() (dups []dupset.Dup, seen int64, err error) {
	if k.set == nil {
		return k.few()
	}
	k.handOver()
	k.wait()
	if k.err != nil {
		return nil, 0, k.err
	}
	return k.set.Finish(k.workers)
}

// few is finish where there are few keys.
func (k *keySet) few() (dups []dupset.Dup, seen int64, err error) {
	set := dupset.New(k.opt)
	defer set.Close()
	for _, p := range k.keys {
		if _, err := set.Add(p.sum, p.at); err != nil {
			return nil, 0, err
		}
	}
	dups, err = set.Finish()
	return dups, set.Seen(), err
}

func (k *keySet) close() {
	k.wait()
	if k.set != nil {
		k.set.Close()
		k.set = nil
	}
}
