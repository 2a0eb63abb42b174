package jsonl

import (
	"errors"
	"io"

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
	begin   preset
	between [2][256]*between // by family and type, made when the first such key comes
}

// NewWriter returns a Writer to w, which it writes to in large pieces. If w is nil the lines are kept until they are taken, see [Writer.Take]; more
// than 16 MiB of them are [ErrFull].
func NewWriter(w io.Writer) *Writer {
	j := &Writer{}
	j.start(w)
	j.visit = j.one
	return j
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
	if el.Kind < rdb.ElementItem || el.Kind > rdb.ElementField {
		w.element(w.entry, el)
	} else {
		w.buf = w.appendElement(el)
	}
	if w.full() {
		w.err = w.relieve()
	}
	return w.err == nil
}

// appendElement appends an element of a list, set, sorted set or hash.
func (w *Writer) appendElement(el *rdb.Element) []byte {
	out, o := w.buf[:cap(w.buf)], len(w.buf)
	out = room(out, o, slack)
	out[o] = ','
	if !w.first {
		o++
	}
	w.first = false
	if el.Kind <= rdb.ElementMember {
		out, o = put(out, o, el.Data)
		return out[:o]
	}
	out[o] = '['
	out, o = put(out, o+1, el.Data)
	out[o] = ','
	o++
	if el.Kind == rdb.ElementScored {
		return append(AppendScore(out[:o], el.Score), ']')
	}
	out, o = put(out, o, el.Value)
	if el.ExpireAt != rdb.NoExpire {
		out[o] = ','
		return append(AppendInt(out[:o+1], el.ExpireAt), ']')
	}
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
	preset
	at int
}

// preset is a text of up to 128 bytes. All of them are copied, as that takes no branch that depends on the length.
type preset struct {
	n    int
	text [128]byte
}

// put appends the text to a slice of which o bytes are written, as the put of strings does, but leaves no room.
func (p *preset) put(out []byte, o int) ([]byte, int) {
	out = room(out, o, len(p.text))
	*(*[len(p.text)]byte)(out[o:]) = p.text
	return out, o + p.n
}

func (p *preset) set(text string) { p.n = copy(p.text[:], text) }

const (
	expiryField = `,"expire_at_ms":`
	idleField   = `,"idle_s":`
	freqField   = `,"freq":`
	valueField  = `,"value":`
)

func newBetween(kind rdb.Kind, encoding string) *between {
	fields := `,"type":"` + kind.String() + `","encoding":"` + encoding + `"` + expiryField
	b := &between{at: len(fields)}
	b.set(fields + "null" + idleField + "null" + freqField + "null" + valueField + open[kind])
	return b
}

// ofStrings is that of a string by its form, which is known with the string only.
var ofStrings = func() (t [len(stringForms)]*between) {
	for i, name := range stringForms {
		t[i] = newBetween(rdb.KindString, name)
	}
	return t
}()

// head writes what stands before the first element; of a string, up to the key.
func (w *Writer) head(e *rdb.Entry, kind rdb.Kind) {
	if e.DB != w.db || w.begin.n == 0 {
		w.db = e.DB
		w.begin.set(string(AppendUint([]byte(`{"db":`), e.DB)) + `,"key":`)
	}
	out, o := w.begin.put(w.buf[:cap(w.buf)], len(w.buf))
	out, o = put(out, o, e.Key)
	if w.buf = out[:o]; kind == rdb.KindString {
		return
	}
	b := w.between[e.Family&1][e.Type]
	if b == nil {
		b = newBetween(kind, e.Encoding())
		w.between[e.Family&1][e.Type] = b
	}
	w.fields(e, b, kind)
	if kind == rdb.KindStream {
		w.stream.reset()
	}
}

// fields writes everything from the type to the value.
func (w *Writer) fields(e *rdb.Entry, f *between, kind rdb.Kind) {
	out, o := f.put(w.buf[:cap(w.buf)], len(w.buf))
	if e.ExpireAt == rdb.NoExpire && e.Idle < 0 && e.Freq < 0 && len(e.Meta) == 0 {
		w.buf = out[:o]
		return
	}
	b := appendOptional(out[:o-f.n+f.at], e.ExpireAt, e.ExpireAt != rdb.NoExpire)
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
		w.fields(e, ofStrings[stringForm(el.Data)], rdb.KindString)
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
