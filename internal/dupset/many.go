package dupset

import "slices"

// Many tells quickly that strings are surely all different, where they are too many for a [Few]: by the same hashes, all of which are kept, and of which none
// may stand twice. Beyond [manyMost] they go to a [Filter]. The zero value is ready for [Many.Reset].
type Many struct {
	opt    Options
	sums   []uint64
	twice  bool // two are equal, or there is no telling
	filter *Filter
	filed  bool // some went there
	sieve  sieve

	cores  int
	others []uint64   // memory that is not sums'
	busy   chan error // hashes are handed over beside; nil if not
}

const manyMost = 1 << 17 // 1 MiB

// Reset empties it. So many cores may be used. The limit of memory is that of the filter, and the first one given counts.
func (m *Many) Reset(opt Options, cores int) {
	m.Close()
	m.opt, m.cores, m.sums, m.twice = opt, cores, m.sums[:0], false
}

// Add adds a string by its [QuickSum].
func (m *Many) Add(sum uint64) {
	if len(m.sums) == manyMost {
		m.spill()
	}
	m.sums = append(m.sums, sum)
}

// AddNames adds the names at these places of b, as [Few.NewNames] does, at most [MaxNames]. It is false if it is known by now that
// not all look different; then nothing more need be added.
func (m *Many) AddNames(b []byte, names []Name) bool {
	sums := m.Room(len(names))
	for i, n := range names {
		sums[i] = QuickSum(b, n.At, n.Len)
	}
	return m.Filled(sums)
}

// Room adds n strings, at most [MaxNames], whose hashes the caller puts there, all made in one way, before [Many.Filled].
func (m *Many) Room(n int) (sums []uint64) {
	if len(m.sums)+n > manyMost {
		m.spill()
	}
	at := len(m.sums)
	m.sums = slices.Grow(m.sums, n)[:at+n]
	return m.sums[at:]
}

// Filled tells it that the hashes are there. It returns what [Many.AddNames] does.
func (m *Many) Filled(sums []uint64) bool {
	// Zeros and other patterns are many equal names in a row.
	last := ^uint64(0)
	for _, sum := range sums {
		if sum == last {
			m.twice = true
		}
		last = sum
	}
	return !m.twice
}

// spill hands the hashes over to the filter.
func (m *Many) spill() {
	if m.filter == nil {
		m.filter = NewFilter(m.opt)
	}
	m.filed = true
	m.wait()
	m.busy = make(chan error, 1)
	add := func(sums []uint64) { m.busy <- m.filter.Add(sums) }
	if m.cores > 1 {
		go add(m.sums)
		m.sums, m.others = m.others, m.sums
	} else {
		add(m.sums)
	}
	m.sums = m.sums[:0]
}

// wait waits until nothing is handed over.
func (m *Many) wait() {
	if m.busy != nil {
		m.twice = <-m.busy != nil || m.twice
		m.busy = nil
	}
}

// AllNew reports whether all that were added surely are different. Nothing may be added afterwards.
func (m *Many) AllNew() bool {
	switch {
	case m.twice:
	case m.filed:
		m.spill()
		m.wait()
		suspects, err := m.filter.Finish(m.cores)
		m.twice = m.twice || err != nil || suspects != nil
	default:
		m.twice = m.sieved()
	}
	return !m.twice
}

// sieved reports whether any of the hashes stand twice.
func (m *Many) sieved() bool {
	s := &m.sieve
	s.begin(int64(len(m.sums)))
	var heads [512]uint32
	for some := range slices.Chunk(m.sums, len(heads)) {
		for i, sum := range some {
			heads[i] = uint32(sum >> 32)
		}
		s.add(heads[:len(some)])
	}
	if !s.finish() {
		return false
	}
	suspects := m.others[:0]
	for _, sum := range m.sums {
		if s.suspected(uint32(sum >> 32)) {
			suspects = append(suspects, sum)
		}
	}
	m.others = suspects
	return len(twice(suspects)) > 0
}

// Close gives back the temporary file of what was added, if there is one.
func (m *Many) Close() {
	if m.filed {
		m.wait()
		m.filter.Reset()
		m.filed = false
	}
}
