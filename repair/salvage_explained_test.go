package repair

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSalvageExplained damages files of the corpus so that the bytes of the gap tell what became of them. The untouched records on both sides of it come
// back.
func TestSalvageExplained(t *testing.T) {
	original := corpusOriginals(t)
	for _, c := range []struct {
		name, file string
		at, cut    int
		put        string
	}{
		{"module data put between two records, with a name like no other behind it", "rdb/redis-3.2/random1.rdb", 822, 0, "f7810000000000000000020200"},
		{"module data behind text", "rdb/redis-2.8/strings.rdb", 73270, 0, "f7810000000000000000020200"},
		{"function put behind a set", "rdb/redis-2.8/sets.rdb", 26059, 0, "f50568656c6c6f"},
		{"function of a candidate put behind a stream", "rdb/redis-7.4/streams.rdb", 579, 0, "f600"},
		{"slot put between two records", "rdb/redis-6.2/random1.rdb", 2310, 0, "f4010100"},
		{"length of a key of another form", "rdb/redis-4.0/strings.rdb", 41829, 1, "c2"},
		{"length of a key that grew", "rdb/redis-7.2/random1.rdb", 19103, 1, "29"},
		{"zeros over the head behind a sorted set", "rdb/redis-7.4/zsets.rdb", 1995, 16, "00000000000000000000000000000000"},
		{"head behind an integer", "rdb/redis-5.0/dbs.rdb", 1390, 2, "a77e"},
	} {
		put, err := hex.DecodeString(c.put)
		require.NoError(t, err)
		d := newDamaged(original(c.file), c.name)
		d.splice(c.at, c.at+c.cut, put)
		sc, _ := rate(t, d)
		assert.Empty(t, sc.bad, c.name)
		assert.Empty(t, sc.lost, c.name)
	}
}
