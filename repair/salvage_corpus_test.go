package repair

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/rdb"
)

// applyEdits applies the edits of a recipe.
func (d *damaged) applyEdits(edits []corpus.Edit) {
	for _, e := range edits {
		span := func(off, n int) (int, int) { return min(off, len(d.bytes)), min(off+n, len(d.bytes)) }
		switch e.Op {
		case "set":
			i, j := span(e.N[0], len(e.Data))
			d.splice(i, j, e.Data)
		case "ins":
			i, _ := span(e.N[0], 0)
			d.splice(i, i, e.Data)
		case "del":
			i, j := span(e.N[0], e.N[1])
			d.splice(i, j, nil)
		case "dup":
			i, j := span(e.N[0], e.N[1])
			d.move(j, j, i, j)
		case "swap":
			i, j := span(e.N[0], e.N[1])
			k, l := span(e.N[2], e.N[3])
			first, second := newDamaged(d.original, ""), newDamaged(d.original, "")
			first.bytes, first.from = d.bytes[i:j:j], d.from[i:j:j]
			second.bytes, second.from = d.bytes[k:l:l], d.from[k:l:l]
			d.bytes = concat(d.bytes[:i], second.bytes, d.bytes[j:k], first.bytes, d.bytes[l:])
			d.from = concat(d.from[:i], second.from, d.from[j:k], first.from, d.from[l:])
		case "zero":
			i, j := span(e.N[0], e.N[1])
			d.splice(i, j, make([]byte, j-i))
		case "copy":
			i, j := span(e.N[0], e.N[2])
			k, l := span(e.N[1], e.N[2])
			d.move(k, l, i, j)
		case "trunc":
			i, _ := span(e.N[0], 0)
			d.splice(i, len(d.bytes), nil)
		case "append":
			d.splice(len(d.bytes), len(d.bytes), e.Data)
		case "crc", "appendcrc":
			i := len(d.bytes)
			if e.Op == "crc" {
				i = max(0, i-8)
			}
			sum := appendChecksum(d.bytes[:i])
			d.splice(i, len(d.bytes), sum)
		}
	}
}

// TestSalvageRecipes salvages the damaged files of the corpus.
func TestSalvageRecipes(t *testing.T) {
	t.Parallel()
	every := 12
	if big() {
		every = 1
	}
	all := newTally(t)
	originals := map[string]*original{}
	n := 0
	for r := range corpus.RDBRecipes(t) {
		if n++; n%every != 0 && !slices.Contains(wereWrong, r.ID) {
			continue
		}
		o := originals[r.Base]
		if o == nil {
			b, err := os.ReadFile(r.BasePath(t))
			require.NoError(t, err)
			o = newOriginal(t, r.Base, b)
			originals[r.Base] = o
		}
		if o == nil {
			continue
		}
		d := newDamaged(o, r.ID+" "+r.Kind)
		d.applyEdits(r.Edits)
		require.NoError(t, r.Verify(d.bytes, false))
		all.try(r.Kind, d)
	}
	total := table(t, all.scores)
	report(t, "untouched and lost", all.lost)
	report(t, "wrong", all.bad)
	require.Zero(t, total.failed)
	require.Empty(t, all.bad)
	require.GreaterOrEqual(t, float64(total.found), 0.999*float64(total.untouched))
}

// wereWrong are recipes of which a record was kept that was not in the file; they are tried always.
var wereWrong = []string{
	"r00750",  // blocks exchanged; a key lost its expiry, and of its database nothing is sure
	"r01457",  // an expiry lost its opcode, and another key its record
	"r00678",  // fields of a hash that have control characters in their names
	"r00817",  // four bytes too many make an empty key, with a value of a length that is not in its shortest form
	"r00864",  // a zero byte that stands twice ends a module's value early, and what follows is an empty sorted set
	"r01624",  // a key's length becomes an integer's form, and its value's length just that of the rest and the next key
	"r01871",  // a key's length grows over a value and half of an idle time, and the value is empty then
	"r02275",  // a compressed node of a stream reads as a key and a value behind a block of zeros
	"nv00226", // a block of zeros ends inside of the first key's expiry
	"r01166",  // blocks were swapped so that one ends just before the expiry of a key; all other keys of its form expire
	"r01203",  // blocks were swapped so that a key ends up as the value of another, and its own value stands behind it
	"r02194",  // a whole valid expiry was put before a key; by the counts no key expires
	"nr00006", // the same where by the counts another key does
	"nr00564", // a value's length grows by the opcode of a slot
	"r00222",  // an expiry becomes the number that says none
	"nv00165", // the last strings of a hash, one of them empty, read as a string and its key
	"nv00431", // what follows the nodes of a stream reads on in a pending entry of another group
}

