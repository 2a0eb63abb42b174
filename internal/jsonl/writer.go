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
}

// NewWriter returns a Writer to w, which it writes to in large pieces.
func NewWriter(w io.Writer) *Writer {
	j := &Writer{hold: hold{w: w, limit: holdSize}}
	j.visit = j.one
	return j
}

// Reset makes the Writer, which was closed, write to another one with the memory that it has.
func (w *Writer) Reset(to io.Writer) { w.hold.w = to }

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
	w.element(w.entry, el)
	if w.full() {
		w.err = w.relieve()
	}
	return w.err == nil
}

// Close writes what is left and removes what was temporary. It does not close the underlying writer.
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

// head writes what stands before the first element. The encoding of a string is known with the string only.
func (w *Writer) head(e *rdb.Entry, kind rdb.Kind) {
	b := append(w.buf, `{"db":`...)
	b = AppendUint(b, e.DB)
	b = append(b, `,"key":`...)
	b = AppendBytes(b, e.Key)
	b = append(b, `,"type":"`...)
	b = append(b, kind.String()...)
	w.buf = append(b, `","encoding":"`...)
	if kind != rdb.KindString {
		w.fields(e, e.Encoding())
		w.buf = append(w.buf, open[kind]...)
	}
	if kind == rdb.KindStream {
		w.stream.reset()
	}
}

// fields writes everything from the encoding to the value.
func (w *Writer) fields(e *rdb.Entry, encoding string) {
	b := append(w.buf, encoding...)
	b = appendOptional(append(b, `","expire_at_ms":`...), e.ExpireAt, e.ExpireAt != rdb.NoExpire)
	b = appendOptional(append(b, `,"idle_s":`...), e.Idle, e.Idle >= 0)
	b = appendOptional(append(b, `,"freq":`...), int64(e.Freq), e.Freq >= 0)
	if len(e.Meta) > 0 {
		b = appendMeta(b, e.Meta)
	}
	w.buf = append(b, `,"value":`...)
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

// element writes an element of the value.
func (w *Writer) element(e *rdb.Entry, el *rdb.Element) {
	switch el.Kind {
	case rdb.ElementString:
		w.fields(e, StringEncoding(el.Data))
		w.buf = AppendBytes(w.buf, el.Data)
	case rdb.ElementItem, rdb.ElementMember:
		w.comma()
		w.buf = AppendBytes(w.buf, el.Data)
	case rdb.ElementScored:
		w.comma()
		b := AppendBytes(append(w.buf, '['), el.Data)
		w.buf = append(AppendScore(append(b, ','), el.Score), ']')
	case rdb.ElementField:
		w.comma()
		b := AppendBytes(append(w.buf, '['), el.Data)
		b = AppendBytes(append(b, ','), el.Value)
		if el.ExpireAt != rdb.NoExpire {
			b = AppendInt(append(b, ','), el.ExpireAt)
		}
		w.buf = append(b, ']')
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
