package rdb

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/kvfsck/kvfsck/internal/filemap"
)

// VerifyOptions are settings of [Verify]. The zero value checks as the newest checker does and stops at the first fault.
type VerifyOptions struct {
	// KeepGoing goes on behind faults that leave the framing intact, so that all of them are reported.
	KeepGoing bool
	// MaxFaults is how many faults are kept; more are counted only. 0 means 1000.
	MaxFaults int
	// DuplicateKeys looks for keys that stand twice in their database, on which servers abort. It needs memory as
	// DuplicateMemory says.
	DuplicateKeys bool
	// DuplicatesOfWhole spares the search that DuplicateKeys asks for where the file cannot be followed to its end mark, unless it is small: for who goes on behind such
	// a fault, and looks for them among all keys that there are.
	DuplicatesOfWhole bool
	// Databases is how many databases the server is configured for; keys beyond are faults. 0 means no limit.
	Databases uint64
	// Hints compares RESIZEDB records with the keys present.
	Hints bool
	// Prefix stops behind the end mark and leaves what follows to Report.Rest, as in an append-only file. Otherwise bytes that
	// follow are counted and reported.
	Prefix bool
	// Now is the time by which keys have expired. The zero value means now.
	Now time.Time
	// From, if set, is the place between two records where the check begins; what stands before it in src is not looked at. The checksum cannot be
	// told then. Behind the end of src it is where the file was cut short.
	From *Position
	// OnRecord is called with every record but keys, in file order, as soon as it is read. The record holds for the call.
	OnRecord func(Record)
	// OnRun is called with stretches of the file that hold nothing but keys, all of them sound but that some may stand twice, in file order. Where it is not worth it, as with
	// small files, and in the neighbourhood of other records and of faults, nothing is told. The run holds for the call.
	OnRun func(*KeyRun)
	// DuplicateMemory bounds the memory, in bytes, for finding keys that stand twice; 0 means 32 MiB. A quarter as much more is used for
	// elements that stand twice in one value. What does not fit goes to temporary files in TempDir, as with [ReaderOptions].
	DuplicateMemory int64
	TempDir         string
	// Progress, if set, is called now and then with how many bytes have been read.
	Progress func(offset int64)
	// Workers is how many blocks of values are checked at once; 0 means as many as there are processors. What is found, and in which order
	// it is told, does not depend on it.
	Workers int

	window, limit int    // as in ReaderOptions; window is also the size of the blocks that workers get
	slow          bool   // nothing is passed quickly
	suspect       bool   // all keys are looked at again
	whole         []byte // the input, as if it were mapped
}

// KeyRun is a stretch of a file that holds nothing but sound keys of one database. It begins and ends between records.
type KeyRun struct {
	Span
	DB            uint64
	Keys, Expires int64
	// FirstExpire and LastExpire are the first and the last time, in milliseconds since 1970, at which any of those that do expires.
	FirstExpire, LastExpire int64
	Hashes                  []uint64 // of the keys, with their database: if two are the same, so are these, within one process
	Checksum                uint64   // CRC-64 of its bytes

	types *[len(redisTypes)]Count
}

// Count returns how many keys of a type the run has.
func (k *KeyRun) Count(t Type) int64 {
	if int(t) >= len(k.types) {
		return 0
	}
	return k.types[t].Keys
}

// Report is what [Verify] found out about a file, as far as it came.
type Report struct {
	Family  Family
	Version int
	Aux     []AuxField // in file order, at most 64 of them, long values cut

	Keys           int64 // begun, including one that is damaged
	Expires        int64
	AlreadyExpired int64
	FieldExpires   int64 // hashes with a field that expires
	Types          map[TypeCount]*Count
	DBs            map[uint64]*DBCount
	Libraries      []string // function libraries
	Modules        []string // whose data the file has
	Duplicates     int64    // keys that stand twice or more, each time after the first

	Complete bool  // the end mark was reached
	EOF      EOF   // where Complete
	Size     int64 // bytes read, up to the end or to what ended the reading
	Trailing int64 // bytes behind the end

	Faults []*FormatError // in the order they were met
	Total  int64          // of faults, also those not kept

	Rest io.Reader // with Prefix, what follows

	refused, checkerRefused *FormatError
}

// AuxField is a field of the file's own information.
type AuxField struct{ Name, Value string }

// TypeCount names a row of Report.Types.
type TypeCount struct {
	Type     Type
	Kind     Kind
	Encoding string
}

// Count is how much there is of something.
type Count struct{ Keys, Bytes int64 }

// DBCount is the keys of a database, beside what RESIZEDB said of it.
type DBCount struct {
	Keys, Expires             int64
	Hinted                    bool
	HintedKeys, HintedExpires uint64
	hint                      Span
	slots                     bool
}

// CheckerFault returns the fault for which the newest checker of the file's family gives up, nil if it accepts the file.
func (r *Report) CheckerFault() *FormatError { return r.checkerRefused }

// ServerFault returns the first fault for which the newest server of the file's family, checking everything, refuses the file or
// loses something, nil if it loads all of it.
func (r *Report) ServerFault() *FormatError { return r.refused }

// Verify checks the RDB in src: structure, values, checksum and what the options ask for. The report says how far it came and what
// it found. The error is the first fault of [Report.ServerFault], or [Report.CheckerFault] where only the checker minds, or else what kept
// the input from being read.
//
// A regular file of 1 MiB or more, or an [io.SectionReader] of one, is read through a memory map where the system is Linux. Its own offset
// stays where it was. A file that becomes shorter meanwhile, or cannot be read, is no more than an error then too.
//
// Memory is bounded whatever the input: by what the options say of duplicates, 40 MiB if they say nothing, and beside that by a few
// MiB for every worker.
func Verify(ctx context.Context, src io.Reader, opt VerifyOptions) (*Report, error) {
	v := newVerifier(ctx, opt)
	defer v.close()
	workers := opt.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if p := opt.From; p != nil && p.Offset < 0 {
		return v.rep, fmt.Errorf("rdb: a check cannot begin at offset %d", p.Offset)
	} else if p != nil {
		v.rep.Family, v.rep.Version = p.Family, p.Version
		v.selects = append(v.selects, dbSelect{p.Offset, p.DB})
	}
	var err error
	if m := filemap.Of(src, filemap.MinSize); m != nil || workers > 1 {
		err = v.parallel(src, m, workers)
	} else {
		err = v.sequential(src)
	}
	if err == nil && v.rep.refused != nil {
		err = v.rep.refused
	} else if err == nil && v.rep.checkerRefused != nil {
		err = v.rep.checkerRefused
	}
	return v.rep, err
}