// further are damages of files of the corpus, each by one splice, of which records were kept that were not in the file. So many zeros are put where put is
// empty.
var further = []struct {
	base    string
	at, cut int
	put     string
	zeros   int
}{
	{"valkey-8.0/cluster.rdb", 3014, 1, "\xC0", 0},                                               // a value's length becomes an integer's form; an opcode seemed to be put behind it
	{"redis-7.4/random1.rdb", 30197, 1, "f", 0},                                                  // fields that do not expire read as strings, and those behind them as nothing
	{"redis-7.4/random1.rdb", 30197, 1, "r\x10", 0},                                              // the same
	{"redis-7.0/random2.rdb", 32421, 1, "\x01", 0},                                               // an integer becomes a string of one byte, the rest of it a SELECTDB without counts
	{"valkey-unstable/scripts.rdb", 281, 11, "", 11},                                             // zeros to the end, of which the first reads as an empty value
	{"redis-8.6/vectors.rdb", 10419, 1, "\x83", 0},                                               // inside a module's value two records can be read, the second damaged
	{"redis-8.6/vectors.rdb", 10240, 512, "", 512},                                               // the same
	{"valkey-8.0/random1.rdb", 1124, 64, "", 64},                                                 // the last byte of an integer and two more strings of a hash read as a string
	{"redis-8.0/lists.rdb", 72450, 0, "\xF3", 0},                                                 // an anchor inside a list before the damage cost seven keys
	{"redis-8.0/lfu.rdb", 441, 16, "", 16},                                                       // zeros end inside an expiry, and three of them are a record
	{"redis-2.8/misc.rdb", 704, 1, "\x0A", 0},                                                    // a key's length grows by one, its value ends two bytes before a record
	{"redis-7.4/lists.rdb", 94, 1, "\x09", 0},                                                    // a list's count shrinks by one
	{"redis-7.4/hfe.rdb", 0, 4096, "", 4096},                                                     // without version and header the fields of a hash read as strings
	{"redis-3.2/misc.rdb", 85, 64, "", 64},                                                       // a compressed string of no bytes
	{"valkey-8.0/sets.rdb", 167, 0, "\x70\x12\xA7\xA7", 0},                                       // a string more in a set, whose last one stands behind it then
	{"redis-8.0/nochecksum.rdb", 2036, 0, "\x18ses", 0},                                          // a key's own length stands inside it
	{"valkey-8.0/misc.rdb", 913, 3, "\x24\x8D\x59", 0},                                           // a key's length grows over the head of the next record
	{"redis-7.2/lfu.rdb", 139, 1, "\x13", 0},                                                     // a key's length grows over its value
	{"redis-7.0/lists.rdb", 43480, 8, "", 0},                                                     // a list less eight bytes ends inside the next key's expiry
	{"redis-7.4/smallcfg.rdb", 154649, 0, "\x12\nl:expi", 0},                                     // a type and the beginning of a key stand twice, behind the expiry
	{"redis-8.6/lru.rdb", 394, 8, "", 8},                                                         // zeros read as two empty keys
	{"valkey-8.0/dbs.rdb", 2048, 512, "", 512},                                                   // a block of zeros behind an empty value; the key before it is whole
	{"redis-4.0/hashes.rdb", 28437, 0, "\x25\x7e\x4c\xd1\xaf\x1d\xac\xea\x19\xdc\xbe", 0},        // inside of the only expiry
	{"redis-8.0/dbs.rdb", 426, 0, "\x00\x06db1:x4", 0},                                           // a value is empty and its length the type of a whole record
	{"valkey-9.1/functions.rdb", 2911, 0, "8e52", 0},                                             // bytes in a key make its last ones the length of its value
	{"redis-8.6/dbs.rdb", 1772, 64, "", 0},                                                       // a string swallows keys and a SELECTDB
	{"valkey-9.1/dbs.rdb", 1900, 0, "2", 0},                                                      // a string swallows a key, and no reading fails
	{"valkey-9.1/lru.rdb", 737, 1, " ", 0},                                                       // a string takes the idle time of the next key
	{"redis-7.2/lfu.rdb", 622, 0, ":24", 0},                                                      // a string swallows two keys, the second of which expires
	{"redis-4.0/dbs.rdb", 382, 0, "\x0C\xB1\xDA1\xFD\x98\x16\xF0\xB9\xDA\xA40PKk\xC1\xA4", 0},    // a key ends early, its value swallows one that expires
	{"redis-6.2/dbs.rdb", 376, 0, "\"\xF3\x83\x8C\x15K\x87\xFDg\x90\xD1\x87\xD8", 0},             // a key swallows its value and the next key
	{"valkey-unstable/streams.rdb", 32576, 3, "", 0},                                             // the last bytes of a stream read as a list of old servers; there are enough keys without
	{"redis-6.2/smallcfg.rdb", 5627, 2, "}\xD3", 0},                                              // the last strings of a hash are one key too many
	{"valkey-8.0/random2.rdb", 15872, 512, "", 512},                                              // the same
	{"redis-7.0/sets.rdb", 16809, 3, "", 3},                                                      // the same behind a damaged record, of a set
	{"valkey-8.0/lists.rdb", 68338, 0, "\xBF\x00T\xB7Y\x1D\xC74\xC4\xFF\xBA&", 0},                // nodes of a list read as lists of old servers
	{"redis-8.6/lru.rdb", 266, 2, "", 0},                                                         // what is left of an expiry reads as a RESIZEDB of no keys
	{"valkey-9.1/misc.rdb", 3321, 8, "", 0},                                                      // a compressed string, short of bytes, takes those of the next key and comes out right
	{"redis-6.2/misc.rdb", 3561, 0, "\x00 \x0E ", 0},                                             // one with four bytes too many comes out right and leaves as many behind
	{"valkey-9.1/lfu.rdb", 641, 5, "\xDE\x03\xD4\xAF\xB2", 0},                                    // a value has the counter of the next key in it
	{"valkey-8.0/lru.rdb", 640, 0, "\x00\x00\xF8\x00\x00\x03p:", 0},                              // a key and the expiry of the next make one key too many
	{"redis-2.8/dbs.rdb", 463, 0, "", 3},                                                         // three zeros behind an expiry are an empty key
	{"redis-8.6/lru.rdb", 632, 0, "R\x86\xCF\x8Ewv;x\xD7Os\xF8\xE9", 0},                          // the text of a value goes on behind its end
	{"redis-8.6/dbs.rdb", 1050, 8, "\xA82!\x1D\x9F[\xEA\xCA", 0},                                 // a string ends inside the next key's expiry, the rest of which reads as a record
	{"redis-4.0/scripts.rdb", 201, 8, "", 8},                                                     // an empty string is the first of some zeros
	{"redis-6.2/zsets.rdb", 22375, 8, "", 0},                                                     // of the only expiry the beginning is lost with the end of the value before
	{"redis-6.2/smallcfg.rdb", 69994, 64, "", 0},                                                 // behind damage that reached into a key a piece of its value stands, and one key is missing
	{"redis-6.2/smallcfg.rdb", 85867, 5, "0\xE2\xC6\xE7\x8C", 0},                                 // the same
	{"redis-6.2/hashes.rdb", 22484, 8, "", 8},                                                    // the same, of a hash
	{"redis-6.2/streams.rdb", 165, 8, "\xE71jAW\xA9\xEEv", 0},                                    // the same, of a stream
	{"redis-8.6/random2.rdb", 19785, 8, "i\xDC\xD6\xC1S\x17|V", 0},                               // behind damage a hash whose fields expire; its last one, which does not, ends where it does
	{"redis-8.6/random2.rdb", 19923, 16, "", 0},                                                  // the same where the hash is damaged
	{"redis-2.8/random2.rdb", 4948, 16, "", 16},                                                  // the same of the last elements of a list
	{"redis-8.6/random1.rdb", 11500, 1, "\xA2", 0},                                               // a node of a list reads as a key, and the next one as its value
	{"redis-8.6/vectors.rdb", 6131, 0, "\x0E\xE1vG\r\xA8\xB8\x7F\x06Z1RR\xF1\xE5\tv\xD4\xE5", 0}, // parts of a module's value read as sorted sets
	{"redis-8.6/vectors.rdb", 26407, 1, "", 1},                                                   // one of them has the type that ends them
	{"valkey-8.0/functions.rdb", 5187, 1, "9", 0},                                                // a key takes the head of its value, which is compressed
	{"redis-8.6/everything.rdb", 299723, 0, "\xFD", 0},                                           // a byte is put into a string, whose last one is an opcode
	{"redis-5.0/random1.rdb", 89, 3, "C\x19K", 0},                                                // the beginning of the first expiry of all
	{"redis-7.4/scripts.rdb", 25, 2, "", 2},                                                      // a field without its opcode where a record may begin
	{"redis-7.0/lists.rdb", 4983, 1, "\x05", 0},                                                  // a list's count shrinks, and its other nodes are large
	{"valkey-9.1/lists.rdb", 93, 1, "\n", 0},                                                     // the same, and the last node reads as a list of old servers
	{"valkey-9.1/hfe.rdb", 552, 1, "\n", 0},                                                      // the count of a hash shrinks whose fields expire
	{"valkey-9.1/hfe.rdb", 97, 1, "\v", 0},                                                       // it grows, and the next key's field ends with a SELECTDB
	{"valkey-9.1/hfe.rdb", 457, 1, "\x03", 0},                                                    // it grows, and what is left of the next key has no name
	{"valkey-9.1/hfe.rdb", 1591, 1, "\n", 0},                                                     // a key's length grows, and the record reads on as fields of the hash before
	{"valkey-9.1/dbs.rdb", 1875, 1, "\x01", 0},                                                   // a type becomes that of lists of old servers
	{"valkey-9.1/lists.rdb", 73527, 1, "\x01", 0},                                                // the same
	{"redis-8.6/random2.rdb", 5228, 1, "\x0E", 0},                                                // a string ends early, and what follows is such a list of 9 KB
	{"redis-8.6/lists.rdb", 44161, 497, "", 0},                                                   // nodes with an integer each read as sets
	{"redis-8.0/hashes.rdb", 29088, 1, "\x05", 0},                                                // a hash swallows six keys
	{"redis-5.0/misc.rdb", 1096, 1, "\x10", 0},                                                   // a string ends early, and as many keys are there as the file says
	{"redis-7.0/random2.rdb", 23381, 1, "\x01", 0},                                               // the same of a compressed one
	{"valkey-9.1/nochecksum.rdb", 10236, 1, "/", 0},                                              // the same
	{"redis-8.0/streams.rdb", 19275, 1, "\x00", 0},                                               // a stream becomes a string
	{"redis-7.2/strings.rdb", 66559, 1, "\x14", 0},                                               // a string reads on into the next key
	{"redis-7.0/random2.rdb", 6788, 8, "", 0},                                                    // a value lacks bytes and reaches over the next key, whose elements read as keys
	{"redis-7.0/random2.rdb", 6590, 307, "", 0},                                                  // the same, far over it
	{"redis-6.2/hashes.rdb", 22422, 1, "\x00", 0},                                                // a count becomes 0, and that the type of a string
	{"valkey-9.1/functions.rdb", 4625, 1, "\x02", 0},                                             // a packed hash becomes a set, which swallows 121 keys
	{"redis-7.4/random2.rdb", 20920, 0, "%", 0},                                                  // the last fields of a hash read as a key, and a type and a long name that has the next record in it
	{"redis-8.6/random2.rdb", 19785, 1, "\v", 0},                                                 // a string takes the head of a hash, whose last field reads as a key
	{"redis-8.6/random2.rdb", 19798, 1, "f", 0},                                                  // the same
	{"redis-7.4/random2.rdb", 20965, 1, "k", 0},                                                  // the same of a damaged one
	{"redis-7.4/lru.rdb", 107, 1, "\n", 0},                                                       // the second string of a file takes the idle time of the third key
	{"redis-7.0/dbs.rdb", 835, 4, "", 0},                                                         // a string with an odd name takes two keys and the expiry of a third
	{"redis-7.0/random2.rdb", 9352, 1, "7", 0},                                                   // a stream loses nodes, and reads what it has behind them from the next one
	{"redis-8.6/streams.rdb", 11351, 1, "\x02", 0},                                               // a stream becomes a set
	{"redis-7.0/streams.rdb", 21815, 1, "\x04", 0},                                               // or a hash, and what stands behind its nodes reads as a string
	{"redis-7.0/dbs.rdb", 361, 1, "\t", 0},                                                       // the last string of a database takes all that stands before the first key of the next one
	{"redis-8.0/streams.rdb", 19541, 1, "\x00", 0},                                               // a stream becomes a string, of as many bytes as it has nodes
	{"redis-6.2/random2.rdb", 6446, 1, "\x13", 0},                                                // a compressed string becomes a plain one
	{"redis-7.2/random1.rdb", 30550, 1, "\x00", 0},                                               // an integer becomes an empty string
	{"valkey-9.1/random1.rdb", 32768, 512, "", 512},                                              // the last strings of a damaged hash, one of them empty
	{"valkey-9.1/random1.rdb", 31335, 1, "\x13", 0},                                              // the same where its type is wrong
	{"valkey-9.1/hfe.rdb", 823, 1, "\x00", 0},                                                    // a hash whose fields expire becomes a string, and some of these another
	{"redis-7.0/strings.rdb", 53897, 0, "\x8e\xa1\x1b\x0c\xd3\x42\x99\x7f", 0},                   // bytes are put into a string of any bytes
	{"redis-2.8/zsets.rdb", 2217, 1, "}", 0},                                                     // the count of a sorted set of old servers shrinks
	{"redis-7.4/random2.rdb", 34559, 1, "&", 0},                                                  // the count of a hash gets a byte shorter
	{"redis-7.0/random1.rdb", 2120, 1, "\x03", 0},                                                // the last strings of a set
	{"redis-7.0/random2.rdb", 7168, 512, "", 512},                                                // zeros over the end of one key and the head of the next, of which the last strings are left
	{"redis-3.2/strings.rdb", 60000, 0, "\x9C\x41", 0},                                           // two bytes are put into a string of any bytes, and its last ones read as counts with the type of the next key
	{"redis-6.2/streams.rdb", 18413, 0, "\xe9", 0},                                               // a value with a byte too many ends one byte before the next key, which is one character longer then
	{"redis-7.4/dbs.rdb", 2403, 0, "\xff", 0},                                                    // a byte in a key; what is its value then swallows another one
	{"valkey-unstable/zsets.rdb", 22110, 1, "&", 0},                                              // a damaged value reaches over the head of the next key, what is left of which reads as two strings with odd names
	{"redis-7.0/lists.rdb", 51067, 1, "\x05", 0},                                                 // a list becomes a sorted set, and of its node only the mark at the end is left
	{"redis-7.2/nochecksum.rdb", 85, 4, "\x19\x2C\x8A\xAF", 0},                                   // the head of the first key makes one of the last byte of the counts before it
	{"redis-7.2/hashes.rdb", 562, 1, "\xC2", 0},                                                  // the compressed value of a hash's only field becomes an integer
	{"valkey-8.0/dbs.rdb", 1528, 25, "\xbd\x9a\x03\x0a\xe1\x35\xd3\x4b\x1c\x97\xf3\x76\x87\x7f\x30\xd9\x0e\x01\xd9\x0f\xc2\x7e\x6f\x79\x30", 0}, // noise says how long a string is that ends in it
	{"redis-8.6/lru.rdb", 0, 512, "", 512}, // zeros end before the type of the first key that is left; all others have idle times
}

