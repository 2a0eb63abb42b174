package jsonl

import (
	"errors"
	"io"
	"math"

	"github.com/kvfsck/kvfsck/rdb"
)

// Writer writes keys, and commands of append-only files, as lines. Its memory does not grow with the number of a value's elements, but for the pending entries of one
// consumer group of a stream (40 bytes each) and its consumers: the file tells a pending entry's owner only after all of them.
type Writer struct {
	hold
	entry  *rdb.Entry              // whose line is at hand
	visit  func(*rdb.Element) bool // takes its elements
	err    error                   // of the output, in a visit
	stream streamLine
	first  bool // no element of the value was written yet
	multi  bool // inside a transaction of an append-only file

	db      uint64 // whose beginning of a line is kept
	begin   []byte
	between [2][256]between // by family and type, made when the first such key comes
}

// NewWriter returns a Writer to w, which it writes to in large pieces. If w is nil the lines are kept until they are taken, see [Writer.Take].
func NewWriter(w io.Writer) *Writer {
	j := &Writer{hold: hold{w: w, limit: holdSize, at: flushSize}}
	if w == nil {
		j.at = math.MaxInt
	}
	j.visit = j.one
	return j
}

// Take returns the finished lines of a Writer to nothing, and makes it begin anew in the memory of buf.
func (w *Writer) Take(buf []byte) []byte {
	lines := w.buf[:w.mark]
	if cap(buf) > 2*w.limit {
		buf = nil
	}
	w.buf, w.mark = buf[:0], 0
	return lines
}

// Entry writes the line of a key, taking its value. If the error is a [*rdb.FormatError] the value is damaged and there is no line
// of it; others are of the input or the output.
func (w *Writer) Entry(e *rdb.Entry) error {
	kind := e.Kind()
	w.head(e, kind)
	w.first, w.entry, w.err = true, e, nil
	err := e.Visit(w.visit)
	w.entry = nil
	if w.err != nil {
		err = w.err
	}
	if err != nil {
		return errors.Join(err, w.drop())
	}
	w.tail(kind)
	return w.commit()
}

// one writes an element.
func (w *Writer) one(el *rdb.Element) bool {
	switch el.Kind {
	case rdb.ElementItem, rdb.ElementMember, rdb.ElementScored, rdb.ElementField:
		w.buf = appendElement(w.buf, el, w.first)
		w.first = false
	default:
		w.element(w.entry, el)
	}
	if w.full() {
		w.err = w.relieve()
	}
	return w.err == nil
}

// appendElement appends an element of a list, set, sorted set or hash.
func appendElement(dst []byte, el *rdb.Element, first bool) []byte {
	out, o := dst[:cap(dst)], len(dst)
	out = room(out, o, slack)
	if !first {
		out[o] = ','
		o++
	}
	if el.Kind == rdb.ElementItem || el.Kind == rdb.ElementMember {
		out, o = put(out, o, el.Data)
		return out[:o]
	}
	out[o] = '['
	out, o = put(out, o+1, el.Data)
	out[o] = ','
	o++
	switch {
	case el.Kind == rdb.ElementScored:
		return append(AppendScore(out[:o], el.Score), ']')
	case el.ExpireAt != rdb.NoExpire:
		out, o = put(out, o, el.Value)
		out[o] = ','
		return append(AppendInt(out[:o+1], el.ExpireAt), ']')
	}
	out, o = put(out, o, el.Value)
	out[o] = ']'
	return out[:o+1]
}

// Close writes what is left and removes what was temporary. It does not close the underlying writer, and the Writer can be used on.
func (w *Writer) Close() error {
	return errors.Join(w.flush(), w.close())
}

// Flush writes the lines finished so far.
func (w *Writer) Flush() error { return w.flush() }

// open is what stands before the elements of a value, shut what stands behind them.
var open = [...]string{
	rdb.KindString: "", rdb.KindList: "[", rdb.KindSet: "[", rdb.KindSortedSet: "[", rdb.KindHash: "[",
	rdb.KindStream: `{"entries":[`, rdb.KindModule: "{",
}

var shut = [...]string{
	rdb.KindString: "}\n", rdb.KindList: "]}\n", rdb.KindSet: "]}\n", rdb.KindSortedSet: "]}\n", rdb.KindHash: "]}\n",
	rdb.KindStream: "}}\n", rdb.KindModule: "]}}\n",
}

// between is what stands between the key and the value:
//
//	,"type":"hash","encoding":"listpack","expire_at_ms":   null,"idle_s":null,"freq":null,"value":[
//	                                                    at
type between struct {
	text string
	at   int
}

const (
	expiryField = `,"expire_at_ms":`
	idleField   = `,"idle_s":`
	freqField   = `,"freq":`
	valueField  = `,"value":`
)

