package repair

// Salvage: everything of an RDB file that is still there.
//
// An RDB has no marks between its records; each says how long it is, and the next begins behind it. So one wrong length loses all that
// follows, to a server at least. But the records are still there, and a reader that knows what records look like finds them again.
//
// The work is done in two passes. The first one reads the file as a server would, deeply, and makes a map of it: what is intact, what is
// damaged and can be passed over, and where reading fails. There it looks for the place from which records go on (salvage_resync.go),
// by evidence (salvage_evidence.go) that does not trust the place of the failure, nor what was read just before it. Its memory is in
// proportion to the number of damages. The second pass, Salvaged.WriteTo, copies what is intact, byte for byte, and closes the file
// properly.
//
// What is not certain is left out and reported. Nothing is made up: every byte of the output stood in the file, and each key's where a
// key stood. What no structure can show remains: where bytes were taken out of the middle of two records, the beginning of the one and
// the end of the other may read as a sound record.

import (
	"cmp"
	"context"
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// PartialPolicy says what becomes of a value of which only the beginning can be read.
type PartialPolicy uint8

const (
	// PartialDrop leaves such keys out.
	PartialDrop PartialPolicy = iota
	// PartialKeep keeps the elements before the damage of lists, sets, sorted sets, hashes and streams.
	PartialKeep
)

// SalvageOptions are settings of [Salvage] and [Truncate]. The zero value is the careful default.
type SalvageOptions struct {
	// Partial is what to do with values that are damaged in the middle.
	Partial PartialPolicy
	// LostDB, if set, is the database for keys that stand behind a gap and whose database cannot be told. Otherwise they go where the keys before the gap belong, or where the file's
	// counts say that keys are missing.
	LostDB *uint64
	// MaxNames is how many keys each list of the account names; the counts go on. 0 means 1000.
	MaxNames int
	// MaxMemory bounds the tables that find duplicates, in bytes; what does not fit goes to temporary files. 0 means 128 MiB.
	MaxMemory int64
	// TempDir is where those are made; empty means [os.TempDir].
	TempDir string
	// Progress, if set, is called now and then with how many bytes of the file have been read.
	Progress func(offset int64)

	checked   *checkedPart // what a check found out
	databases uint64       // that the server is configured for; 0: not known
	noMore    bool         // it has no more for sure
	workers   int          // that read ahead; 0: as many as there are processors, up to aheadWorkers
	piece     int          // bytes of what each gets; 0: as rdb says
	alone     int64        // bytes that are read before; 0: aheadLeast
	plain     bool         // nothing is passed over

	runsLeast, runsKept int  // as in soundRuns
	walkAll             bool // no runs are passed in one step
}

func (o SalvageOptions) withDefaults() SalvageOptions {
	o.MaxNames = cmp.Or(o.MaxNames, 1000)
	o.MaxMemory = cmp.Or(o.MaxMemory, 128<<20)
	o.runsLeast, o.runsKept = cmp.Or(o.runsLeast, runsLeast), cmp.Or(o.runsKept, runsKept)
	return o
}

// RegionKind is what a range of bytes of a damaged file is.
type RegionKind uint8

const (
	RegionHeader    RegionKind = iota // the magic and the version
	RegionIntact                      // records that are kept
	RegionDamaged                     // a record with intact framing whose value is damaged
	RegionDoubt                       // a record that can be read but is not trusted; see Doubt
	RegionLost                        // no record is known here
	RegionPadding                     // zero bytes in the place of something
	RegionForeign                     // another file's: behind the end, or a dump inside a lost value
	RegionEnd                         // the end mark and the checksum
	RegionDuplicate                   // intact keys and function libraries that are left out, as others of the same name are kept
)

var regionNames = [...]string{"header", "intact", "damaged", "doubtful", "lost", "padding", "foreign", "end", "duplicate"}

// String returns the kind's name, such as "intact".
func (k RegionKind) String() string { return regionNames[k] }

// Region is a range of bytes of the file. The regions of a file follow each other without holes.
type Region struct {
	Start, End int64
	Kind       RegionKind
}

// LostKey is a key whose name is known and that is not kept, or only in part.
type LostKey struct {
	DB     uint64
	Key    []byte
	Type   rdb.Type
	Offset int64    // of the record
	Code   rdb.Code // of the rule that its value breaks; empty if it is torn or doubtful
	Doubt  Doubt    // why it is not trusted though it can be read; else empty
	Kept   int64    // elements kept of it, with [PartialKeep]
}

// DBAccount is what became of a database.
type DBAccount struct {
	DB       uint64
	Kept     int64  // keys
	Expires  int64  // of them, keys that expire
	Hinted   bool   // the file says how many keys it had
	Expected uint64 // as the file says
	Guessed  int64  // of the keys kept, those whose database is not certain
}

// Salvaged is what [Salvage] found, and the account of it.
type Salvaged struct {
	Family        rdb.Family
	Version       int  // believed, also where the header is damaged
	HeaderDamaged bool // the header was not there or not believed
	Complete      bool // the end mark was found
	ChecksumRight bool // the stored checksum is that of the file, so nothing before it is damaged
	Size          int64
	Regions       []Region
	Gaps          int         // places where records were lost
	Keys, Expires int64       // that are kept
	DamagedKeys   int64       // that are not kept because their values are damaged or torn
	DoubtfulKeys  int64       // that can be read and are not trusted
	PartialKeys   int64       // that are kept in part
	DuplicateKeys int64       // others of the same name, which are left out
	Lost          []LostKey   // the first of them all but duplicates
	Duplicates    []Duplicate // the first of these
	DBs           []DBAccount // in ascending order
	LostBytes     int64       // in lost, damaged, doubtful and duplicate regions, and in padding
	// DuplicateBytes are those of them that are intact, in duplicate regions.
	DuplicateBytes int64
	ForeignBytes   int64
	Libraries      int64         // function libraries kept
	LostLibraries  int64         // function libraries whose first line is damaged or that stood twice
	LibrariesLost  []LostLibrary // the first of these
	out            []segment
	src            io.ReaderAt
	lead           int64 // bytes in front of the header, which out, partials and sums do not count
	partials       []partial
	sums           []spanSum // of some parts of the file, in their order
	opt            SalvageOptions
	sumWrong       bool // the stored checksum is that of other bytes
	damaged        bool // it is known that the file is
}

// Salvage reads a damaged RDB of size bytes and finds every record that is still there. An error is one of the input or of temporary files; of
// a file in which nothing is left the account says so.
func Salvage(ctx context.Context, src io.ReaderAt, size int64, opt SalvageOptions) (*Salvaged, error) {
	out, err := salvageFrom(ctx, src, size, opt)
	if err != nil {
		return nil, err
	}
	behind, err := salvageBehindLead(ctx, src, size, opt, out)
	if err != nil {
		return nil, err
	}
	return cmp.Or(behind, out), nil
}

// salvageFrom is Salvage of a file that begins where src does.
func salvageFrom(ctx context.Context, src io.ReaderAt, size int64, opt SalvageOptions) (*Salvaged, error) {
	out, err := salvageOnce(ctx, src, size, opt)
	if err == errUnlisted {
		opt.walkAll = true
		out, err = salvageOnce(ctx, src, size, opt)
	}
	return out, err
}

func salvageOnce(ctx context.Context, src io.ReaderAt, size int64, opt SalvageOptions) (*Salvaged, error) {
	if err := misSized(src, size); err != nil {
		return nil, err
	}
	s := newSalvager(ctx, src, size, opt)
	defer s.close()
	if err := s.run(); err != nil {
		return nil, err
	}
	return s.finish()
}

// Truncate is Salvage that gives up at the first damage: everything before it is kept, everything from there on is lost. This is what
// the --fix of redis-check-aof does to commands.
func Truncate(ctx context.Context, src io.ReaderAt, size int64, opt SalvageOptions) (*Salvaged, error) {
	if err := misSized(src, size); err != nil {
		return nil, err
	}
	s := newSalvager(ctx, src, size, opt)
	defer s.close()
	s.truncate = true
	if err := cmp.Or(s.run(), ctx.Err()); err != nil {
		return nil, err
	}
	return s.finish()
}
