package repair

// # An append-only file without its damage
//
// A log has no checksum and no marks to synchronise by, but its framing says everything twice: a length says where an argument ends,
// and so does the CR LF that stands there; a count says how many arguments a command has, and so does the '*' of the next.
//
//	*3\r\n $3\r\n SET\r\n $1\r\n k\r\n $5\r\n value\r\n *1\r\n ...
//	 |      |        |                  |         |     |
//	 |      |        `- the end, where  |         |     `- the end of the command, where the count says
//	 |      `- the length says          `---------'
//	 `------ the count
//
// Salvage reads records for as long as the two agree. Where they do not, it asks three questions in turn.
//
//   - Is it one byte of the framing that is wrong? Then there is one value at which everything agrees again, and the command is
//     healed: aof_heal.go. An end of line that is too much can be taken out: aof_lines.go. Where a transfer has changed all of them it is
//     undone first: aof_transfer.go.
//   - If not, where does the log go on? At the next command that begins a chain of them (aof_resync.go), and that is not in a value
//     (aof_suspect.go).
//   - What did the gap take with it? Perhaps a SELECT, half a transaction: aof_state.go.
//
// What comes out is a map of the file, [SalvagedAOF], from which WriteTo makes a file of what is left.

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/kvfsck/kvfsck/aof"
)

// AOFOptions are settings of [SalvageAOF]. The zero value keeps what is proven.
type AOFOptions struct {
	// Doubtful keeps commands of which the framing can be corrected in one way only, but so that the damage may as well be in the
	// argument: "$5 helo" is a wrong digit, or a lost letter. Likewise those of a log of which a transfer has changed the ends of lines
	// in which these may have been several things. They are dropped otherwise, and reported either way.
	Doubtful bool
	// KeepUnknown keeps commands that no server knows; servers end at them when they load, unless a module provides them. Commands
	// with a point in their name, as modules have them, are always kept. A number of arguments that no server takes of a command that it
	// knows is damage either way.
	KeepUnknown bool
	// MoveLostDB puts commands whose database is uncertain, because a SELECT may have been lost before them, into LostDB. Otherwise
	// they stay in the database that was selected last.
	MoveLostDB bool
	LostDB     int
	// Databases is how many databases the server is configured for, 0 being any number. A SELECT of another one is left out like one whose argument is no
	// number, and the database of what follows it is uncertain. (Servers log an error and go on in the database before.)
	Databases uint64
	// Until, if not 0, is a time in seconds since 1970: what follows the first timestamp annotation that is later is left out.
	// Of a transaction with such an annotation inside, nothing is kept, and what stands behind damage, where an annotation may have stood, only if the
	// next one is not later. An annotation whose time cannot be true is damage too: one that is later than src was changed, if it is a file, or than now, by
	// more than a day, or than the next two.
	Until int64

	framing bool     // commands are not looked at
	end     int64    // 1 more than an offset, at which the log is to end; 0: none
	text    *textLog // with end: what the log was read as before
	// NoPreamble reads a file that begins like an RDB as commands.
	NoPreamble bool
	// AssumeRDB reads a file as one that begins with an RDB though its first bytes do not say so: they may be damaged.
	AssumeRDB bool
	// Preamble takes care of a damaged RDB part. If it is nil, the part is healed by its checksum where that proves the damage, and
	// salvaged otherwise, with the settings in RDB.
	Preamble PreambleSalvager
	RDB      SalvageOptions
	// Progress, if set, is called now and then with how many bytes were passed.
	Progress func(offset int64)
}

// PreambleSalvager salvages the RDB with which an append-only file begins. src holds the whole file; fault is what ended the reading
// of the RDB. end is where the commands begin, or -1 if that is not known. The result writes what is left of the RDB.
type PreambleSalvager func(ctx context.Context, src io.ReaderAt, size int64, fault error) (rdb io.WriterTo, end int64, err error)

