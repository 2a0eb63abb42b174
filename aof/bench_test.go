package aof

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
)

// generated is a log of n bytes or a little more, with values of a certain size.
func generated(n, value int) []byte {
	var out bytes.Buffer
	w := NewWriter(&out)
	rng := rand.New(rand.NewPCG(7, 8))
	v := strings.Repeat("v", value)
	for w.Offset() < int64(n) {
		key := fmt.Sprintf("key:%08d", rng.IntN(1e6))
		switch rng.IntN(4) {
		case 0:
			w.Command(0, "HSET", key, "field", v)
		case 1:
			w.Command(0, "RPUSH", key, v, v)
		default:
			w.Command(0, "SET", key, v)
		}
	}
	w.Flush()
	return out.Bytes()
}

// varied is a log of n bytes or a little more, as of small keys of several kinds: from one command to the next there are other numbers of arguments, and these
// have other sizes.
func varied(n int) []byte {
	var out bytes.Buffer
	w := NewWriter(&out)
	rng := rand.New(rand.NewPCG(7, 8))
	text := strings.Repeat("v", 40)
	for w.Offset() < int64(n) {
		args := []string{"SET", fmt.Sprintf("key:%d", rng.IntN(1e6)), text[:1+rng.IntN(40)]}
		switch rng.IntN(8) {
		case 0, 1, 2:
			args[0] = "HSET"
			args = append(args, text[:1+rng.IntN(20)])
			for range rng.IntN(6) {
				args = append(args, fmt.Sprintf("field:%d", rng.IntN(20)), text[:1+rng.IntN(20)])
			}
		case 3:
			args[0], args[2] = "PEXPIREAT", "4102444800000"
		}
		w.Command(0, args...)
	}
	w.Flush()
	return out.Bytes()
}

// transactions is a log of n bytes or a little more, every third command of which is ordinary and known to servers.
func transactions(n int) []byte {
	var out bytes.Buffer
	w := NewWriter(&out)
	for i := 0; w.Offset() < int64(n); i++ {
		w.Command(0, "MULTI")
		w.Command(0, [...]string{"SET", "set", "Set", "json.set"}[i%4], fmt.Sprint("key:", i), "value")
		w.Command(0, "EXEC")
	}
	w.Flush()
	return out.Bytes()
}

// BenchmarkAdvance is that of one worker.
func BenchmarkAdvance(b *testing.B) {
	for _, c := range []struct {
		name      string
		in        []byte
		plausible bool
	}{
		{"plausible=false", varied(64 << 20), false}, {"plausible=true", varied(64 << 20), true}, {"transactions", transactions(8 << 20), false},
	} {
		args := bytes.Count(c.in, []byte("\r\n$"))
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.in)))
			for b.Loop() {
				r := NewReaderOptions(nil, ReaderOptions{Skim: true, NoPreamble: true})
				if r.Advance(b.Context(), AdvanceOptions{Workers: 1, Plausible: c.plausible, whole: c.in}); r.Position().Offset != int64(len(c.in)) {
					b.Fatal(r.Position())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(args), "ns/arg")
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, value := range []int{8, 100, 10_000, 1_000_000} {
		in := generated(64<<20, value)
		for _, mode := range []struct {
			name string
			opt  ReaderOptions
		}{
			{"whole", ReaderOptions{}},
			{"skim", ReaderOptions{Skim: true}},
			{"checker", ReaderOptions{Skim: true, Strictness: AsChecker}},
		} {
			b.Run(fmt.Sprintf("value=%d/%s", value, mode.name), func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				b.ReportAllocs()
				r := &Reader{}
				for b.Loop() {
					r.Reset(bytes.NewReader(in), mode.opt)
					for r.Next() {
					}
					if r.Err() != nil {
						b.Fatal(r.Err())
					}
				}
			})
		}
	}
}

// BenchmarkCheck is that of a whole set, with all commands looked up.
func BenchmarkCheck(b *testing.B) {
	for _, value := range []int{8, 100, 10_000} {
		in := generated(64<<20, value)
		files := fstest.MapFS{dirManifest: {Data: []byte("file appendonly.aof.1.incr.aof seq 1 type i\n")}, dirIncr: {Data: in}}
		b.Run(fmt.Sprintf("value=%d", value), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				s, err := OpenSet(files, dirManifest)
				if err != nil {
					b.Fatal(err)
				}
				rep, err := s.Check(b.Context(), CheckOptions{})
				if err != nil || rep.Verdicts[0].Outcome != Loads {
					b.Fatal(err, rep.Verdicts)
				}
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	b.SetBytes(int64(len(pSet("key"))))
	w := NewWriter(errorWriter{})
	for b.Loop() {
		w.Command(0, "SET", "key", "v")
	}
}
