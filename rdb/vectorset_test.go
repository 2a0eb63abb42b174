package rdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// vectorID is the type of vector sets.
const vectorID = 0xbde72da2bb1eb400

// vectorKey is the key of a vector set with these items behind its id. They begin at offset 21 of a redisFile.
func vectorKey(items ...string) string {
	return key(7, "k") + ln(vectorID) + strings.Join(items, "") + ln(0)
}

// nums are items that are numbers.
func nums(ns ...uint64) (items string) {
	for _, n := range ns {
		items += "\x02" + ln(n)
	}
	return items
}

func text(s string) string { return "\x05" + str(s) }

// vectorHead is the head of a set of vectors of two floats.
func vectorHead(count uint64) string { return nums(2, count, 16<<8, 0) }

// vectorNode is an element with a vector of two floats and its parameters.
func vectorNode(name string, params ...uint64) string {
	return text(name) + text("12345678") + nums(uint64(len(params))) + nums(params...)
}

// linked is a node with links in the lowest layer only.
func linked(id uint64, links ...uint64) string {
	params := append([]uint64{id, 1 << 24, uint64(len(links)), 32}, links...)
	return vectorNode(string(rune('a'+id%26)), append(params, 0, 1<<32)...)
}

// vectorCases are vector sets, and what is wrong with them. Redis 8.6.3 refuses those with a code but CodeVectorNodeID.
var vectorCases = []struct {
	name  string
	items string
	code  rdb.Code
}{
	{"sound", vectorHead(3) + linked(1, 2) + linked(2, 1, 3) + linked(3, 2), ""},
	{"empty", vectorHead(0), ""},
	{"two layers", vectorHead(2) + vectorNode("a", 7, 1<<24|1, 1, 32, 8, 0, 1, 16, 8, 0, 0) + vectorNode("b", 8, 1<<24|1, 1, 32, 7, 0, 1, 16, 7, 0, 0), ""},
	{"version 0 of nodes", vectorHead(2) + vectorNode("a", 7, 0, 1, 32, 8, 0) + vectorNode("b", 8, 1, 1, 32, 7, 0, 16, 0), ""},
	{"more parameters than a node has", vectorHead(1) + vectorNode("a", 1, 1<<24, 0, 32, 5, 0, 6, 7), ""},
	{"unused bits", nums(1<<32|2, 1, 1<<40|1<<24|16<<8, 1<<32|4) + vectorNode("a", 1, 1<<40|1<<24|5<<8, 1<<32, 1<<33|5, math.MaxUint64, 0), ""},
	{"no links and no room", vectorHead(1) + vectorNode("a", 1, 1<<24, 0, 0, 0, 0), ""},
	{"most room", vectorHead(1) + vectorNode("a", 1, 1<<24, 0, 16384, 0, 0), ""},
	{"level 255", vectorHead(1) + vectorNode("a", append([]uint64{1, 255}, make([]uint64, 513)...)...), ""},
	{"elements of one name", vectorHead(2) + vectorNode("a", 1, 0, 0, 0, 0) + vectorNode("a", 2, 0, 0, 0, 0), ""},
	{"bytes that are digits, as an integer", nums(3, 1, 1, 0) + text("a") + "\x05\xc0\x64" + nums(5, 1, 0, 0, 0, 0), ""},
	{"bytes", nums(3, 1, 1, 0) + text("a") + text("abc") + nums(5, 1, 0, 0, 0, 0), ""},
	{"bits", nums(65, 1, 2, 0) + text("a") + text("0123456789abcdef") + nums(5, 1, 0, 0, 0, 0), ""},
	{"attributes", nums(2, 2, 0, 2) + text("a") + text("{}") + text("12345678") + nums(5, 1, 0, 0, 0, 0) + text("b") + text("") + text("12345678") + nums(5, 2, 0, 0, 0, 0), ""},
	{"projection", nums(2, 1, 0, 1, 3) + text("0123456789abcdef01234567") + vectorNode("a", 1, 0, 0, 0, 0), ""},

	{"nothing", "", rdb.CodeVectorLayout},
	{"an element too few", vectorHead(2) + linked(1), rdb.CodeVectorLayout},
	{"an element too many", vectorHead(1) + linked(1) + linked(2), rdb.CodeVectorLayout},
	{"a number instead of a name", vectorHead(1) + nums(1), rdb.CodeVectorLayout},
	{"a signed number", "\x01\x02" + nums(0, 0, 0), rdb.CodeVectorLayout},
	{"dimension 0", nums(0, 0, 0, 0), rdb.CodeVectorForm},
	{"dimension 65537", nums(65537, 0, 0, 0), rdb.CodeVectorForm},
	{"quantisation 3", nums(2, 0, 3, 0), rdb.CodeVectorForm},
	{"projection from 0", nums(2, 0, 0, 1, 0) + text(""), rdb.CodeVectorForm},
	{"projection to more", nums(2, 0, 0, 1, 1) + text("12345678"), rdb.CodeVectorForm},
	{"projection from 65537", nums(2, 0, 0, 1, 65537) + text("12345678"), rdb.CodeVectorForm},
	{"projection short", nums(2, 0, 0, 1, 3) + text("0123456789abcdef0123456"), rdb.CodeVectorForm},
	{"floats short", vectorHead(1) + text("a") + text("1234567") + nums(5, 1, 0, 0, 0, 0), rdb.CodeVectorSize},
	{"bytes long", nums(3, 1, 1, 0) + text("a") + text("abcd") + nums(5, 1, 0, 0, 0, 0), rdb.CodeVectorSize},
	{"bits short", nums(65, 1, 2, 0) + text("a") + text("12345678") + nums(5, 1, 0, 0, 0, 0), rdb.CodeVectorSize},
	{"no parameters", vectorHead(1) + vectorNode("a"), rdb.CodeVectorNode},
	{"no lengths", vectorHead(1) + vectorNode("a", 1, 1<<24, 0, 32, 0), rdb.CodeVectorNode},
	{"a layer too few", vectorHead(1) + vectorNode("a", 1, 1<<24|1, 0, 32, 0, 0), rdb.CodeVectorNode},
	{"version 2 of a node", vectorHead(1) + vectorNode("a", 1, 2<<24, 0, 32, 0, 0), rdb.CodeVectorNode},
	{"more links than room", vectorHead(2) + vectorNode("a", 1, 0, 1, 0, 2, 0) + linked(2, 1), rdb.CodeVectorNode},
	{"too much room", vectorHead(1) + vectorNode("a", 1, 1<<24, 0, 16385, 0, 0), rdb.CodeVectorNode},
	{"worst link beyond the last", vectorHead(2) + vectorNode("a", 1, 1<<24, 1, 32, 2, 1, 0) + linked(2, 1), rdb.CodeVectorNode},
	{"link from one end", vectorHead(2) + linked(1, 2) + linked(2), rdb.CodeVectorLinks},
	{"link to nobody", vectorHead(1) + linked(1, 2), rdb.CodeVectorLinks},
	{"link to 0", vectorHead(2) + linked(1, 0) + linked(2), rdb.CodeVectorLinks},
	{"link in two layers", vectorHead(2) + vectorNode("a", 7, 1, 1, 32, 8, 0, 16, 0) + vectorNode("b", 8, 1, 0, 32, 1, 16, 7, 0), rdb.CodeVectorLinks},
	{"link to a lower node", vectorHead(2) + vectorNode("a", 7, 1, 0, 32, 1, 16, 8, 0) + linked(8, 7), rdb.CodeVectorLinks},
	{"link with itself", vectorHead(1) + linked(1, 1), rdb.CodeVectorLinks},
	{"link twice", vectorHead(2) + linked(1, 2, 2) + linked(2, 1, 1), rdb.CodeVectorLinks},

	{"two nodes of one id", vectorHead(3) + linked(1, 2) + linked(1) + linked(2, 1), rdb.CodeVectorNodeID},
	{"id 0, where the server gives another", vectorHead(3) + linked(3) + linked(0, 5) + linked(5, 4), rdb.CodeVectorNodeID},
}

