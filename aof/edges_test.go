package aof

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

var errDisk = errors.New("input/output error")

// sickFS fails at the paths given: open, stat, readdir, or read after so many bytes. Its files cannot seek.
type sickFS struct {
	fstest.MapFS
	open, stat, dir string
	read            string
	after           int
}

func (s sickFS) Open(name string) (fs.File, error) {
	if name == s.open {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errDisk}
	}
	f, err := s.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	if d, ok := f.(fs.ReadDirFile); ok {
		return d, nil
	}
	left := math.MaxInt
	if name == s.read {
		left = s.after
	}
	return &sickFile{File: f, stat: name == s.stat, left: left}, nil
}

func (s sickFS) Stat(name string) (fs.FileInfo, error) { return s.MapFS.Stat(name) }

func (s sickFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == s.dir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errDisk}
	}
	return s.MapFS.ReadDir(name)
}

type sickFile struct {
	fs.File
	stat bool
	left int
}

func (f *sickFile) Stat() (fs.FileInfo, error) {
	if f.stat {
		return nil, errDisk
	}
	return f.File.Stat()
}

func (f *sickFile) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errDisk
	}
	n, err := f.File.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

func wholeSet() fstest.MapFS {
	return mapFS(dirManifest, oneOfEach, dirBase, pRDB("REDIS0011"), dirIncr, pSel+pSet("a"))
}

// TestSickDisk has a disk that fails in one place: that is told, and the rest is still judged.
func TestSickDisk(t *testing.T) {
	cases := []struct {
		name string
		disk sickFS
		file string // of the finding
	}{
		{"open", sickFS{MapFS: wholeSet(), open: dirIncr}, dirIncr},
		{"stat", sickFS{MapFS: wholeSet(), stat: dirIncr}, dirIncr},
		{"first bytes", sickFS{MapFS: wholeSet(), read: dirIncr}, dirIncr},
		{"commands", sickFS{MapFS: wholeSet(), read: dirIncr, after: 30}, dirIncr},
		{"RDB part", sickFS{MapFS: wholeSet(), read: dirBase, after: 12}, dirBase},
		{"directory", sickFS{MapFS: wholeSet(), dir: dirOf(dirManifest)}, dirOf(dirManifest)},
	}
	for _, c := range cases {
		s, err := OpenSet(c.disk, dirManifest)
		require.NoError(t, err, c.name)
		rep, err := s.Check(context.Background(), CheckOptions{})
		require.NoError(t, err, c.name)
		found := false
		for _, f := range rep.Findings {
			if f.Code == FindUnreadable && f.File == c.file {
				found = true
				assert.ErrorIs(t, f.Err, errDisk, c.name)
			}
		}
		assert.True(t, found, "%s: %v", c.name, rep.Findings)
		if v := rep.Verdict(Redis86, true); c.name != "directory" && assert.Equal(t, Refuses, v.Outcome, c.name) {
			assert.NotEmpty(t, v.String(), c.name)
		}
	}
}

// dirOf is the directory that a path lies in.
func dirOf(name string) string { return name[:strings.LastIndexByte(name, '/')] }

// TestOpening has what cannot be opened at all.
func TestOpening(t *testing.T) {
	files := wholeSet()
	_, err := OpenSet(files, "appendonlydir/none.manifest")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = OpenSet(sickFS{MapFS: files, read: dirManifest, after: strings.IndexByte(oneOfEach, '\n') + 1}, dirManifest)
	assert.ErrorIs(t, err, errDisk)
	_, err = OpenSet(sickFS{MapFS: files, read: dirManifest, after: 5}, dirManifest)
	assert.ErrorIs(t, err, errDisk, "in the middle of a line")
	_, err = OpenFile(files, "none.aof")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = OpenFile(files, "appendonlydir")
	assert.ErrorContains(t, err, "is a directory")
	_, err = Discover(sickFS{MapFS: files, open: dirManifest}, DiscoverOptions{})
	assert.ErrorIs(t, err, errDisk)
	old := mapFS("appendonly.aof", pSel)
	_, err = Discover(sickFS{MapFS: old, open: "appendonly.aof"}, DiscoverOptions{})
	assert.ErrorIs(t, err, errDisk)
	s, err := Discover(files, DiscoverOptions{})
	require.NoError(t, err)
	rep, err := s.Check(context.Background(), CheckOptions{})
	require.NoError(t, err)
	assert.Nil(t, rep.Verdict(Server(99), true), "of a server that is none")
}

