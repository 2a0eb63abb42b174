package repair

// A type that servers of the file's version do not write any more is one with a wrong bit, if the file is known to be damaged and says that such a server wrote
// it: what reads as a linked list was another collection. Other programs may write the old types still, but then for all values of the kind. So is that of a collection
// of strings that are the nodes of a stream.

// formsMost is how many such keys are rather damaged; in a file with more of them they are meant.
const formsMost = 2

// noteForm notes a key of a type that is not written any more, or that is not its value's.
func (s *salvager) noteForm(f *record) {
	if len(s.forms) <= formsMost && (s.census.table[f.typ] == legacy || s.holdsStream(f)) {
		s.forms = append(s.forms, tail{cut{span{f.start, f.end}, len(s.segs) - 1}, f.expires})
	}
}

// byServer reports whether the file says that a server wrote it whose files are of its version.
func (s *salvager) byServer() bool { return writerOf(s.probe.view.at(0, 1<<10)) == s.out.Version }

// cutForms leaves those out.
func (s *salvager) cutForms() {
	if len(s.forms) == 0 || len(s.forms) > formsMost || s.guessed || s.census.writesLong() || !s.sumWrong && s.out.Gaps == 0 && s.out.DamagedKeys == 0 {
		return
	}
	if !s.byServer() {
		return
	}
	for _, k := range s.forms {
		s.cutDoubtful(k.cut, k.expires, DoubtForm)
	}
}
