package repair

import "github.com/kvfsck/kvfsck/internal/dupset"

// keySet finds keys that stand twice. With many keys each is a wait for memory, so they are looked for beside the walk, in the order in which they
// come.
type keySet struct {
	set   *dupset.Set
	keys  []keyPlace // not looked for yet
	work  chan []keyPlace
	free  chan []keyPlace
	ended chan struct{}
}

// keyPlace is a key and where its record begins.
type keyPlace struct {
	sum dupset.Sum
	at  int64
}

// keysAtOnce is how many keys are handed over at once, touchAtOnce how many waits are let pass side by side.
const (
	keysAtOnce  = 2048
	touchAtOnce = 32
)

func newKeySet(o SalvageOptions) *keySet {
	return &keySet{set: dupset.New(dupset.Options{MemoryLimit: o.MaxMemory / 2, TempDir: o.TempDir, MaxDups: maxDuplicates})}
}

func (k *keySet) add(sum dupset.Sum, at int64) {
	if k.keys = append(k.keys, keyPlace{sum, at}); len(k.keys) < keysAtOnce {
		return
	}
	if k.work == nil {
		const waiting = 4
		k.work, k.free, k.ended = make(chan []keyPlace, waiting), make(chan []keyPlace, waiting), make(chan struct{})
		go k.look()
	}
	k.work <- k.keys
	select {
	case k.keys = <-k.free:
	default:
		k.keys = make([]keyPlace, 0, keysAtOnce)
	}
}

// look looks for keys as they come.
func (k *keySet) look() {
	defer close(k.ended)
	for keys := range k.work {
		k.lookFor(keys)
		select {
		case k.free <- keys[:0]:
		default:
		}
	}
}

// lookFor looks for some keys. An error stays with the set.
func (k *keySet) lookFor(keys []keyPlace) {
	for len(keys) > 0 {
		n := min(len(keys), touchAtOnce)
		for i := range keys[:n] {
			k.set.Touch(keys[i].sum)
		}
		for i := range keys[:n] {
			k.set.Add(keys[i].sum, keys[i].at)
		}
		keys = keys[n:]
	}
}

// wait ends the looking beside.
func (k *keySet) wait() {
	if k.work != nil {
		close(k.work)
		<-k.ended
		k.work = nil
	}
}

// finish returns every duplicate, as [dupset.Set.Finish] does, and how many there are.
func (k *keySet) finish() (dups []dupset.Dup, seen int64, err error) {
	k.wait()
	k.lookFor(k.keys)
	k.keys = nil
	dups, err = k.set.Finish()
	return dups, k.set.Seen(), err
}

func (k *keySet) close() {
	k.wait()
	k.set.Close()
}