func TestVectorSets(t *testing.T) {
	for _, c := range vectorCases {
		t.Run(c.name, func(t *testing.T) {
			b := redisFile(vectorKey(c.items))
			rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), everything)
			assert.Nil(t, rep.CheckerFault(), "it passes over the values of modules")
			switch c.code {
			case "":
				require.NoError(t, err)
				require.Empty(t, rep.Faults)
			case rdb.CodeVectorNodeID:
				require.NoError(t, err)
			default:
				require.ErrorIs(t, err, rdb.ErrContent)
			}
			if c.code != "" {
				require.Len(t, rep.Faults, 1)
				assert.Equal(t, c.code, rep.Faults[0].Code, "%v", rep.Faults[0])
			}
			for rec, err := range rdb.NewReader(bytes.NewReader(b)).Records() { // where values are read the same rules count
				require.NoError(t, err)
				if e, ok := rec.(*rdb.Entry); ok {
					_, err := e.Value()
					assert.Equal(t, c.code == "" || c.code == rdb.CodeVectorNodeID, err == nil, "%v", err)
				}
			}
		})
	}
}

// TestVectorSetsOfValkey has none: what is called so is some module's.
func TestVectorSetsOfValkey(t *testing.T) {
	for _, c := range vectorCases {
		rep, err := rdb.Verify(context.Background(), bytes.NewReader(valkeyFile(vectorKey(c.items))), everything)
		require.NoError(t, err, c.name)
		require.Len(t, rep.Faults, 1)
		require.Equal(t, rdb.CodeModuleNeeded, rep.Faults[0].Code)
	}
}

