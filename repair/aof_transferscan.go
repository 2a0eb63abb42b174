package repair

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"unicode/utf8"

	"github.com/kvfsck/kvfsck/aof"
)

// # Which ends of lines a transfer has changed
//
// All of those of the framing, and of those in an argument all or none, if it is to have as many bytes as it says. Where only some would fit it may have been any of them,
// and the command is doubtful.

// textScan goes through such a log once and decides.
type textScan struct {
	aofScan
	ctx  context.Context
	log  *textLog
	args []textArgument // of the command
	at   int64          // everything in front of it is marked
	cost int64          // bytes looked through for arguments
}

// textArgument is the content of an argument in the file, and how many of the ends of lines in it were changed: none, or all if it is not doubtful.
type textArgument struct {
	start, end int64
	changed    int64
	doubtful   bool // it may have been others of them
}

const (
	textArguments = 1 << 20 // most of a command that is read so
	textLeast     = 3       // commands with ends of lines that were changed, where those of the framing are as they were
)

// findText tells how a transfer has changed a log, nil if none has.
func findText(ctx context.Context, src io.ReaderAt, size int64) (*textLog, error) {
	rule, err := textRuleOf(ctx, src, size)
	if rule == textNone || err != nil {
		return nil, err
	}
	x := &textScan{aofScan: aofScan{src: src, size: size}, ctx: ctx, log: newTextLog(src, size, rule)}
	if rule == textToCRLF {
		x.mark(size, true)
	} else {
		x.run()
	}
	if x.err != nil {
		return nil, x.err
	}
	if rule == textLoneLF && x.log.commands < textLeast {
		return nil, nil
	}
	return x.log, nil
}

// LineEndsChanged reports whether the lines at the beginning of a log of size bytes end otherwise than those that servers write, as behind an editor or a transfer in text mode; a repair undoes
// that. Where a snapshot stands in front of them it is not seen, nor where only line ends in arguments have changed. An error is one of the input, or that of the context.
func LineEndsChanged(ctx context.Context, src io.ReaderAt, size int64) (bool, error) {
	rule, err := textRuleOf(ctx, src, min(size, aofWindow))
	return rule == textToLF || rule == textToCRLF, err
}

// textRuleOf looks for the lines of arguments' lengths, and how the ones before them end.
func textRuleOf(ctx context.Context, src io.ReaderAt, size int64) (textRule, error) {
	var (
		before [4]int64 // lines before such lines, by how they end
		lone   int64    // LF without a CR
		last   textRule // how the line before ended
	)
	r := bufio.NewReaderSize(io.NewSectionReader(src, 0, size), 64<<10)
	var end [3]byte // the last bytes
	for n := 0; ; n++ {
		if n%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return textNone, err
			}
		}
		line, err := r.ReadSlice('\n')
		if last != textNone && len(line) > 1 && line[0] == '$' && line[1]-'0' <= 9 {
			before[last]++
		}
		tail := line[max(0, len(line)-len(end)):]
		copy(end[:], end[len(tail):])
		copy(end[len(end)-len(tail):], tail)
		switch {
		case err == bufio.ErrBufferFull:
			last = textNone
			continue
		case err == io.EOF:
			return textRuleFor(before[textToLF], before[textToCRLF], before[textLoneLF], lone), nil
		case err != nil:
			return textNone, err
		case string(end[:]) == "\r\r\n":
			last = textToCRLF
		case string(end[1:]) == "\r\n":
			last = textLoneLF
		default:
			last = textToLF
			lone++
		}
	}
}

// textRuleFor takes the rule that all lines but a few, in which there may be other damage, speak for.
func textRuleFor(lf, double, both, lone int64) textRule {
	const most = 100 // times as many as the others
	switch {
	case lf > 1 && lf > most*(double+both):
		return textToLF
	case double > 1 && double > most*(lf+both) && double > most*lone:
		return textToCRLF
	case both > 1 && lone == 0:
		return textLoneLF
	default:
		return textNone
	}
}

// run marks all of the file.
func (x *textScan) run() {
	for pos, n := x.behindRDB(), 0; pos < x.size && x.err == nil; n++ {
		if n%1024 == 0 {
			if x.err = x.ctx.Err(); x.err != nil {
				return
			}
		}
		if next := x.record(pos); next > 0 {
			pos = next
			continue
		}
		pos = x.nextRecord(pos)
		x.mark(pos, x.log.rule == textToLF) // most are
	}
}

// behindRDB marks an RDB with which the file begins and the first record behind its checksum, and returns where that ends; 0 if there is none.
func (x *textScan) behindRDB() int64 {
	if !aof.IsRDB(x.aofScan.at(0, 8), aof.AsServer) {
		return 0
	}
	for pos := int64(rdbEnd); pos < x.size && x.err == nil; {
		b := x.aofScan.at(pos-rdbEnd, aofWindow/2)
		if len(b) <= rdbEnd {
			break
		}
		k := bytes.IndexAny(b[rdbEnd:], "*#")
		if k < 0 {
			pos += int64(len(b)) - rdbEnd
			continue
		}
		if pos += int64(k); b[k] == opEOF {
			x.mark(pos, false)
			if next := x.record(pos); next > 0 {
				return next
			}
		}
		pos++
	}
	return 0
}

