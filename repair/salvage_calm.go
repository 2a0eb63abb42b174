package repair

import "slices"

// calmly reconsiders the records read last, where nothing failed, if that can come to anything. A reading is taken only if it has one row of other
// records that ends where the last one begins, with evidence for it of calmBits. Whether any does is found out by framing alone, which is quick;
// the evidence is asked of the few that do.
func (s *salvager) calmly() {
	if s.opt.plain || s.otherRow() {
		s.probe.view.giveBack()
		s.reconsider()
		return
	}
	s.weak = 0
}

// otherRow reports whether there may be such a row.
func (s *salvager) otherRow() bool {
	const slack = 0.5 // for sums in another order
	i := len(s.recent) - 1
	end := s.recent[i].start
	for i > 0 && s.recent[i].start >= s.weak {
		i--
	}
	w, p := s.recent[i].start, &s.probe
	if end-w > solveMost {
		return false
	}
	v := &p.view
	lent := w >= v.lentAt && end <= v.lentAt+int64(len(v.lent))
	var row []span // records that end at end, or where another of them begins; from the back
	leads := map[int64]float64{end: 0}
	read := func(at int64) bool {
		return slices.ContainsFunc(s.recent[i:], func(f record) bool { return f.start == at })
	}
	for at := end - 1; at >= w; at-- {
		var b []byte
		if lent {
			b = v.lent[at-v.lentAt:]
		} else {
			b = v.at(at, int(min(end-at, probeAhead)))
		}
		if int64(len(b)) > end-at {
			b = b[:end-at]
		}
		if !p.plausible(b) || read(at) {
			continue
		}
		to, cut := p.frame(at, b)
		if cut && at+int64(len(b)) < end {
			return true // it may end anywhere
		}
		if _, ok := leads[to]; ok {
			row = append(row, span{at, to})
			leads[at] = 0
		}
	}
	if len(row) == 0 {
		return false
	}
	p.forgetAll()
	p.reach = end
	defer func() { p.reach, v.whole = 0, 0 }()
	for _, sp := range row {
		bits := leads[sp.end]
		if lent {
			v.whole = sp.start
		}
		if f := p.probe(sp.start); f != nil && !f.damaged {
			bits += max(0, float64(f.score))
		}
		if leads[sp.start] = bits; bits >= calmBits-slack {
			return true
		}
	}
	return false
}

// frame returns where the record ends that begins b, without looking at what it holds; cut says that it does not end within b. Without a record it
// returns 0.
func (p *prober) frame(at int64, b []byte) (end int64, cut bool) {
	r := p.x.r
	r.ResumeBytes(b, p.position(at))
	ok, short := r.Frame()
	if !ok {
		return 0, short
	}
	return r.Offset(), false
}
