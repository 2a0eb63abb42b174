package rdb_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// keyed is a key as it was read, with all that a file says of it.
type keyed struct {
	DB       uint64
	Key      string
	ExpireAt int64
	Idle     int64
	Freq     int
	Meta     []rdb.KeyMeta
	Value    rdb.Value
}

// contents reads all keys of a file, in file order.
func contents(t testing.TB, b []byte) (keys []keyed) {
	t.Helper()
	for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok {
			v, err := e.Value()
			require.NoError(t, err, "%q", e.Key)
			keys = append(keys, keyed{e.DB, string(e.Key), e.ExpireAt, e.Idle, e.Freq, e.Meta, v})
		}
	}
	return keys
}

// asHeld returns what a version holds of a key: the same value, in an order that does not depend on the encoding, without what the
// version has no place for.
func (k keyed) asHeld(target rdb.Target) keyed {
	if target < rdb.Version9 {
		k.Idle, k.Freq = -1, -1
	}
	if s, ok := k.Value.(*rdb.Stream); ok {
		k.Value = streamAsHeld(s, target)
	} else {
		k.Value = sorted(k.Value)
	}
	return k
}

// sorted brings the elements that have no order of their own into one.
func sorted(v rdb.Value) rdb.Value {
	switch v := v.(type) {
	case rdb.Set:
		v = slices.Clone(v)
		slices.SortFunc(v, bytes.Compare)
		return v
	case rdb.SortedSet:
		v = slices.Clone(v)
		slices.SortFunc(v, func(a, b rdb.ScoredMember) int { return bytes.Compare(a.Member, b.Member) })
		return v
	case rdb.Hash:
		v = slices.Clone(v)
		slices.SortFunc(v, func(a, b rdb.HashField) int { return bytes.Compare(a.Name, b.Name) })
		return v
	}
	return v
}

func streamAsHeld(v *rdb.Stream, target rdb.Target) *rdb.Stream {
	s := *v
	s.Nodes = 0
	s.Length = uint64(len(s.Entries))
	if len(s.Entries) == 0 {
		s.FirstID = rdb.StreamID{} // servers that load type 15 make 2^64-1 of both numbers
	}
	if target < rdb.Version10 {
		s.Added, s.MaxDeleted = s.Length, rdb.StreamID{}
		if len(s.Entries) > 0 {
			s.FirstID = s.Entries[0].ID
		}
	}
	if target != rdb.Version13 {
		s.IDMP, s.Producers = rdb.IDMP{}, nil
	} else if !s.IDMP.Present {
		s.IDMP = rdb.IDMP{Present: true, DurationS: 100, MaxEntries: 100}
	}
	s.Groups = slices.Clone(s.Groups)
	for i := range s.Groups {
		g := &s.Groups[i]
		if target < rdb.Version10 || !g.HasRead {
			g.EntriesRead, g.HasRead = 0, false
		}
		g.Consumers = slices.Clone(g.Consumers)
		for j := range g.Consumers {
			if target < rdb.Version11 {
				g.Consumers[j].ActiveMS = g.Consumers[j].SeenMS
			}
		}
	}
	return &s
}

// convert writes a file anew. Keys that the version cannot hold are left out and returned with the reason.
func convert(t testing.TB, b []byte, target rdb.Target, opt rdb.WriterOptions) (out []byte, refused map[string]*rdb.UnsupportedError) {
	t.Helper()
	refused = map[string]*rdb.UnsupportedError{}
	var buf bytes.Buffer
	w := rdb.NewWriter(&buf, target, opt)
	for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
		require.NoError(t, err)
		err = w.WriteRecord(rec)
		var u *rdb.UnsupportedError
		if !errors.As(err, &u) {
			require.NoError(t, err)
			continue
		}
		since, ok := u.Since()
		require.True(t, !ok || since > target, "%v", err)
		if e, ok := rec.(*rdb.Entry); ok {
			require.Equal(t, e.Key, u.Key)
			refused[string(e.Key)] = u
		}
	}
	require.NoError(t, w.Close())
	require.EqualValues(t, buf.Len(), w.Size())
	return buf.Bytes(), refused
}

