package repair

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// CheckOptions are settings of [Check].
type CheckOptions struct {
	// Databases is how many databases the server is configured for; 0 means any number.
	Databases uint64
	// MaxFaults bounds the faults that are listed; 0 means 1000. All are counted.
	MaxFaults int
	Salvage   SalvageOptions
}

// Report is what was found out about an RDB: what the verifier says, and a map.
type Report struct {
	*rdb.Report
	// Fault is the first thing for which the newest server of the file's family refuses it or drops a key; nil: the file is sound.
	Fault *rdb.FormatError
	// Map is what each range of the file is, in file order and without holes.
	Map []Region
}

// misSized is the error of a source that does not have so many bytes: what is not there would seem to be sound, or lost.
func misSized(src io.ReaderAt, size int64) error {
	switch {
	case size < 0:
		return fmt.Errorf("repair: %d is not the size of a file", size)
	case size == 0:
		return nil
	}
	var last [1]byte
	if n, err := src.ReadAt(last[:], size-1); n == 0 && err == io.EOF { // other errors come when the file is read
		return fmt.Errorf("repair: a file of less than %d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	return nil
}

// Check reads an RDB of size bytes with the deep verifier, and if it is damaged once more to find out where. An error is one of the
// input or of temporary files.
func Check(ctx context.Context, src io.ReaderAt, size int64, opt CheckOptions) (*Report, error) {
	if err := misSized(src, size); err != nil {
		return nil, err
	}
	rep, known, err := checkFirst(ctx, src, size, rdb.VerifyOptions{
		KeepGoing: true, DuplicateKeys: true, Databases: opt.Databases, MaxFaults: opt.MaxFaults, TempDir: opt.Salvage.TempDir,
	}, opt.Salvage)
	defer known.close()
	out := &Report{Report: rep}
	switch {
	case err == nil:
		out.Map = soundMap(rep, size)
		return out, nil
	case !errors.As(err, &out.Fault):
		return nil, err
	}
	opt.Salvage.checked = known
	s, err := Salvage(ctx, src, size, opt.Salvage)
	if err != nil {
		return nil, err
	}
	out.Map = s.Regions
	return out, nil
}

// soundMap is the map of a file without damage: it is intact, but for what stands behind its end.
func soundMap(rep *rdb.Report, size int64) []Region {
	end := size - rep.Trailing
	m := []Region{{End: end, Kind: RegionIntact}}
	if end < size {
		m = append(m, Region{Start: end, End: size, Kind: RegionForeign})
	}
	return m
}
