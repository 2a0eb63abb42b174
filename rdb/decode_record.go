package rdb

import (
	"bytes"
	"fmt"
)

// readHeader reads:
//
//	"REDIS" and four digits, or "VALKEY" and three
//
// The number is read as atoi does. Valkey's magic goes with versions from 80 on only. (Redis 8.6 and Valkey 9.1 rdb.c)
func (r *Reader) readHeader() error {
	d := &r.dec
	p, err := r.src.take(9)
	if err != nil {
		return d.fail(err)
	}
	switch {
	case bytes.HasPrefix(p, []byte("REDIS")):
		r.header.Family, r.header.Version = Redis, atoi(p[5:])
	case bytes.HasPrefix(p, []byte("VALKEY")):
		r.header.Family, r.header.Version = Valkey, atoi(p[6:])
	default:
		e := d.place(CodeSignature)
		if allZero(p) {
			e.Detail = "it begins with zero bytes"
		}
		return e
	}
	v, low, high := r.header.Version, MinVersion, MaxRedisVersion
	if d.family = r.header.Family; d.family == Valkey {
		low, high = MinValkeyVersion, MaxValkeyVersion
	}
	if d.version = v; v < low || v > high {
		e := d.place(CodeVersion)
		e.message = fmt.Sprintf("Can't handle RDB format version %d", v)
		e.Detail = fmt.Sprintf("%s version %d, readable are %d to %d", d.family, v, low, high)
		return e
	}
	r.header.Span = Span{0, 9}
	return nil
}

func allZero(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }

// atoi is C's: blanks, a sign, and digits up to the first other byte.
func atoi(p []byte) int {
	p = bytes.TrimLeft(p, " \t\n\v\f\r")
	sign := 1
	if len(p) > 0 && (p[0] == '+' || p[0] == '-') {
		if p[0] == '-' {
			sign = -1
		}
		p = p[1:]
	}
	n := 0
	for _, c := range p {
		if !isDigit(c) {
			break
		}
		n = n*10 + int(c-'0')
	}
	return sign * n
}

// step reads one record, up to its value if it has one. rec is nil for what only says something of the key to come.
func (r *Reader) step() (rec Record, err error) {
	d := &r.dec
	d.phase, d.item, d.key, d.hasType, d.mode = PhaseType, "type", nil, false, modeEmit
	d.report, r.faulted, r.inAux = r.reports.record, nil, false
	start := r.src.offset()
	d.record = start
	op, err := r.src.byte()
	if err == nil {
		d.begin()
		if op >= opSlotInfo || op == opKeyMeta {
			rec, err = r.opcode(op, start)
		} else {
			rec, err = r.readKey(Type(op), start)
		}
		d.end()
	}
	if err != nil {
		return nil, d.fail(err)
	}
	return rec, nil
}

// opcode reads what follows an opcode.
func (r *Reader) opcode(op byte, start int64) (rec Record, err error) {
	d := &r.dec
	if r.pend.meta { // a server wants a type byte behind it; the checker does not mind
		d.fault(CodeMetaPlace, nil, "")
		r.pend.meta = false
	}
	switch op {
	case opEOF:
		return r.readEOF(start)
	case opSelectDB:
		d.phase, d.item = PhaseLength, "database number"
		r.sel.DB, err = d.count()
		d.db, rec = r.sel.DB, &r.sel
	case opResizeDB:
		d.phase, d.item = PhaseLength, "counts of keys"
		err = d.counts(&r.resize.Keys, &r.resize.Expires)
		rec = &r.resize
	case opAux:
		d.phase, d.item = PhaseAux, "auxiliary field"
		err = d.strs(&r.aux.Name, &r.aux.Value)
		rec = &r.aux
		if err == nil {
			r.checkAux()
		}
	case opModuleAux:
		d.phase, d.item = PhaseModuleAux, "module data"
		err = r.readModuleAux()
		rec = &r.modAux
	case opFunction2:
		d.phase, d.item = PhaseFunctions, "function library"
		r.fn = Function{}
		err = d.strs(&r.fn.Code)
		rec = &r.fn
	case opFunctionPreGA:
		d.item = "function library"
		err = r.readFunctionPreGA()
		rec = &r.fn
	case opSlotInfo:
		d.item = "slot counts"
		err = d.counts(&r.slot.Slot, &r.slot.Keys, &r.slot.Expires)
		rec = &r.slot
	case opKeyMeta:
		if d.family == Valkey {
			d.item = "slot import"
			err = r.readSlotImport()
			rec = &r.imports
			break
		}
		return nil, r.readKeyMeta(start)
	default:
		return nil, r.readModifier(op, start)
	}
	if err != nil {
		return nil, err
	}
	*rec.span() = Span{start, r.src.offset() - start}
	return rec, nil
}