// unproved are damages beside which a key stands that has little evidence. That there are as many keys as the file says makes up for it.
var unproved = []struct {
	base    string
	at, cut int
	put     string
	zeros   int
}{
	{"redis-7.4/strings.rdb", 63118, 4, "", 0},
	{"valkey-9.1/misc.rdb", 1425, 1, "\t", 0},
	{"valkey-9.1/sets.rdb", 14345, 8, "", 0},
	{"redis-8.6/everything.rdb", 329079, 0, "CK\xD8", 0},
	{"redis-7.0/nocompress.rdb", 20465, 3, "?Y\x9F", 0},
	{"redis-8.0/scripts.rdb", 169, 1, "\x80", 0},
	{"redis-7.4/cluster.rdb", 211, 1, "\xEE", 0}, // the announcement of a slot behind it is damaged
	{"redis-7.0/dbs.rdb", 1249, 64, "", 64},      // zeros end before the type, and what follows is a string of text
}

// TestSalvageUnproved: they are kept.
func TestSalvageUnproved(t *testing.T) {
	get := corpusOriginals(t)
	for _, c := range unproved {
		d := newDamaged(get("rdb/"+c.base), fmt.Sprint("at ", c.at))
		put := []byte(c.put)
		if c.put == "" {
			put = make([]byte, c.zeros)
		}
		d.splice(c.at, c.at+c.cut, put)
		sc, _ := rate(t, d)
		require.Empty(t, sc.bad)
		require.Empty(t, sc.lost)
	}
}