// SalvagedAOF is the account of an append-only file: every byte of it is in one region.
type SalvagedAOF struct {
	Size    int64
	Sound   bool // nothing is wrong with it, and nothing is left out
	Regions []AOFRegion

	// Databases is how many databases a server needs for the SELECTs that were left out for the sake of AOFOptions.Databases; 0 if there are none.
	Databases uint64

	Preamble      int64 // end of the RDB part, 0 if there is none
	PreambleFault error // what is wrong with it

	// RDB is the account of a damaged RDB part that was salvaged. RDBHealed is how one was healed that could be. Both are nil where the
	// part is sound, or where the options have a salvager of their own.
	RDB       *Salvaged
	RDBHealed *Candidate
	// RDBHealing is the search for what heals it; nil where none was made.
	RDBHealing *Healing
	rdb        io.WriterTo

	Kept         int64 // commands, the healed ones among them
	Annotations  int64
	Healed       int64 // commands whose framing was corrected
	Doubtful     int64 // commands with a correction that is not proven; kept only if the options say so
	Lost         int64 // commands, estimated by what is left of their headers
	Transactions int64 // left out for lack of one of their ends
	Uncertain    int64 // kept commands whose database is uncertain
	Selects      int64 // SELECT commands put in
	Cut          int64 // offset of the cut that Until made, -1 if none
	timed        bool  // it has a timestamp not later than Until
	untimed      int64 // from this offset on it is not known to be early enough; -1: it is

	text  *textLog    // the log as it was, if a transfer has changed the ends of its lines
	asWas []AOFRegion // the map of that
}

// AOFRegion is a stretch of the file with one fate.
type AOFRegion struct {
	Kind       AOFRegionKind
	Start, End int64
	Commands   int64 // in it; where it is lost, an estimate
	Notes      int64 // annotations in it

	// Select is the database of a SELECT that is written before the region, or -1.
	Select int
	// DB is the database at the region's start. Uncertain says that it is that of the last SELECT seen, and one may be lost.
	DB        int
	Uncertain bool

	// Edits are the corrections, in file order. Of a damaged region they are the one that suggests itself but is not proven.
	Edits []Edit
	// Why says what was found, in a few words.
	Why string
}

// AOFRegionKind is the fate of a stretch of an append-only file.
type AOFRegionKind uint8

const (
	AOFIntact      AOFRegionKind = iota // commands and annotations, kept byte for byte
	AOFPreamble                         // an intact RDB part, kept byte for byte
	AOFHealed                           // one command, kept with its framing corrected; or commands of which the ends of lines are
	AOFDamaged                          // one command, left out; its extent is known
	AOFLost                             // bytes of which no command can be made
	AOFPadding                          // zero bytes
	AOFForeign                          // the data of another file
	AOFTransaction                      // intact commands of a transaction one end of which is missing, left out
	AOFLater                            // behind the time that was asked for, left out
	AOFPreambleBad                      // a damaged RDB part
)

// aofKinds is the table of kinds.
var aofKinds = [...]struct {
	name string
	kept bool
}{
	AOFIntact: {"intact", true}, AOFPreamble: {"preamble", true}, AOFHealed: {"healed", true},
	AOFDamaged: {"damaged", false}, AOFLost: {"lost", false}, AOFPadding: {"padding", false}, AOFForeign: {"foreign", false},
	AOFTransaction: {"transaction-dropped", false}, AOFLater: {"later", false}, AOFPreambleBad: {"preamble-damaged", false},
}

// String returns the kind's name, such as "healed".
func (k AOFRegionKind) String() string { return aofKinds[k].name }

// Kept reports whether regions of the kind are written.
func (k AOFRegionKind) Kept() bool { return aofKinds[k].kept }

// String gives the region on one line.
func (r *AOFRegion) String() string {
	s := fmt.Sprintf("[%d, %d) %s, %d commands", r.Start, r.End, r.Kind, r.Commands)
	if r.Why != "" {
		s += ": " + r.Why
	}
	return s
}

// SalvageAOF reads an append-only file, damaged or not, and finds every command that is still there. src holds size bytes. Memory
// grows with the number of damages, not with the file. The error is one of reading, of the context or of the preamble's salvager.
func SalvageAOF(ctx context.Context, src io.ReaderAt, size int64, opt AOFOptions) (*SalvagedAOF, error) {
	out, err := salvageAOF(ctx, src, size, opt)
	if err != nil {
		return out, err
	}
	return settleTime(out, func(end int64) (*SalvagedAOF, error) {
		opt.end, opt.text = end, out.text
		return salvageAOF(ctx, src, size, opt)
	}, func() (bool, error) { return !out.keptUntimed(), nil })
}