// TestCheckIsStopped has a context that is over before the check and one that ends in the middle.
func TestCheckIsStopped(t *testing.T) {
	files := wholeSet()
	files[dirIncr].Data = []byte(pSel + strings.Repeat(pSet("a"), 200_000))
	s, err := OpenSet(files, dirManifest)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	_, err = s.Check(ctx, CheckOptions{Progress: func(index int, _ int64) {
		if index == 1 {
			cancel()
		}
	}})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = s.Check(ctx, CheckOptions{})
	assert.ErrorIs(t, err, context.Canceled)
}

// TestPreambleThatCannotSeek reads a file with an RDB part from a disk that cannot seek: what it finds is the same.
func TestPreambleThatCannotSeek(t *testing.T) {
	files := mapFS("appendonly.aof", pRDB("REDIS0011")+pSel+pSet("a")+"*1\r\nbroken")
	var outcomes []string
	for _, disk := range []fs.FS{files, sickFS{MapFS: files}} {
		s, err := OpenFile(disk, "appendonly.aof")
		require.NoError(t, err)
		rep, err := s.Check(context.Background(), CheckOptions{})
		require.NoError(t, err)
		outcomes = append(outcomes, rep.Verdict(Redis86, true).String()+rep.Verdict(Valkey91, false).String()+rep.Files[0].CheckerErr.Error())
	}
	assert.Equal(t, outcomes[0], outcomes[1])
}

// TestRecordsLoop ends a loop early, and gets the error last.
func TestRecordsLoop(t *testing.T) {
	for range NewReader(strings.NewReader(pSel + pSet("a"))).Records() {
		break
	}
	n := 0
	var last error
	for rec, err := range NewReader(strings.NewReader(pSel + "*1\r\n$3\r\nab")).Records() {
		if n++; err != nil {
			last = err
			assert.Nil(t, rec)
		}
	}
	assert.Equal(t, 2, n)
	assert.ErrorIs(t, last, io.ErrUnexpectedEOF)
	r := NewReader(strings.NewReader(""))
	assert.False(t, r.Next())
	assert.False(t, r.Next(), "again")
}

// idle never gives a byte nor an error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestReaderWithoutProgress(t *testing.T) {
	r := NewReader(idle{})
	assert.False(t, r.Next())
	assert.ErrorIs(t, r.Err(), io.ErrNoProgress)
	r = NewReader(io.MultiReader(strings.NewReader(pRDB("REDIS0011")[:15]), sickReader{}))
	assert.True(t, r.Next())
	assert.False(t, r.Next())
	assert.ErrorIs(t, r.Err(), errDisk, "in the RDB part")
}

type sickReader struct{}

func (sickReader) Read([]byte) (int, error) { return 0, errDisk }

// TestNumbers has the bounds of what counts as a number.
func TestNumbers(t *testing.T) {
	cases := []struct {
		text     string
		v        int64
		n        int
		overflow bool
	}{
		{"0", 0, 1, false}, {"-7x", -7, 2, false}, {"", 0, 0, false}, {"-", 0, 0, false}, {"9223372036854775807", math.MaxInt64, 19, false}, {"9223372036854775808", math.MaxInt64, 19, true},
		{"-9223372036854775808", math.MinInt64, 20, false}, {"-9223372036854775809", math.MinInt64, 20, true}, {"99999999999999999999999", math.MaxInt64, 23, true},
		{"-99999999999999999999999", math.MinInt64, 24, true},
	}
	for _, c := range cases {
		v, n, overflow := decimal([]byte(c.text))
		assert.Equal(t, c.v, v, c.text)
		assert.Equal(t, c.n, n, c.text)
		assert.Equal(t, c.overflow, overflow, c.text)
	}
	for text, want := range map[string]bool{"0": true, "-1": true, "10": true, "01": false, "-0": false, "-": false, "": false, "1x": false, "9223372036854775808": false} {
		_, ok := integer([]byte(text))
		assert.Equal(t, want, ok, text)
	}
}

