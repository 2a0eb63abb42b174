package rdb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// demandSlowAndQuick verifies b in the slow way alone and in all others, with every fault told and with none.
func demandSlowAndQuick(t *testing.T, b []byte, what any) {
	t.Helper()
	for _, opt := range []rdb.VerifyOptions{everything, {}} {
		verify := func(opt rdb.VerifyOptions) (*rdb.Report, string) {
			rep, err := rdb.Verify(context.Background(), bytes.NewReader(b), opt)
			return rep, fmt.Sprint(err)
		}
		opt.Workers = 1
		want, wantErr := verify(opt.Slow())
		for workers := 1; workers < 4; workers++ {
			opt.Workers = workers
			if workers == 3 { // with records larger than a block, in memory
				opt = opt.Narrow(100, 0).Whole(b)
			}
			got, err := verify(opt)
			opts := cmp.Options{cmpopts.IgnoreUnexported(rdb.Report{}, rdb.FormatError{}, rdb.DBCount{}), cmpopts.IgnoreFields(rdb.FormatError{}, "Err")}
			if diff := cmp.Diff(want, got, opts); diff != "" || err != wantErr {
				t.Fatalf("%v, %d workers: %s, not %s\n%s", what, workers, err, wantErr, diff)
			}
		}
	}
}

// ofManyValues demands something of snapshots of values of all kinds, sound and damaged.
func ofManyValues(t *testing.T, files, damages uint64, keys int, demand func(t *testing.T, b []byte, what any)) {
	t.Helper()
	if testing.Short() {
		files = (files + 4) / 5
	}
	targets := rdb.Targets()
	for seed := range files {
		opt := fuzz.RDBOptions{Target: targets[seed%uint64(len(targets))], Keys: keys, Idle: 10, Freq: 10, Loose: 20, StringSize: 20 + int(seed%4)*30, Edge: int(seed%3)*10 - 1}
		b, _ := fuzz.RDB(seed, opt)
		demand(t, b, seed)
		for damage := range damages {
			bad, m := fuzz.Mutate(damage, b)
			demand(t, bad, m)
		}
	}
}

// fuzzValues does the same of what a fuzzer makes of small ones, and of the files of the rules.
func fuzzValues(f *testing.F, demand func(t *testing.T, b []byte, what any)) {
	for _, c := range ruleCases {
		f.Add(c.file)
		f.Add(padded(c.file))
	}
	for seed := range uint64(4) {
		b, _ := fuzz.RDB(seed, fuzz.RDBOptions{Keys: 12, StringSize: 40})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { demand(t, b, "") })
}

func TestQuickIsSlow(t *testing.T) { ofManyValues(t, 30, 20, 60, demandSlowAndQuick) }

// TestQuickTable has pairs of names in all forms, in collections that are not packed, so that each stands twice in some of them.
func TestQuickTable(t *testing.T) {
	long := strings.Repeat("name ", 9)
	names := []string{
		str(""), str("5"), "\x40\x015", "\x80\x00\x00\x00\x015", "\xC0\x05", "\xC1\x05\x00", "\xC2\x05\x00\x00\x00",
		str("-7"), "\xC0\xF9", "\xC1\xF9\xFF", "\xC2\xF9\xFF\xFF\xFF", str("-128"), "\xC0\x80", "\xC1\x80\xFF", "\xC1\x7F\xFF", "\xC1\x80\x00",
		str("-32768"), "\xC1\x00\x80", "\xC2\x00\x80\xFF\xFF", "\xC2\xFF\x7F\xFF\xFF", "\xC2\x00\x80\x00\x00", str("32768"), str("-2147483648"), "\xC2\x00\x00\x00\x80",
		str("2147483648"), str("05"), str("5 "), str("-"), "\x01\x05", str("5\x00"), str(long), "\xC3\x09\x2D\x04name \xE0\x1F\x04", "\xC3\x02\x01\x005", str(long + "x"),
		str(strings.Repeat("x", 100)), str(strings.Repeat("x", 99) + "y"), "\x80\x00\x00\x00\x64" + strings.Repeat("x", 100),
	}
	for i, a := range names {
		for k, b := range names {
			if testing.Short() && (i+k)%5 != 0 && i != k {
				continue
			}
			set, hash, zset := key(2, "s")+ln(2)+a+b, key(4, "h")+ln(2)+a+str("v")+b+"\xC1\x05\x00", key(5, "z")+ln(2)+a+f64(1)+b+f64(2)
			padding := key(0, "k") + str(strings.Repeat(".", 40))
			demandSlowAndQuick(t, redisFile(set, hash, zset, padding), fmt.Sprintf("%q and %q", a, b))
		}
	}
}

// padded is a file with another key behind its records, so that the one before is not near the end, where nothing is passed quickly.
func padded(b []byte) []byte {
	b = append(bytes.Clone(b[:max(len(b)-9, 0)]), key(0, "padding")+str(strings.Repeat(".", 40))+"\xFF"...)
	return binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
}