// TestVectorSetsOfManyNodes has more ids than the memory allowed holds, and a fault at either end.
func TestVectorSetsOfManyNodes(t *testing.T) {
	const nodes = 30000
	for _, c := range []struct {
		name  string
		first uint64 // id of the first node
		link  uint64 // of the last, if not 0
		code  rdb.Code
	}{
		{"sound", 1, 0, ""},
		{"ids alike", nodes, 0, rdb.CodeVectorNodeID},
		{"linked with nobody", 1, nodes + 1, rdb.CodeVectorLinks},
	} {
		t.Run(c.name, func(t *testing.T) {
			items := []string{vectorHead(nodes), linked(c.first)}
			for id := uint64(2); id < nodes; id++ {
				items = append(items, linked(id))
			}
			if c.link == 0 {
				items = append(items, linked(nodes))
			} else {
				items = append(items, linked(nodes, c.link))
			}
			opt := everything
			opt.DuplicateMemory, opt.TempDir = 1, t.TempDir()
			rep, _ := rdb.Verify(context.Background(), bytes.NewReader(redisFile(vectorKey(items...))), opt)
			if c.code == "" {
				require.Empty(t, rep.Faults)
				return
			}
			require.Len(t, rep.Faults, 1)
			require.Equal(t, c.code, rep.Faults[0].Code)
			last := int64(len(redisFile(vectorKey(items...))) - 9 - 1) // behind the last item
			if c.code == rdb.CodeVectorNodeID {
				last -= int64(len(nums(1<<24, 0, 32, 0, 1<<32))) // behind the id
			}
			require.Equal(t, last, rep.Faults[0].Offset)
		})
	}
}

// TestVectorSetsAllocateNothing checks one over and over, as an empty one, whose module has a name.
func TestVectorSetsAllocateNothing(t *testing.T) {
	r := rdb.NewReader(bytes.NewReader(nil))
	at := rdb.Position{Offset: 9, Family: rdb.Redis, Version: 13}
	allocs := func(items ...string) float64 {
		b := redisFile(vectorKey(items...))[9:]
		return testing.AllocsPerRun(100, func() {
			r.ResumeBytes(b, at)
			if !r.Next() || r.Record().(*rdb.Entry).Check() != nil {
				panic("it is sound")
			}
		})
	}
	require.Equal(t, allocs(vectorHead(0)), allocs(vectorHead(3), linked(1, 2, 3), linked(2, 1, 3), linked(3, 1, 2)))
}

// vectorFloat is a vector's component as VADD takes it.
func vectorFloat(f float64) string {
	return string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(f))))
}