// flawless demands that a file has no fault of any weight but notes.
func flawless(t testing.TB, b []byte) {
	t.Helper()
	rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true})
	require.NoError(t, err)
	for _, f := range rep.Faults {
		require.LessOrEqual(t, f.Severity(), rdb.Note, "%v", f)
	}
}

// sameKeys compares what a version holds of two lists of keys.
func sameKeys(t testing.TB, want, got []keyed, target rdb.Target) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		a, b := want[i].asHeld(target), got[i].asHeld(target)
		if s, ok := a.Value.(*rdb.Stream); ok { // where the source did not say, the writer reckons; and servers agree, see TestServersLoad
			for j := range s.Groups {
				if g := s.Groups[j]; !g.HasRead {
					h := &b.Value.(*rdb.Stream).Groups[j]
					h.EntriesRead, h.HasRead = g.EntriesRead, g.HasRead
				}
			}
		}
		if !reflect.DeepEqual(a, b) {
			require.Empty(t, cmp.Diff(a, b, cmpopts.EquateEmpty()), "key %q", want[i].Key)
		}
	}
}

// TestRoundTrip writes every file of the corpus in every version and reads it back: copying what can be copied and encoding everything
// anew, in turn, or both if time does not matter.
func TestRoundTrip(t *testing.T) {
	byServer := map[string][]corpus.RDB{}
	for _, f := range corpus.RDBs(t) {
		byServer[f.Server] = append(byServer[f.Server], f)
	}
	for server, files := range byServer {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			var written, keys, left int
			for i, f := range files {
				b, err := os.ReadFile(f.Path)
				require.NoError(t, err)
				want := contents(t, b)
				for j, target := range rdb.Targets() {
					for _, reencode := range []bool{false, true} {
						if !allFiles && reencode != ((i+j)%2 == 0) {
							continue
						}
						out, refused := convert(t, b, target, rdb.WriterOptions{Reencode: reencode})
						flawless(t, out)
						expected := slices.DeleteFunc(slices.Clone(want), func(k keyed) bool { return refused[k.Key] != nil })
						sameKeys(t, expected, contents(t, out), target)
						written, keys, left = written+1, keys+len(expected), left+len(refused)
					}
				}
			}
			t.Logf("%d files written, %d keys equal, %d keys refused as unsupported", written, keys, left)
		})
	}
}

// otherwise are keys of the corpus that their server kept in another way than it would if it were given the value now: what became plain,
// or had fields that expired, stays so; and these lists were made with other settings than those in force when they were saved.
var otherwise = map[string]bool{
	"hx:lp-persisted": true,
	"l:nodes4":        true, "l:nodes1": true, "l:depth1": true, "l:depth2": true, "l:4k": true,
	"l:plain": true, "l:plain-only": true, "l:plain-int": true,
}

// TestEncodingAsServer encodes every value of files that servers wrote with their default settings: the types have to be those that
// the servers chose, and the bytes too where they did not compress.
func TestEncodingAsServer(t *testing.T) {
	types, exact := 0, 0
	for _, f := range corpus.RDBs(t) {
		plain := f.File == "nocompress.rdb"
		if len(f.Config) > 0 && !plain {
			continue
		}
		b, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		raw := rawValues(t, b)
		for i, k := range contents(t, b) {
			got, err := rdb.AppendValueDump(nil, k.Value, rdb.Target(f.RDBVersion), rdb.WriterOptions{NoCompression: plain})
			require.NoError(t, err)
			if otherwise[k.Key] {
				continue
			}
			require.Equal(t, raw[i].Type, rdb.Type(got[0]), "%s %q", f.ID, k.Key)
			types++
			if plain {
				require.Equal(t, raw[i].Raw, got[1:len(got)-10], "%s %q", f.ID, k.Key)
				exact++
			}
		}
	}
	t.Logf("%d types as the servers chose, %d values byte for byte", types, exact)
}

// rawValues returns the values of a file as they stand.
func rawValues(t testing.TB, b []byte) (values []rdb.Dump) {
	t.Helper()
	for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() {
		require.NoError(t, err)
		if e, ok := rec.(*rdb.Entry); ok {
			raw, err := e.Raw()
			require.NoError(t, err)
			values = append(values, rdb.Dump{Type: e.Type, Raw: raw})
		}
	}
	return values
}