// salvageAOF is SalvageAOF, but that it keeps what is not known to be early enough where nothing later follows.
func salvageAOF(ctx context.Context, src io.ReaderAt, size int64, opt AOFOptions) (*SalvagedAOF, error) {
	out := &SalvagedAOF{Size: size, Cut: -1, untimed: -1}
	if err := cmp.Or(misSized(src, size), opt.lostDB()); err != nil {
		return out, err
	}
	if opt.Until == 0 {
		if err := out.ifSound(ctx, src, opt); err != nil || out.Sound {
			return out, err
		}
	}
	if opt.text != nil {
		return salvageText(ctx, opt.text.from(src), opt)
	}
	if likely, err := LineEndsChanged(ctx, src, size); err != nil {
		return out, err
	} else if likely {
		if text, err := findText(ctx, src, size); text != nil || err != nil {
			return salvageText(ctx, text, opt)
		}
	}
	if err := out.walk(ctx, src, opt); err != nil || opt.end > 0 || out.faults() < textLeast {
		return out, err
	}
	text, err := findText(ctx, src, size)
	if text == nil || err != nil {
		return out, err
	}
	other, err := salvageText(ctx, text, opt)
	if err == nil && other.Kept <= out.Kept {
		return out, nil
	}
	return other, err
}

// walk goes through the file.
func (out *SalvagedAOF) walk(ctx context.Context, src io.ReaderAt, opt AOFOptions) error {
	s := &aofSalvage{
		aofScan: aofScan{src: src, size: out.Size}, ctx: ctx, opt: opt, out: out,
		state: aofState{sinceGap: -1, multi: -1, mark: -1}, until: aofUntil{doubt: -1},
	}
	s.undone, _ = src.(*textLog)
	if err := s.preamble(); err != nil {
		return err
	}
	s.run()
	if s.err != nil {
		return s.err
	}
	s.finish()
	if out.timed = s.until.last > 0; opt.Until != 0 && opt.end == 0 {
		out.untimed = s.until.doubt
	}
	return nil
}

// insaneError ends the reading at a command that servers do not take as it stands: it says why.
type insaneError string

func (e insaneError) Error() string { return string(e) }

// lostDB is the error of a database to which nothing can be moved.
func (o *AOFOptions) lostDB() error {
	switch {
	case !o.MoveLostDB:
	case o.LostDB < 0 || int64(o.LostDB) > math.MaxInt32:
		return fmt.Errorf("repair: there is no database %d for what is uncertain", o.LostDB)
	case o.Databases > 0 && uint64(o.LostDB) >= o.Databases:
		return fmt.Errorf("repair: what is uncertain is to go into database %d, and the server has %d: say how many it has", o.LostDB, o.Databases)
	}
	return nil
}

// errCanonical ends the reading of a file for which one strictness speaks for both.
var errCanonical = errors.New("canonical")

// ifSound takes a file in which both a server and its checker find nothing wrong as it is.
func (out *SalvagedAOF) ifSound(ctx context.Context, src io.ReaderAt, opt AOFOptions) error {
	var r *aof.Reader
	var notes int64
	for _, strictness := range []aof.Strictness{aof.AsServer, aof.AsChecker} {
		var err error
		if r, notes, err = readAOF(ctx, src, out.Size, strictness, opt); err == errCanonical {
			break
		}
		var fe *aof.FormatError
		if errors.As(err, &fe) || errors.As(err, new(insaneError)) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	pos := r.Position()
	if err := deepPreamble(ctx, src, pos.Preamble); err != nil {
		return notFormat(err)
	}
	out.Sound, out.Preamble, out.Kept, out.Annotations = true, pos.Preamble, pos.Commands, notes
	if pos.Preamble > 0 {
		out.Regions = append(out.Regions, AOFRegion{Kind: AOFPreamble, End: pos.Preamble, Select: -1})
	}
	if out.Size > pos.Preamble {
		out.Regions = append(out.Regions, AOFRegion{Start: pos.Preamble, End: out.Size, Commands: pos.Commands, Notes: notes, Select: -1})
	}
	return nil
}

// readAOF reads a file to its end, and counts its annotations. The error is errCanonical if the other strictness would read the same.
func readAOF(ctx context.Context, src io.ReaderAt, size int64, strictness aof.Strictness, opt AOFOptions) (r *aof.Reader, notes int64, err error) {
	r = aof.NewReaderOptions(io.NewSectionReader(src, 0, size), aof.ReaderOptions{Strictness: strictness, Skim: true, NoPreamble: opt.NoPreamble})
	for n := 0; r.Next(); n++ {
		switch rec := r.Record().(type) {
		case *aof.Annotation:
			notes++
		case *aof.Command:
			if why := opt.insane(rec); why != "" {
				return r, notes, insaneError(why)
			}
		}
		if n%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return r, notes, err
			}
		}
	}
	if r.Err() == nil && r.Canonical() {
		return r, notes, errCanonical
	}
	return r, notes, r.Err()
}