func TestQuickRules(t *testing.T) {
	for _, c := range ruleCases {
		demandSlowAndQuick(t, padded(c.file), c.name)
	}
	stream := func(groups ...string) []byte {
		return redisFile(key(21, "k"), ln(1), node(1, "a", "b"), streamTail(2, 1), ln(uint64(len(groups))), strings.Join(groups, ""))
	}
	many := make([]uint64, 70)
	for i := range many {
		many[i] = uint64(i + 1)
	}
	for i, b := range [][]byte{
		stream(group("a", []uint64{1, 2, 5}, []uint64{2}, []uint64{1, 5}), group("b", nil)),
		stream(group("a", []uint64{1, 2, 5}, []uint64{2}, []uint64{5, 1})),
		stream(group("a", []uint64{2, 1}, []uint64{1, 2})),
		stream(group("a", []uint64{1, 2}, []uint64{1}, []uint64{1, 2})),
		stream(group("a", []uint64{1, 3}, []uint64{1, 2})),
		stream(group("a", many[:64], many[:63], many[63:64])),
		stream(group("a", many[:64], many[:63])),
		stream(group("a", many, many)),
		stream(group("5", nil), "\xC0\x05"+group("", nil)[1:]),
	} {
		demandSlowAndQuick(t, padded(b), i)
	}
}

func FuzzQuick(f *testing.F) { fuzzValues(f, demandSlowAndQuick) }

// shown is all that a reader says of keys and shows of values, of each up to so many elements; faults are told, or refused.
func shown(src io.Reader, pieces, slow, refuse bool, most int) (o outcome) {
	opt := rdb.ReaderOptions{OnFault: func(e *rdb.FormatError) error {
		text, internal := e.CheckerMessage()
		o.add("fault %v; %s; %q %v; %q", e, e.Message(), text, internal, e.Key)
		if refuse {
			return e
		}
		return nil
	}}
	read := func(r *rdb.Reader) {
		for r.Next() {
			e, ok := r.Record().(*rdb.Entry)
			if !ok {
				continue
			}
			o.add("%v %d %q %v %d %d %d %d", e.Span, e.DB, e.Key, e.Type, e.ExpireAt, e.Idle, e.Freq, e.ValueOffset)
			n := 0
			err := e.Visit(func(el *rdb.Element) bool {
				switch el.Kind {
				case rdb.ElementString, rdb.ElementItem, rdb.ElementMember:
					o.add("%d %q", el.Kind, el.Data)
				case rdb.ElementScored:
					o.add("%q %x", el.Data, math.Float64bits(el.Score))
				case rdb.ElementField:
					o.add("%q %q %d", el.Data, el.Value, el.ExpireAt)
				default:
					o.add("%d", el.Kind)
				}
				n++
				return n < most
			})
			o.add("%q %v %v", e.Key, e.Span, err)
		}
		o.add("end %v", r.Err())
	}
	r := rdb.NewReaderOptions(src, opt)
	if slow {
		r.Slow()
	}
	if !pieces {
		read(r)
		return o
	}
	s := rdb.NewSplitterOptions(src, rdb.SplitterOptions{Size: 4 << 10})
	for p := new(rdb.Piece); s.Next(p); {
		r.Open(p)
		read(r)
		if r.Err() != nil {
			break
		}
	}
	return o
}

// demandSlowAndShown reads all values in the slow way alone and in all others, from a stream and in pieces.
func demandSlowAndShown(t *testing.T, b []byte, what any) {
	t.Helper()
	for _, refuse := range []bool{false, true} {
		for _, most := range []int{1, 5, math.MaxInt} {
			for _, pieces := range []bool{false, true} {
				want := shown(bytes.NewReader(b), pieces, true, refuse, most)
				if got := shown(bytes.NewReader(b), pieces, false, refuse, most); !slices.Equal(want, got) {
					t.Fatalf("%v, pieces %v, %d elements:\n%s", what, pieces, most, cmp.Diff(want, got))
				}
			}
		}
	}
}

// TestShownIsSlow has values of all kinds, sound and damaged, some with more elements than are passed quickly.
func TestShownIsSlow(t *testing.T) {
	for _, c := range ruleCases {
		demandSlowAndShown(t, c.file, c.name)
	}
	ofManyValues(t, 12, 10, 40, demandSlowAndShown)
}

// TestShownDuplicates has a name that stands twice in collections small and large, behind elements that were shown quickly: the parser proper has to
// know of them, and of their sizes, by which a checker words it.
func TestShownDuplicates(t *testing.T) {
	sizes, lengths := []int{2, 3, 100, 512, 513}, []int{0, 63, 64, 65, 100}
	if testing.Short() {
		sizes, lengths = []int{3, 513}, []int{0, 65}
	}
	for _, n := range sizes {
		for _, long := range lengths {
			for _, first := range []int{0, (n - 1) / 2, n - 2} {
				for _, typ := range []byte{2, 4, 5} {
					body := string([]byte{0x80, 0, 0, byte(n >> 8), byte(n)})
					for i := range n {
						name := fmt.Sprintf("%d:%s", i, strings.Repeat("x", long*(i%2)))
						if i == n-1 {
							name = fmt.Sprintf("%d:%s", first, strings.Repeat("x", long*(first%2)))
						}
						body += str(name)
						switch typ {
						case 4:
							body += str(strings.Repeat("v", 10+long*(i%3/2)))
						case 5:
							body += le64(1 << 62)
						}
					}
					b := redisFile("\xfe\x00", key(typ, "k"), body, key(0, "after"), str("value"))
					demandSlowAndShown(t, b, fmt.Sprint(n, long, first, typ))
					require.Contains(t, strings.Join(shown(bytes.NewReader(b), true, false, true, math.MaxInt), "\n"), "fault", "%d %d %d %d", n, long, first, typ)
				}
			}
		}
	}
}

func FuzzShown(f *testing.F) { fuzzValues(f, demandSlowAndShown) }