// record marks the record at pos, and returns its end; 0 if there is none of which all ends of lines are decided.
func (x *textScan) record(pos int64) int64 {
	if next := x.note(pos); next > 0 {
		x.mark(next, x.log.rule != textLoneLF)
		return next
	}
	argc, next := x.line(pos, '*')
	if next == 0 || argc < 1 || argc > textArguments || x.cost > 4*x.size+1<<20 {
		return 0
	}
	x.args = x.args[:0]
	for k := range argc {
		size, start := x.line(next, '$')
		if start == 0 {
			return 0
		}
		a := x.content(start, size, k+1 == argc)
		if a.end == 0 {
			return 0
		}
		x.args = append(x.args, a)
		next = a.end + int64(len(x.log.rule.end()))
	}
	framing, restored, doubtful, from := x.log.rule != textLoneLF, false, false, x.log.restored
	for _, a := range x.args {
		x.mark(a.start, framing)
		if a.doubtful { // as many as it takes to have the size, so that its extent is known
			for pos := a.start; a.changed > 0 && x.err == nil; a.changed-- {
				pos = x.lineEnd(pos) + 1
				x.mark(pos, true)
			}
			doubtful = true
		}
		x.mark(a.end, a.changed > 0)
		restored = restored || a.changed > 0
	}
	x.mark(next, framing)
	if doubtful {
		x.log.doubts = append(x.log.doubts, aofSpan{from, x.log.restored})
	}
	if restored || doubtful {
		x.log.commands++
	}
	return next
}

// line reads a line of the framing.
func (x *textScan) line(off int64, sigil byte) (v, next int64) {
	return x.headerTo(off, sigil, x.log.rule.end())
}

// ends reports whether an argument ends at pos.
func (x *textScan) ends(pos int64, last bool) bool {
	end := x.log.rule.end()
	if pos > x.size-int64(len(end)) || string(x.aofScan.at(pos, len(end))) != end {
		return false
	}
	next := pos + int64(len(end))
	if !last {
		_, line := x.line(next, '$')
		return line > 0
	}
	_, line := x.line(next, '*')
	return line > 0 || next >= x.size || x.note(next) > 0
}

// note returns where an annotation at pos ends, 0 if there is none.
func (x *textScan) note(pos int64) int64 {
	b := x.aofScan.at(pos, aofNoteLimit)
	if len(b) == 0 || b[0] != '#' {
		return 0
	}
	n := bytes.IndexByte(b, '\n') + 1
	line, ended := bytes.CutSuffix(b[:n], []byte(x.log.rule.end()))
	if !ended || bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
		return 0
	}
	return pos + int64(n)
}

// content returns where an argument of that size ends that begins at start, and how many of the ends of lines in it were changed; 0 if nowhere. Where it may end in two places, with all
// of them changed and none, it is the first: by chance a place as far as that in the records behind it is one where an end is possible, but hardly one in front of it.
func (x *textScan) content(start, size int64, last bool) (a textArgument) {
	a.start = start
	if size > 2*(x.size-start) { // it would be too long with an LF in every other place
		return a
	}
	step := int64(1) // by which each one has changed the size
	if !x.log.rule.puts() {
		step = -1
	}
	some := a
	if as := start + size; as < x.size && x.ends(as, last) {
		a.end = as
	}
	pos := start
	for n := int64(0); x.err == nil; n++ {
		e := x.lineEnd(pos)
		if e < 0 || step > 0 && e-start >= size || step < 0 && (e-start-n > size || a.end > 0) {
			break
		}
		pos = e + 1
		changed := (size - (e - start)) * step
		if changed <= 0 || changed > n || !x.ends(e, last) {
			continue
		}
		if changed == n {
			a.end, a.changed = e, n
			break
		}
		if some.end == 0 {
			some.end, some.changed, some.doubtful = e, changed, true
		}
	}
	x.cost += pos - start
	if a.end == 0 {
		return some
	}
	return a
}

// lineEnd returns where the next end of line begins from pos on, -1 if there is none.
func (x *textScan) lineEnd(pos int64) int64 {
	for pos < x.size && x.err == nil {
		b := x.aofScan.at(pos, aofWindow/2)
		last := pos+int64(len(b)) == x.size
		n := len(b) - 1
		if last {
			n = len(b)
		}
		if e := x.log.rule.nextEnd(b, 0, n); e >= 0 {
			return pos + int64(e)
		}
		if last || len(b) == 0 {
			break
		}
		pos += int64(n)
	}
	return -1
}

// nextRecord returns where behind pos a record may begin, the end of the file if nowhere.
func (x *textScan) nextRecord(pos int64) int64 {
	end := int64(len(x.log.rule.end()))
	for {
		e := x.lineEnd(pos)
		if e < 0 {
			return x.size
		}
		pos = e + 1
		if b := x.aofScan.at(e+end, 1); len(b) > 0 && (b[0] == '*' || b[0] == '#') {
			return e + end
		}
	}
}

// mark says of all ends of lines up to there whether they were changed.
func (x *textScan) mark(to int64, changed bool) {
	t := x.log
	step := int64(0)
	if changed {
		if step = 1; !t.rule.puts() {
			step = -1
		}
	}
	for x.at < to && x.err == nil {
		if x.at%textBlockSize == 0 {
			t.blocks = append(t.blocks, textBlock{at: t.restored})
		}
		m := &t.blocks[len(t.blocks)-1]
		n := min(to, (x.at/textBlockSize+1)*textBlockSize) - x.at
		b := x.aofScan.at(x.at, int(n)+1)
		if int64(len(b)) < n {
			return // of an error
		}
		found := int32(0)
		for e := t.rule.nextEnd(b, 0, int(n)); e >= 0; e = t.rule.nextEnd(b, e+1, int(n)) {
			found++
		}
		m.add(found, changed)
		x.at += n
		t.restored += n + step*int64(found)
	}
}
