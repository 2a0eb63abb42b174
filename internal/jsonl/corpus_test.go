package jsonl_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/jsonl"
	"github.com/kvfsck/kvfsck/internal/jsonl/truthtest"
	"github.com/kvfsck/kvfsck/rdb"
)

// entry is a key read by one of the two ways, whole or through the export.
type entry = truthtest.Key

// byExport reads every key of a file element by element, through the export and back.
func byExport(file []byte) (all []entry, err error) {
	var out bytes.Buffer
	w := jsonl.NewWriter(&out)
	r := rdb.NewReader(bytes.NewReader(file))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			if err := w.Entry(e); err != nil {
				return nil, err
			}
		}
	}
	if err := errors.Join(r.Err(), w.Close()); err != nil {
		return nil, err
	}
	for text := range bytes.Lines(out.Bytes()) {
		k, err := parseEntry(text)
		if err != nil {
			return nil, fmt.Errorf("%w in %.200s", err, text)
		}
		all = append(all, k)
	}
	return all, nil
}

func parseEntry(text []byte) (k entry, err error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return k, err
	}
	k = entry{Key: string(l.Key), Encoding: l.Encoding, ExpireAt: rdb.NoExpire, Idle: -1, Freq: -1}
	var db number
	if err := json.Unmarshal(*l.DB, &db); err != nil {
		return k, err
	}
	k.DB = uint64(db)
	if l.ExpireAt != nil {
		k.ExpireAt = int64(*l.ExpireAt)
	}
	if l.Idle != nil {
		k.Idle = int64(*l.Idle)
	}
	if l.Freq != nil {
		k.Freq = int(*l.Freq)
	}
	if k.Value, err = l.value(); err == nil {
		k.Kind = k.Value.Kind()
	}
	return k, err
}

// normal leaves out of a key what its export leaves out: into how many nodes a stream is split, and whether an unknown count was
// stored as such.
func normal(k entry) entry {
	s, ok := k.Value.(*rdb.Stream)
	if !ok {
		return k
	}
	c := *s
	c.Nodes = 0
	c.Groups = slices.Clone(s.Groups)
	for i := range c.Groups {
		g := &c.Groups[i]
		if !g.HasRead {
			g.EntriesRead = rdb.EntriesReadUnknown
		}
		g.HasRead = true
	}
	k.Value = &c
	return k
}

// difference describes in what two keys differ. Most do not, and reflect is much faster to find that than cmp.
func difference(a, b entry) string {
	if a, b = normal(a), normal(b); reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.EquateNaNs())
}

// refusedByNewest are samples that only a server older than the sanitisation loads.
var refusedByNewest = map[string]string{
	"thirdparty/hdt3213-rdb/zipmap_big_len.rdb": "loaded by Redis 5.0 only: a zipmap length in the long form that 7.4 and later refuse",
}

type tally struct{ files, keys, differences int }

// TestCorpus compares every key of every file of the corpus with what the server held, read whole and through the export.
func TestCorpus(t *testing.T) {
	var sum tally
	for _, f := range corpus.RDBs(t) {
		sum.compare(t, f.ID, f.Path, f.TruthPath, f.Server)
	}
	for _, f := range corpus.ThirdParty(t) {
		if f.Loaded && refusedByNewest[f.ID] == "" {
			sum.compare(t, f.ID, f.Path, f.TruthPath, "")
		}
	}
	t.Logf("%d files, %d keys, %d differences", sum.files, sum.keys, sum.differences)
	require.Zero(t, sum.differences)
}

func (s *tally) differ(t *testing.T, format string, args ...any) {
	t.Helper()
	s.differences++
	if s.differences < 50 {
		t.Errorf(format, args...)
	}
}

func (s *tally) compare(t *testing.T, id, path, truth, server string) {
	s.files++
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	whole, err := truthtest.Read(file)
	if err != nil {
		s.differ(t, "%s: %v", id, err)
		return
	}
	exported, err := byExport(file)
	if err != nil {
		s.differ(t, "%s: %v", id, err)
		return
	}
	if len(whole) != len(exported) {
		s.differ(t, "%s: %d keys read whole, %d exported", id, len(whole), len(exported))
		return
	}
	for i := range whole {
		s.keys++
		if d := difference(whole[i], exported[i]); d != "" {
			s.differ(t, "%s: key %q: whole against exported:\n%s", id, whole[i].Key, d)
		}
	}
	for _, d := range (&truthtest.Comparison{Server: server}).Differences(t, whole, truth) {
		s.differ(t, "%s: %s", id, d)
	}
}