// TestSalvageFurther: of other damages than those of the recipes nothing is kept that was not in the file either.
func TestSalvageFurther(t *testing.T) {
	t.Parallel()
	for _, c := range further {
		name := "rdb/" + c.base
		b, err := os.ReadFile(corpus.Path(t, name))
		require.NoError(t, err)
		put := []byte(c.put)
		if c.put == "" {
			put = make([]byte, c.zeros)
		}
		d := newDamaged(newOriginal(t, name, b), fmt.Sprint("at ", c.at))
		d.splice(c.at, c.at+c.cut, put)
		sc, _ := rate(t, d)
		require.Empty(t, sc.bad)
		require.LessOrEqual(t, len(sc.lost), 1, sc.lost)
	}
}

// TestSalvageNoStream: strings of a set of which the first has 16 bytes and the second is a listpack are no stream.
func TestSalvageNoStream(t *testing.T) {
	o := generated(t, rdb.Version80, 1000, 4) // status:733# is such a set
	d := newDamaged(o, "last record")
	scramble(rand.New(rand.NewSource(1004)), d, int(d.keys[len(d.keys)-1].start), 4)
	sc, _ := rate(t, d)
	require.Empty(t, sc.bad)
	require.LessOrEqual(t, len(sc.lost), 1) // the one before the damage
}