func newBetween(kind rdb.Kind, encoding string) between {
	fields := `,"type":"` + kind.String() + `","encoding":"` + encoding + `"` + expiryField
	return between{fields + "null" + idleField + "null" + freqField + "null" + valueField + open[kind], len(fields)}
}

// ofStrings is that of a string by its form, which is known with the string only.
var ofStrings = func() (t [len(stringForms)]between) {
	for i, name := range stringForms {
		t[i] = newBetween(rdb.KindString, name)
	}
	return t
}()

// head writes what stands before the first element; of a string, up to the key.
func (w *Writer) head(e *rdb.Entry, kind rdb.Kind) {
	if e.DB != w.db || w.begin == nil {
		w.db = e.DB
		w.begin = append(AppendUint(append(w.begin[:0], `{"db":`...), e.DB), `,"key":`...)
	}
	w.buf = AppendBytes(append(w.buf, w.begin...), e.Key)
	if kind == rdb.KindString {
		return
	}
	b := &w.between[e.Family&1][e.Type]
	if b.text == "" {
		*b = newBetween(kind, e.Encoding())
	}
	w.fields(e, b, kind)
	if kind == rdb.KindStream {
		w.stream.reset()
	}
}

// fields writes everything from the type to the value.
func (w *Writer) fields(e *rdb.Entry, f *between, kind rdb.Kind) {
	if e.ExpireAt == rdb.NoExpire && e.Idle < 0 && e.Freq < 0 && len(e.Meta) == 0 {
		w.buf = append(w.buf, f.text...)
		return
	}
	b := appendOptional(append(w.buf, f.text[:f.at]...), e.ExpireAt, e.ExpireAt != rdb.NoExpire)
	b = appendOptional(append(b, idleField...), e.Idle, e.Idle >= 0)
	b = appendOptional(append(b, freqField...), int64(e.Freq), e.Freq >= 0)
	if len(e.Meta) > 0 {
		b = appendMeta(b, e.Meta)
	}
	w.buf = append(append(b, valueField...), open[kind]...)
}

func appendOptional(b []byte, v int64, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	return AppendInt(b, v)
}

// comma separates elements.
func (w *Writer) comma() {
	if !w.first {
		w.buf = append(w.buf, ',')
	}
	w.first = false
}

// element writes any other element of the value.
func (w *Writer) element(e *rdb.Entry, el *rdb.Element) {
	switch el.Kind {
	case rdb.ElementString:
		w.fields(e, &ofStrings[stringForm(el.Data)], rdb.KindString)
		w.buf = AppendBytes(w.buf, el.Data)
	case rdb.ElementModuleID:
		b := AppendBytes(append(w.buf, `"module":`...), []byte(el.ModuleID.Name()))
		b = AppendInt(append(b, `,"version":`...), int64(el.ModuleID.Version()))
		w.buf = append(b, `,"items":[`...)
	case rdb.ElementModuleItem:
		w.comma()
		w.buf = appendItem(w.buf, &el.Module)
	default:
		w.streamElement(el)
	}
}

// tail writes what stands behind the last element.
func (w *Writer) tail(kind rdb.Kind) {
	if kind == rdb.KindStream {
		w.endGroups()
	}
	w.buf = append(w.buf, shut[kind]...)
}

// appendItem appends an item of a module's data.
func appendItem(b []byte, it *rdb.ModuleItem) []byte {
	switch it.Kind {
	case rdb.ModuleUInt:
		b = AppendUint(append(b, `{"uint":`...), it.Int)
	case rdb.ModuleSInt:
		b = AppendInt(append(b, `{"sint":`...), int64(it.Int))
	case rdb.ModuleFloat:
		b = appendModuleFloat(append(b, `{"float":`...), it.Float, it.Int, 32)
	case rdb.ModuleDouble:
		b = appendModuleFloat(append(b, `{"double":`...), it.Float, it.Int, 64)
	default:
		b = AppendBytes(append(b, `{"string":`...), it.String)
	}
	return append(b, '}')
}

// appendMeta appends a key's metadata.
func appendMeta(b []byte, meta []rdb.KeyMeta) []byte {
	b = append(b, `,"meta":[`...)
	for i := range meta {
		m := &meta[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendBytes(append(b, `{"class":`...), []byte(m.Class.Name()))
		b = AppendInt(append(b, `,"version":`...), int64(m.Class.Version()))
		b = AppendInt(append(b, `,"flags":`...), int64(m.Class&7))
		b = append(b, `,"items":[`...)
		for j := range m.Items {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendItem(b, &m.Items[j])
		}
		b = append(b, `]}`...)
	}
	return append(b, ']')
}
