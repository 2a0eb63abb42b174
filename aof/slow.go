package aof

import "bytes"

// What is here reads any input, however odd, exactly as the C programs do: a header line with fgets into a buffer of a certain size
// and strtol, a body with fread. It refills the window as it goes and is the only place where faults arise.

// maxServerSize is the size from which an argument ends a server for want of memory, on any machine. Sizes below may do so too,
// depending on the machine; that is not the file's business.
const maxServerSize = 1 << 47

// maxCheckerSize is the largest size that the checkers take (LONG_MAX-2).
const maxCheckerSize = 1<<63 - 3

// slowRecord reads a record of any form. It is false at the end and after an error.
func (r *Reader) slowRecord() bool {
	if r.w.more() && r.fastCommand() {
		return true
	}
	p := r.w.peek(1)
	if len(p) == 0 {
		r.atEnd()
		return false
	}
	r.record = r.w.offset()
	var e *FormatError
	switch p[0] {
	case '#':
		if r.annotation() {
			r.err = r.w.failed()
			return r.err == nil
		}
	case '*':
		e = r.command()
	default:
		r.readStart = r.record
		e = r.fault(CodeNoRecord)
		e.Expected, e.Found = "'*' or '#'", quoted(p)
	}
	if e == nil {
		return true
	}
	if e.EOF {
		r.err = r.w.failed()
	}
	if r.err == nil {
		r.diagnose(e)
		r.err = e
	}
	return false
}

// atEnd judges the end of the input between records.
func (r *Reader) atEnd() {
	r.pos.Offset = r.w.offset()
	if r.err = r.w.failed(); r.err == nil && r.depth > 0 {
		r.record = r.pos.Offset
		e := r.fault(CodeOpenMulti)
		e.Damage, e.EOF = DamageOpenMulti, true
		r.err = e
	}
}

// fault makes an error at the read that failed.
func (r *Reader) fault(code Code) *FormatError {
	e := &FormatError{Code: code, Offset: r.readStart, Record: r.record, Command: r.pos.Commands + 1, InMulti: r.depth > 0}
	if e.InMulti {
		e.Multi = r.multi
	}
	return e
}

// faultAt is fault for bytes that are not what they should be; they stand back bytes before the next one. Looking at them may move
// what the window holds, so found, of which the error keeps the first two, is copied before.
func (r *Reader) faultAt(code Code, back int, found []byte, expected string) *FormatError {
	e := r.fault(code)
	copy(e.found[:], found)
	r.w.pos -= back
	p := r.w.peek(2)
	e.Expected, e.Found = expected, quoted(p)
	return e
}

// faultShort is fault for the end of the input.
func (r *Reader) faultShort(code Code, expected, found string) *FormatError {
	e := r.fault(code)
	e.EOF, e.Expected, e.Found = true, expected, found
	return e
}

// annotation takes a line, or as much of it as is taken as one. eof says that the input ended in it, which is no fault.
func (r *Reader) annotation() (eof bool) {
	r.readStart = r.record
	r.ann = Annotation{Offset: r.record, InMulti: r.depth > 0}
	r.ann.Line, eof = r.w.line(maxAnnotation)
	r.rec = &r.ann
	return eof
}

func (r *Reader) command() *FormatError {
	argc, e := r.header('*')
	if e != nil {
		return e
	}
	r.canonical = r.canonical && argc > 0 && argc == int64(int32(argc))
	if r.col[ruleArgsBits] == 32 {
		argc = int64(int32(argc))
	}
	if argc < 1 && r.col.is(ruleMinArgs) {
		e := r.fault(CodeArgCount)
		e.Expected, e.Found = "a number from 1", "another"
		return e
	}
	r.args, r.spans = r.args[:0], r.spans[:0]
	special := Ordinary
	for k := int64(0); k < argc; k++ {
		if e := r.argument(k); e != nil {
			return e
		}
		if k == 0 {
			special = specialOf(r.firstArg(), r.col.is(ruleNames))
			r.canonical = r.canonical && special == specialOf(r.firstArg(), !r.col.is(ruleNames))
			if r.col.is(ruleTransactions) {
				if e := r.transaction(special); e != nil {
					return e
				}
			}
		}
	}
	for _, s := range r.spans {
		r.args = append(r.args, r.w.buf[r.w.mark+s[0]:r.w.mark+s[1]:r.w.mark+s[1]])
	}
	if !r.col.is(ruleTransactions) {
		r.transactionAsServer(special)
	}
	r.give(special, r.record, max(argc, 0))
	return nil
}