// TestSalvageFieldsTwice: where fields stand twice the last ones of a hash are behind its count, and read as strings up to one that expires.
func TestSalvageFieldsTwice(t *testing.T) {
	d := newDamaged(corpusOriginals(t)("rdb/redis-7.4/hfe.rdb"), "fields twice")
	const at, n = 8807, 361
	d.move(at+n, at+n, at, at+n)
	sc, _ := rate(t, d)
	require.Empty(t, sc.bad)
	require.Empty(t, sc.lost)
}

// TestSalvageBetweenGaps: records between two gaps stand for themselves, also where a damaged one led to them that looks like none.
func TestSalvageBetweenGaps(t *testing.T) {
	d := newDamaged(corpusOriginals(t)("rdb/redis-7.2/lru.rdb"), "four damages")
	d.splice(493, 493, []byte("\xf2\xaf8")) // into an expiry
	d.splice(724, 724, []byte("\n"))        // into an idle time
	d.splice(767, 768, []byte{0xf6})
	d.splice(386, 402, make([]byte, 16))
	sc, _ := rate(t, d)
	require.Empty(t, sc.bad)
	require.LessOrEqual(t, len(sc.lost), 1)
}

// TestSalvageSwallowedSummed: records that swallowed all keys that are missing are found also in files whose checksum is right.
func TestSalvageSwallowedSummed(t *testing.T) {
	get := corpusOriginals(t)
	for _, c := range []struct {
		base string
		at   int
		put  string
	}{
		{"redis-8.6/strings.rdb", 7959, "\x0C"},
		{"redis-8.0/strings.rdb", 52717, "#"},
		{"redis-8.0/hashes.rdb", 29088, "\x05"},
		{"redis-7.2/lru.rdb", 387, "\x02"},
		{"redis-3.2/strings.rdb", 49269, "$"}, // two, the first with a name of any bytes
	} {
		d := newDamaged(get("rdb/"+c.base), fmt.Sprint("at ", c.at))
		d.splice(c.at, c.at+len(c.put), []byte(c.put))
		n := len(d.bytes) - 8
		d.splice(n, n+8, appendChecksum(d.bytes[:n]))
		sc, s := rate(t, d)
		require.True(t, s.ChecksumRight)
		require.Empty(t, sc.bad)
		require.Empty(t, sc.lost)
	}
}

func concat[T any](parts ...[]T) (all []T) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func appendChecksum(b []byte) []byte {
	return binary.LittleEndian.AppendUint64(nil, crc64.Checksum(b))
}

// corpusOriginals returns the files of the corpus by their names.
func corpusOriginals(t *testing.T) func(id string) *original {
	files := map[string]string{}
	for _, f := range corpus.RDBs(t) {
		files[f.ID] = f.Path
	}
	return func(id string) *original {
		require.Contains(t, files, id)
		b, err := os.ReadFile(files[id])
		require.NoError(t, err)
		return newOriginal(t, id, b)
	}
}
