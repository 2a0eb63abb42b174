package repair

// Blocks of a file can be exchanged, as by writes to wrong places. Then records stand whole in the middle of a value. Where that shows its damage they are
// looked for in it, though they lead to no record behind it.

// buried returns the best reading of a damaged record with rows that end inside it, nil if there is none in which enough records are found.
func (s *salvager) buried(g *gap) []*record {
	p := &s.probe
	if g.calm > 0 || p.soundHead(g.w, p.view.at(g.w, 1<<10)) < headMin {
		return nil // it is none itself
	}
	if n := len(s.recent); n > 1 && s.recent[n-2].end == g.w && !s.recent[n-2].damaged && !s.endsThere(&s.recent[n-2], g) {
		return nil // it may be a part of the one before
	}
	doubts := len(s.doubts)
	g.last = true
	path := s.judge(g.best(), g)
	solid, fields := 0, s.fieldsPossible()
	for _, f := range path {
		if !f.damaged && !g.stuck[f.start] && f.score >= solidBits && !(fields && f.likeField() && !g.surelyKey(f)) {
			solid++
		}
	}
	if solid < anchorCount {
		s.doubts = s.doubts[:doubts]
		return nil
	}
	return path
}