// TestManifestThatCannotBeWritten has words that would not be read back.
func TestManifestThatCannotBeWritten(t *testing.T) {
	entry := ManifestEntry{Name: "a.1.incr.aof", Seq: 1, Type: Incr, StartOffset: NoOffset, EndOffset: NoOffset}
	same := ManifestEntry{Name: "b", Seq: 1, Type: Incr, StartOffset: NoOffset, EndOffset: NoOffset}
	for name, m := range map[string]*Manifest{
		"comment of two lines": {Comments: []string{"a\nb"}, Entries: []ManifestEntry{entry}},
		"path for a name":      {Entries: []ManifestEntry{{Name: "a/b", Seq: 1, Type: Base, StartOffset: NoOffset, EndOffset: NoOffset}}},
		"two of one number":    {Entries: []ManifestEntry{entry, same}},
	} {
		b, err := m.AppendText([]byte("kept"))
		assert.Error(t, err, name)
		assert.Equal(t, "kept", string(b), name)
	}
	_, err := ReadManifest(io.MultiReader(strings.NewReader(oneOfEach), sickReader{}))
	assert.ErrorIs(t, err, errDisk)
	assert.ErrorIs(t, err, ErrManifest)
	assert.Contains(t, err.Error(), errDisk.Error())
}

// TestOffsetsOfIncrements has offsets that cannot be.
func TestOffsetsOfIncrements(t *testing.T) {
	const b = "file appendonly.aof.1.base.rdb seq 1 type b\n"
	const i1, i2 = "file appendonly.aof.1.incr.aof seq 1 type i", "file appendonly.aof.2.incr.aof seq 2 type i"
	for text, want := range map[string]string{
		b + i1 + " startoffset 9 endoffset 5\n":                           "it ends at 5 before it starts at 9",
		b + i1 + " startoffset 9\n" + i2 + " startoffset 3\n":             "it starts at 3, the one before at 9",
		b + i1 + " startoffset 9\n" + i2 + " startoffset 9\n":             "",
		b + i1 + "\n" + i2 + " startoffset 9 endoffset 12\n":              "",
		b + i1 + " startoffset 9\n" + i2 + "\n":                           "",
		b + i1 + " startoffset 1 endoffset 5\n" + i2 + " startoffset 6\n": "it starts at 6, the one before ends at 5",
	} {
		files := wholeSet()
		files[dirManifest].Data = []byte(text)
		files["appendonlydir/appendonly.aof.2.incr.aof"] = files[dirIncr]
		s, err := OpenSet(files, dirManifest)
		require.NoError(t, err)
		got := ""
		for _, f := range s.Findings {
			if f.Code == FindOffsets {
				got = f.Detail
			}
		}
		assert.Equal(t, want, got, text)
	}
}

// TestForeignRDB has an RDB part that one family reads and the other does not.
func TestForeignRDB(t *testing.T) {
	files := wholeSet()
	files[dirBase].Data = []byte(pRDB("VALKEY080"))
	s, err := OpenSet(files, dirManifest)
	require.NoError(t, err)
	rep, err := s.Check(context.Background(), CheckOptions{})
	require.NoError(t, err)
	assert.Equal(t, Refuses, rep.Verdict(Redis86, true).Outcome)
	assert.Equal(t, ReasonForeign, rep.Verdict(Redis86, true).Reason)
	assert.Equal(t, Loads, rep.Verdict(Valkey91, true).Outcome)
	files[dirBase].Data = []byte(pRDB("REDIS0011")[:12])
	s, err = OpenSet(files, dirManifest)
	require.NoError(t, err)
	rep, err = s.Check(context.Background(), CheckOptions{})
	require.NoError(t, err)
	assert.Equal(t, ReasonRDB, rep.Verdict(Redis86, true).Reason)
	assert.ErrorIs(t, rep.Verdict(Redis86, true).Err, rdb.ErrTruncated)
}
