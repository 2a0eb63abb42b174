package repair

import "github.com/kvfsck/kvfsck/rdb"

// A module's value ends behind its parts, and nothing says how many these are: a part whose kind became the end mark cuts it short, and a string that grew
// takes the end mark in. But values of one module are mostly made alike. So one that has the parts that another one has, and whose strings are text, ends where it says.

// moduleShapesMost is how many shapes are told apart, moduleShapeParts of how many parts at most.
const (
	moduleShapesMost = 1000
	moduleShapeParts = 32
)

// moduleShape returns the module and the kinds of the parts of a value of which b is the bytes; "" if it is long, or has strings that are no text.
func moduleShape(b []byte) string {
	_, n, enc, _ := lengthForm(b)
	if n == 0 || enc {
		return ""
	}
	shape := append(make([]byte, 0, 9+moduleShapeParts), b[:n]...)
	for b = b[n:]; len(b) > 1; b = b[n:] { // up to the end mark
		if n = modulePart(b); n == 0 || len(shape) == cap(shape) || b[0] == moduleString && !textString(b[1:n]) {
			return ""
		}
		shape = append(shape, b[0])
	}
	return string(shape)
}

// textString reports whether b, a string with its length, is text.
func textString(b []byte) bool {
	_, n, enc, _ := lengthForm(b)
	return n > 0 && !enc && isText(b[n:])
}

// shapeOf is moduleShape of a record.
func (s *salvager) shapeOf(f *record) string {
	const most = 4 << 10 // bytes
	if f.what != isKey || f.typ != rdb.TypeModule2 || f.damaged || f.end-f.start > most || s.keyOf(f) == nil {
		return ""
	}
	from := s.probe.x.entry.ValueOffset
	b := s.probe.view.at(from, int(f.end-from))
	return moduleShape(b[:min(int64(len(b)), f.end-from)])
}

// madeSo are the keys whose values are made in one way.
type madeSo struct {
	first int64 // of them, where it begins
	more  bool
}

// noteShape notes of what parts a module's value is made.
func (s *salvager) noteShape(f *record) {
	shape := s.shapeOf(f)
	u, known := s.moduleShapes[shape]
	switch {
	case shape == "" || !known && len(s.moduleShapes) == moduleShapesMost:
		return
	case !known:
		u.first = f.start
	}
	u.more = u.more || u.first != f.start
	s.moduleShapes[shape] = u
}

// madeAlike reports whether a module's value is made as that of another key is.
func (s *salvager) madeAlike(f *record) bool {
	u, known := s.moduleShapes[s.shapeOf(f)]
	return known && (u.more || u.first != f.start)
}
