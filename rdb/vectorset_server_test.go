package rdb_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// vectorServer is a server with vector sets, and what it says of others.
type vectorServer struct {
	t *testing.T
	*oracle.Server
}

// loads reports whether the server takes a payload.
func (s vectorServer) loads(payload []byte) bool {
	s.t.Helper()
	_, err := s.Do("RESTORE", "k", 0, payload, "REPLACE")
	if err != nil {
		require.ErrorContains(s.t, err, "Bad data format")
	}
	return err == nil
}

// TestVectorSetsOfTheServer compares the verdicts on the cases.
func TestVectorSetsOfTheServer(t *testing.T) {
	s := vectorServer{t, oracle.StartServer(t, oracle.FindNewest(t, oracle.Redis86, oracle.RedisServer), "")}
	for _, c := range vectorCases {
		p := rdb.AppendDump(nil, rdb.TypeModule2, []byte(strings.TrimPrefix(vectorKey(c.items), key(7, "k"))), rdb.Version13)
		require.Equal(t, c.code == "" || c.code == rdb.CodeVectorNodeID, s.loads(p), c.name)
	}
	later := ln(vectorID+1) + vectorHead(0) + ln(0)
	require.False(t, s.loads(rdb.AppendDump(nil, rdb.TypeModule2, []byte(later), rdb.Version13)))
}

// TestVectorSetsThatServersWrite has servers make sets of every kind, which are sound, and the newest one judge what becomes of them when one of their
// items is changed.
func TestVectorSetsThatServersWrite(t *testing.T) {
	judge := vectorServer{t, oracle.StartServer(t, oracle.FindNewest(t, oracle.Redis86, oracle.RedisServer), "")}
	for _, name := range []string{"redis-8.0", oracle.Redis86} {
		t.Run(name, func(t *testing.T) {
			s := oracle.StartServer(t, oracle.FindNewest(t, name, oracle.RedisServer), "")
			for i, c := range []struct {
				options             string // of VADD
				dim, count, removed int
			}{
				{"", 2, 1, 0},
				{"", 3, 120, 60},
				{"", 4, 40, 39},
				{"SETATTR {} NOQUANT", 4, 60, 0},
				{"BIN", 70, 50, 20},
				{"NOQUANT M 4", 2, 200, 50},
				{"M 64", 1, 100, 5},
				{"REDUCE 3 NOQUANT", 8, 40, 10},
				{"REDUCE 5 Q8 SETATTR 1", 300, 20, 0},
			} {
				r := rand.New(rand.NewPCG(uint64(i), 7))
				raw := vectorSetOf(t, s, r, c.options, c.dim, c.count, c.removed)
				d, err := rdb.ParseDump(raw)
				require.NoError(t, err)
				require.NoError(t, d.Check(), c.options)
				v, err := d.Value()
				require.NoError(t, err)
				for n := range 150 {
					m := changedItem(r, v.(*rdb.Module))
					p, err := rdb.AppendValueDump(nil, m, rdb.Version13, rdb.WriterOptions{})
					require.NoError(t, err)
					changed, err := rdb.ParseDump(p)
					require.NoError(t, err)
					err = changed.Check()
					// Where two nodes share an id, which a server takes, it may find another fault that is not looked for.
					if loads := judge.loads(p); loads || err != nil || !sharesID(t, m) {
						require.Equal(t, loads, err == nil, "%s, change %d: %v", c.options, n, err)
					}
				}
			}
		})
	}
}

// sharesID reports whether two nodes of a vector set have one id.
func sharesID(t *testing.T, m *rdb.Module) bool {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version13, rdb.WriterOptions{})
	require.NoError(t, w.SelectDB(0))
	require.NoError(t, w.WriteEntry(rdb.NewEntry(0, []byte("v")), m))
	require.NoError(t, w.Close())
	rep, _ := rdb.Verify(t.Context(), &b, rdb.VerifyOptions{KeepGoing: true})
	return slices.ContainsFunc(rep.Faults, func(f *rdb.FormatError) bool { return f.Code == rdb.CodeVectorNodeID })
}

// vectorSetOf has a server make a set, and returns its payload.
func vectorSetOf(t *testing.T, s *oracle.Server, r *rand.Rand, options string, dim, count, removed int) []byte {
	t.Helper()
	commands := [][]any{{"DEL", "v"}}
	words := strings.Fields(options)
	for i := range count {
		var vector strings.Builder
		for range dim {
			vector.WriteString(vectorFloat(2*r.Float64() - 1))
		}
		c := []any{"VADD", "v"}
		rest := words
		if len(rest) > 0 && rest[0] == "REDUCE" {
			c, rest = append(c, rest[0], rest[1]), rest[2:]
		}
		c = append(c, "FP32", vector.String(), fmt.Sprint("element", i))
		for _, w := range rest {
			c = append(c, w)
		}
		commands = append(commands, c)
	}
	for _, i := range r.Perm(count)[:removed] {
		commands = append(commands, []any{"VREM", "v", fmt.Sprint("element", i)})
	}
	replies, err := s.Pipeline(append(commands, []any{"DUMP", "v"}))
	require.NoError(t, err)
	for _, reply := range replies[1 : len(replies)-1] {
		require.EqualValues(t, 1, reply)
	}
	payload, err := oracle.Text(replies[len(replies)-1], nil)
	require.NoError(t, err)
	return []byte(payload)
}

// changedItem is a module's value with another number or a longer or shorter string in one place. Numbers do not become so great that the server would make room for as many.
func changedItem(r *rand.Rand, v *rdb.Module) *rdb.Module {
	m := &rdb.Module{ID: v.ID, Items: append([]rdb.ModuleItem{}, v.Items...)}
	at := r.IntN(len(m.Items))
	if r.IntN(8) == 0 {
		at = r.IntN(4) // of the head
	}
	it := &m.Items[at]
	if it.Kind == rdb.ModuleString {
		it.String = bytes.Clone(it.String)
		if n := len(it.String); n > 0 && r.IntN(2) == 0 {
			it.String = it.String[:n-1]
		} else {
			it.String = append(it.String, 'x')
		}
		return m
	}
	switch r.IntN(4) {
	case 0:
		it.Int++
	case 1:
		it.Int -= min(it.Int, 1)
	case 2:
		it.Int ^= 1 << r.IntN(8)
	default:
		it.Int = uint64(r.IntN(300))
	}
	return m
}