func (r *Reader) firstArg() []byte {
	if r.opt.Skim {
		return r.args[0]
	}
	return r.w.buf[r.w.mark+r.spans[0][0] : r.w.mark+r.spans[0][1]]
}

// transaction keeps the checkers' count of MULTIs, from the first argument on.
func (r *Reader) transaction(special Special) *FormatError {
	switch special {
	case Multi:
		if r.depth++; r.depth > 1 {
			return r.unbalanced(CodeNestedMulti)
		}
		r.multi = r.record
	case Exec:
		if r.depth--; r.depth < 0 {
			return r.unbalanced(CodeStrayExec)
		}
	}
	return nil
}

func (r *Reader) unbalanced(code Code) *FormatError {
	e := r.fault(code)
	e.Damage = DamageTransaction
	return e
}

// transactionAsServer does so as servers do, when the command is complete.
func (r *Reader) transactionAsServer(special Special) {
	switch special {
	case Multi:
		r.canonical = r.canonical && r.depth == 0
		if r.depth == 0 {
			r.depth, r.multi = 1, r.record
		}
	case Exec:
		r.canonical = r.canonical && r.depth == 1
		r.depth = 0
	}
}

// header reads a header line: the prefix, a number, CR LF.
func (r *Reader) header(prefix byte) (v int64, e *FormatError) {
	r.readStart = r.w.offset()
	line, eof := r.w.line(r.col[ruleHeaderLimit])
	n := len(line)
	switch {
	case n == 0:
		return 0, r.faultShort(CodeNoHeader, "a line of '$' and a size", "the end")
	case line[0] != prefix:
		first := quoted(line[:1])
		e := r.faultAt(CodePrefix, n, line[:1], quoted([]byte{prefix}))
		e.Found = first
		return 0, e
	case r.col.is(ruleEmptyHeader) && prefix == '*' && (n == 1 || line[1] == 0):
		e := r.faultAt(CodeNoCount, n-1, nil, "the number of arguments")
		e.EOF = eof
		return 0, e
	}
	v, used, _ := decimal(line[1:])
	rest := line[1+used:]
	r.canonical = r.canonical && used > 0 && used < 19 && line[1] <= '9' && line[1] >= '0' && string(rest) == "\r\n"
	ends := bytes.HasPrefix(rest, []byte("\r\n"))
	if !ends && r.col.is(ruleHeaderEnd) {
		cut := eof && bytes.HasPrefix([]byte("\r\n"), rest)
		e := r.faultAt(CodeHeaderEnd, len(rest), rest, "CR LF behind the number")
		e.EOF = cut
		return 0, e
	}
	if ends {
		r.pos.Lines++
	}
	return v, nil
}

// argument reads argument k: a header line, as many bytes, two more.
func (r *Reader) argument(k int64) *FormatError {
	size, e := r.header('$')
	if e != nil {
		return e
	}
	if size < 0 || r.col.is(ruleRange) && size > maxCheckerSize || !r.col.is(ruleRange) && size >= maxServerSize {
		e := r.fault(CodeSize)
		e.sizes[0] = size
		e.Expected, e.Found = "a size from 0 that memory can hold", quotedInt(size)
		return e
	}
	r.readStart = r.w.offset()
	got := r.body(k, size)
	if got == size {
		end := r.w.peek(2)
		if len(end) == 2 {
			return r.bodyEnd(end)
		}
		got += int64(len(end))
	}
	e = r.faultShort(CodeBulkShort, quotedInt(size+2)+" bytes", quotedInt(got))
	e.sizes = [2]int64{size + 2, got}
	r.w.pos = r.w.end
	return e
}

// bodyEnd judges the two bytes behind a body.
func (r *Reader) bodyEnd(end []byte) *FormatError {
	if end[0] == '\r' && end[1] == '\n' {
		r.w.pos += 2
		r.pos.Lines++
		return nil
	}
	if r.col.is(ruleBulkEnd) {
		return r.faultAt(CodeBulkEnd, 0, end, "CR LF behind the argument")
	}
	r.canonical = false
	r.w.pos += 2
	return nil
}

// body passes size bytes, keeping what the options ask for, and returns how many there were.
func (r *Reader) body(k, size int64) int64 {
	if !r.opt.Skim {
		from := r.w.pos - r.w.mark
		got := r.w.keep(size)
		r.spans = append(r.spans, [2]int{from, from + int(got)})
		return got
	}
	if k < skimArgs {
		p := r.w.peek(int(min(size, skimKeep)))
		r.args = append(r.args, r.kept[k][:copy(r.kept[k][:], p)])
	}
	return r.w.skip(size)
}