// counts reads lengths in a row.
func (d *decoder) counts(to ...*uint64) (err error) {
	for _, p := range to {
		if *p, err = d.count(); err != nil {
			return err
		}
	}
	return nil
}

// strs reads strings in a row.
func (d *decoder) strs(to ...*[]byte) (err error) {
	for _, p := range to {
		if *p, err = d.str(); err != nil {
			return err
		}
	}
	return nil
}

// readModifier reads an expiry, an idle time or an access counter.
func (r *Reader) readModifier(op byte, start int64) (err error) {
	d, p := &r.dec, r.pending(start)
	var v uint64
	switch op {
	case opExpireTime:
		d.phase, d.item = PhaseExpire, "expiry"
		var b []byte
		if b, err = r.src.take(4); err == nil {
			p.expireAt = int64(int32(uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24)) * 1000
		}
	case opExpireTimeMS:
		d.phase, d.item = PhaseExpire, "expiry"
		v, err = r.src.uint64()
		p.expireAt = int64(v)
	case opIdle:
		d.item = "idle time"
		v, err = d.count()
		p.idle = int64(v)
	case opFreq:
		d.item = "access counter"
		var b byte
		b, err = r.src.byte()
		p.freq = int(b)
	}
	return err
}

// pending returns what is said of the key to come, beginning with what starts at the offset if nothing was said before.
func (r *Reader) pending(start int64) *pending {
	if !r.pend.set {
		r.pend = pending{set: true, offset: start, expireAt: NoExpire, idle: -1, freq: -1}
	}
	return &r.pend
}

func (r *Reader) readKeyMeta(start int64) error {
	d, p := &r.dec, r.pending(start)
	d.item, d.meta, p.meta = "key metadata", []KeyMeta{}, true
	return d.keyMeta()
}

func (r *Reader) readEOF(start int64) (Record, error) {
	d := &r.dec
	r.src.fold()
	r.src.summing = false
	r.eof = EOF{Span: Span{start, 1}, Computed: r.src.sum, HasChecksum: d.version >= 5, Partial: r.partial}
	r.state = atEnd
	if !r.eof.HasChecksum {
		return &r.eof, nil
	}
	d.phase, d.item = PhaseChecksum, "checksum"
	stored, err := r.src.uint64()
	if err != nil {
		return nil, err
	}
	r.eof.Stored, r.eof.Size = stored, 9
	switch {
	case stored == 0:
		d.fault(CodeNoChecksum, nil, "")
	case !r.eof.Valid():
		d.report(checksumFault(&r.eof, d.family, d.db))
	}
	return &r.eof, nil
}

func checksumFault(eof *EOF, f Family, db uint64) *FormatError {
	return &FormatError{Code: CodeChecksum, Offset: eof.End(), Record: eof.Offset, Phase: PhaseChecksum, DB: db, Family: f,
		Detail: fmt.Sprintf("stored %016x, computed %016x", eof.Stored, eof.Computed)}
}

// readFunctionPreGA reads the form of the release candidates of Redis 7.0:
//
//	str name, str engine, len has description, [str description], str code
func (r *Reader) readFunctionPreGA() error {
	d := &r.dec
	d.faultSaying(CodeFunctionPreGA, "Pre-release function format not supported %d", d.version)
	r.fn = Function{PreGA: true}
	if err := d.strs(&r.fn.Name, &r.fn.Engine); err != nil {
		return err
	}
	described, err := d.count()
	if err != nil {
		return err
	}
	if described != 0 {
		if err := d.strs(&r.fn.Description); err != nil {
			return err
		}
	}
	return d.strs(&r.fn.Code)
}

