package rdb

import "fmt"

// WriteRecord writes what a [Reader] yields, converted to the Writer's version. A [*Header] becomes that of the Writer, an [*EOF] closes it.
//
// The value of an [*Entry] is taken from its Reader. It is copied as it stands if servers of the Writer's version write its type
// themselves, and decoded and encoded anew otherwise; in both cases it is checked, and an error of [Entry.Value] is returned for a
// faulty one. Nothing of it is written then.
func (w *Writer) WriteRecord(rec Record) error {
	switch rec := rec.(type) {
	case *Header:
		return w.WriteHeader()
	case *Aux:
		return w.WriteAux(rec.Name, rec.Value)
	case *SelectDB:
		return w.SelectDB(rec.DB)
	case *ResizeDB:
		return w.ResizeDB(rec.Keys, rec.Expires)
	case *SlotInfo:
		return w.SlotInfo(rec.Slot, rec.Keys, rec.Expires)
	case *SlotImport:
		return w.SlotImport(rec.Job, rec.Ranges)
	case *Function:
		return w.writeFunction(rec)
	case *ModuleAux:
		items, err := rec.Items()
		if err != nil {
			return err
		}
		return w.ModuleAux(rec.Module, rec.When, items)
	case *Entry:
		return w.convert(rec)
	case *EOF:
		return w.Close()
	}
	return fmt.Errorf("rdb: cannot write a %T", rec)
}

func (w *Writer) writeFunction(f *Function) error {
	if !f.PreGA {
		return w.Function(f.Code)
	}
	if err := w.begin(); err != nil {
		return err
	}
	return w.enc.without(FeatureFunctionPreGA, fmt.Sprintf("%q", shorten(f.Name)))
}

// convert writes an entry of a Reader.
func (w *Writer) convert(e *Entry) error {
	if err := w.begin(); err != nil {
		return err
	}
	if w.opt.Reencode || !w.target.writes(e.Family, e.Type) || w.foreignListpack(e) {
		v, err := e.Value()
		if err != nil {
			return err
		}
		return w.WriteEntry(e, v)
	}
	raw, empty, err := e.r.checkedRaw(w.enc.side[:0])
	w.enc.side = raw
	defer w.enc.release()
	switch {
	case err != nil:
		return err
	case empty:
		return w.refusal(e, e.Kind(), w.enc.omitKey(FeatureEmpty))
	}
	return w.writeRaw(e, e.Family, e.Type, raw)
}

// foreignListpack reports whether the value has listpacks and is of the other family, whose listpacks differ for some sizes of entries.
func (w *Writer) foreignListpack(e *Entry) bool {
	if e.Family == w.target.Family() {
		return false
	}
	switch e.Family.info(e.Type).shape {
	case shapeListpack, shapeQuicklist2, shapeStream:
		return true
	}
	return false
}

// checkedRaw is rawValue and applies every rule, in the same walk. It appends to dst. empty tells of a collection that servers pass over.
func (r *Reader) checkedRaw(dst []byte) (raw []byte, empty bool, err error) {
	if err := r.atHand(); err != nil {
		return dst, false, err
	}
	raw, r.soft = dst, nil
	r.src.fold()
	r.src.tee = &raw
	err = r.walk(modeCheck, func(e *FormatError) {
		empty = empty || e.Code == CodeEmpty
		r.noteFault(e)
	})
	r.src.fold()
	r.src.tee = nil
	if r.soft != nil {
		err = r.soft
	}
	return raw, empty, err
}