// insane says why a server does not take the command as it stands; empty if it does.
func (o *AOFOptions) insane(c *aof.Command) string {
	if o.framing {
		return ""
	}
	if why := oddity(c); !o.takes(why) {
		return why
	}
	if c.Special != aof.Select {
		return ""
	}
	db, ok := c.Selected()
	if !ok || c.Argc != 2 {
		db = -1
	}
	return o.misplaced(c.Special, db)
}

// takes reports whether a command is kept of which that is odd.
func (o *AOFOptions) takes(odd string) bool { return odd == "" || odd == oddName && o.KeepUnknown }

// AOFTruncation is what redis-check-aof --fix would do to a file.
type AOFTruncation struct {
	Size, Valid int64            // in bytes; Valid is what it would be cut to
	Position    aof.Position     // where the reading ended
	Fault       *aof.FormatError // what ended it, nil if the file is valid
}

// TruncateAOF reads the file as redis-check-aof does, and tells where that program cuts it: at the end of the last record before the
// fault that is outside of a transaction, however much follows. The error is one of reading, of the context, or of the RDB part, a
// fault in which the program does not repair.
func TruncateAOF(ctx context.Context, src io.ReaderAt, size int64, opt AOFOptions) (*AOFTruncation, error) {
	if err := misSized(src, size); err != nil {
		return nil, err
	}
	opt.framing = true
	r, _, err := readAOF(ctx, src, size, aof.AsChecker, opt)
	t := &AOFTruncation{Size: size, Valid: size, Position: r.Position()}
	switch {
	case err == nil, err == errCanonical:
		return t, nil
	case !errors.As(err, &t.Fault):
		return t, err
	case t.Fault.Code == aof.CodeRDB:
		return t, t.Fault
	}
	t.Valid = t.Position.Valid
	return t, nil
}

// WriteTo writes what the program would leave of src.
func (t *AOFTruncation) WriteTo(w io.Writer, src io.ReaderAt) (int64, error) {
	n, err := io.Copy(w, io.NewSectionReader(src, 0, t.Valid))
	if err == nil && n < t.Valid {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// WriteTo writes what is left of src, the file that was salvaged: intact regions byte for byte, healed ones with their corrections,
// SELECT where the map says so. It returns how many bytes it wrote.
func (s *SalvagedAOF) WriteTo(w io.Writer, src io.ReaderAt) (n int64, err error) {
	regions := s.Regions
	if s.text != nil {
		src, regions = s.text.from(src), s.asWas
	}
	cw := &aofOutput{w: w, src: src}
	for i := range regions {
		r := &regions[i]
		if r.Select >= 0 && r.Kind.Kept() {
			cw.selectDB(r.Select)
		}
		switch {
		case r.Kind == AOFPreambleBad:
			cw.from(s.rdbOf(src, r.End))
		case !r.Kind.Kept():
		default:
			cw.edited(r.Start, r.End, r.Edits)
		}
	}
	return cw.n, cw.err
}

// aofOutput counts what it writes, and keeps the first error.
type aofOutput struct {
	w   io.Writer
	src io.ReaderAt
	n   int64
	err error
	buf []byte
}

func (o *aofOutput) from(part io.WriterTo) {
	if o.err == nil {
		var n int64
		n, o.err = part.WriteTo(o.w)
		o.n += n
	}
}

func (o *aofOutput) selectDB(db int) {
	number := fmt.Sprint(db)
	o.from(bytes.NewReader(fmt.Appendf(nil, "*2\r\n$6\r\nSELECT\r\n$%d\r\n%s\r\n", len(number), number)))
}

func (o *aofOutput) edited(start, end int64, edits []Edit) {
	for _, e := range edits {
		o.copy(start, e.Offset)
		o.from(bytes.NewReader(e.Insert))
		start = e.Offset + e.Remove
	}
	o.copy(start, end)
}

func (o *aofOutput) copy(start, end int64) {
	if o.err != nil || start >= end {
		return
	}
	if o.buf == nil {
		o.buf = make([]byte, aofWindow)
	}
	// Neither side gets a say in the size of the pieces, as they would take small ones.
	n, err := io.CopyBuffer(struct{ io.Writer }{o.w}, struct{ io.Reader }{io.NewSectionReader(o.src, start, end-start)}, o.buf)
	o.n += n
	if o.err = err; err == nil && n < end-start {
		o.err = io.ErrUnexpectedEOF
	}
}