// readModuleAux reads the head of a module's data outside keys:
//
//	len module id, len 2, len when; then items
func (r *Reader) readModuleAux() error {
	d := &r.dec
	var id uint64
	if err := d.counts(&id, &r.modAux.WhenOpcode, &r.modAux.When); err != nil {
		return err
	}
	r.modAux.Module, r.modAux.r = ModuleID(id), r
	d.moduleName = r.modAux.Module.Name()
	if id == 0 {
		d.fault(CodeModuleID, nil, "")
	}
	if r.modAux.WhenOpcode != moduleUInt {
		d.fault(CodeModuleAuxWhen, nil, "%d", r.modAux.WhenOpcode)
	}
	r.state, r.inAux = atValue, true
	return nil
}

// Limits of slots.
const (
	maxSlots      = 16384
	slotJobLength = 40
)

// readSlotImport reads:
//
//	str job name, len ranges, then for each: len start, len end
func (r *Reader) readSlotImport() error {
	d := &r.dec
	job, err := d.str()
	if err != nil {
		return err
	}
	if len(job) != slotJobLength {
		d.fault(CodeSlotImportJob, nil, "%d bytes", len(job))
	}
	n, err := d.count()
	r.imports.Job, r.imports.Ranges = job, r.imports.Ranges[:0]
	for ; err == nil && n > 0; n-- {
		var g SlotRange
		if err = d.counts(&g.First, &g.Last); err != nil {
			break
		}
		if g.First > g.Last || g.Last >= maxSlots {
			d.fault(CodeSlotImportRange, nil, "%d to %d", g.First, g.Last)
		}
		r.imports.Ranges = append(r.imports.Ranges, g)
	}
	return err
}

// checkAux applies the one rule there is about auxiliary fields: Valkey reads the slot hints.
func (r *Reader) checkAux() {
	if bytes.EqualFold(r.aux.Name, []byte("slot-info")) && !threeNumbers(r.aux.Value) {
		r.dec.fault(CodeSlotInfoAux, nil, "%q", shorten(r.aux.Value))
	}
}

// threeNumbers reports whether p begins with three numbers and commas between them, as scanf("%i,%lu,%lu") sees it.
func threeNumbers(p []byte) bool {
	for i := range 3 {
		if i > 0 {
			if len(p) == 0 || p[0] != ',' {
				return false
			}
			p = p[1:]
		}
		p = bytes.TrimLeft(p, " \t\n\v\f\r")
		if len(p) > 0 && (p[0] == '+' || p[0] == '-') {
			p = p[1:]
		}
		digit := isDigit
		if i == 0 && len(p) > 2 && p[0] == '0' && p[1]|0x20 == 'x' && isHex(p[2]) {
			p, digit = p[2:], isHex
		}
		n := 0
		for n < len(p) && digit(p[n]) {
			n++
		}
		if n == 0 {
			return false
		}
		p = p[n:]
	}
	return true
}

// readKey reads what stands between a type byte and the value.
func (r *Reader) readKey(t Type, start int64) (Record, error) {
	d := &r.dec
	if d.family.info(t) == nil {
		e := d.place(CodeType)
		e.message = fmt.Sprintf("Invalid object type: %d", t)
		e.Detail = fmt.Sprintf("%d", t)
		return nil, e
	}
	d.typ, d.hasType, d.phase, d.item = t, true, PhaseKey, "key"
	p := r.pending(start)
	d.record = p.offset
	key, err := d.str()
	if err != nil {
		return nil, err
	}
	r.keyBuf = append(r.keyBuf[:0], key...)
	if cap(r.keyBuf) > 4*windowSize && len(r.keyBuf) < windowSize {
		r.keyBuf = append(make([]byte, 0, 64), key...)
	}
	d.key = r.keyBuf[:len(r.keyBuf):len(r.keyBuf)]
	at := r.src.offset()
	r.entry = Entry{
		Span: Span{p.offset, at - p.offset}, DB: d.db, Key: d.key, Type: t, Family: d.family,
		ExpireAt: p.expireAt, Idle: p.idle, Freq: p.freq, ValueOffset: at, r: r,
	}
	if p.meta {
		r.entry.Meta = d.meta
	}
	r.pend, r.state, r.typeByte = pending{}, atValue, start
	return &r.entry, nil
}
