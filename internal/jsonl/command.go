package jsonl

import "github.com/kvfsck/kvfsck/aof"

// Command writes the line of a command of an append-only file. The file is named if it is not empty, as for sets of several.
// Between MULTI and EXEC the lines are held, until EXEC finishes them or Abandon forgets them.
func (w *Writer) Command(file string, c *aof.Command) error {
	b := AppendInt(append(w.buf, `{"db":`...), int64(c.DB))
	if file != "" {
		b = AppendBytes(append(b, `,"file":`...), []byte(file))
	}
	b = AppendInt(append(b, `,"offset":`...), c.Offset)
	b = append(b, `,"args":[`...)
	for i, arg := range c.Args {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendBytes(b, arg)
	}
	w.buf = append(b, ']', '}', '\n')
	switch c.Special {
	case aof.Multi:
		w.multi = true
	case aof.Exec:
		w.multi = false
	}
	if !w.multi {
		return w.commit()
	}
	if w.full() {
		return w.relieve()
	}
	return nil
}

// Abandon forgets the lines of a transaction that has no EXEC.
func (w *Writer) Abandon() error {
	w.multi = false
	return w.drop()
}
