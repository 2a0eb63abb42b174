package repair

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// plainly are the settings with which a salvage reads record after record.
func plainly(o SalvageOptions) SalvageOptions {
	o.alone, o.plain = 1<<62, true
	return o
}

// demandAgreement salvages b plainly and with records read ahead in pieces, by so many workers, with what a check found out and without: all is the
// same, the account, the map and the output.
func demandAgreement(t *testing.T, b []byte, piece, workers int, what any) {
	t.Helper()
	ctx, size := context.Background(), int64(len(b))
	rep, _ := rdb.Verify(ctx, bytes.NewReader(b), rdb.VerifyOptions{KeepGoing: true, DuplicateKeys: true, MaxFaults: 3})
	for name, salvage := range map[string]func(context.Context, io.ReaderAt, int64, SalvageOptions) (*Salvaged, error){"salvage": Salvage, "truncate": Truncate} {
		opt := SalvageOptions{Partial: PartialPolicy(len(b) % 2)}
		want, err := salvage(ctx, bytes.NewReader(b), size, plainly(opt))
		require.NoError(t, err)
		for _, checked := range []*checkedPart{nil, partChecked(rep)} {
			opt.checked, opt.piece, opt.workers, opt.alone = checked, piece, workers, 1
			got, err := salvage(ctx, bytes.NewReader(b), size, opt)
			require.NoError(t, err)
			require.Equal(t, outputOf(t, want), outputOf(t, got), "%v, %s, pieces of %d, %d workers, checked %v", what, name, piece, workers, checked != nil)
			a, g := *want, *got
			a.opt, a.src, g.opt, g.src = SalvageOptions{}, nil, SalvageOptions{}, nil
			require.Equal(t, a, g, "%v, %s, pieces of %d, %d workers, checked %v", what, name, piece, workers, checked != nil)
		}
	}
}

func outputOf(t *testing.T, s *Salvaged) []byte {
	var b bytes.Buffer
	n, err := s.WriteTo(&b)
	require.NoError(t, err)
	size, err := s.size()
	require.NoError(t, err)
	require.Equal(t, size, n)
	return b.Bytes()
}

// TestReadAhead: it is the same whether records are read one after the other or ahead, on files with several damages.
func TestReadAhead(t *testing.T) {
	files := uint64(4)
	if testing.Short() {
		files = 2
	}
	if big() {
		files = 100
	}
	pieces := []int{64, 1000, 20_000, 0}
	for seed := range files {
		opt := fuzz.AnyOptions(seed)
		opt.Keys = 100
		b, _ := fuzz.RDB(seed, opt)
		r := rand.New(rand.NewSource(int64(seed)))
		for damages := range 3 {
			bad := bytes.Clone(b)
			for range damages * damages {
				at := r.Intn(len(bad))
				switch n := min(1+r.Intn(600), len(bad)-at); r.Intn(3) {
				case 0:
					clear(bad[at : at+n])
				case 1:
					r.Read(bad[at : at+min(n, 3)])
				default:
					bad = append(bad[:at], bad[at+n:]...)
				}
			}
			demandAgreement(t, bad, pieces[(int(seed)+damages)%len(pieces)], 1+int(seed+uint64(damages))%3, fmt.Sprintf("seed %d, %d damages", seed, damages*damages))
		}
	}
}

// TestReadAheadOfManyDatabases is the same where there are too many records of which readers ahead keep more.
func TestReadAheadOfManyDatabases(t *testing.T) {
	b := []byte("REDIS0011")
	for i := range 9000 {
		b = append(b, opSelectDB, byte(i%3))
		if i%10 == 0 {
			b = fmt.Appendf(b, "\x00\x08key:%04d\x05value", i)
		}
	}
	b = append(b, opEOF, 0, 0, 0, 0, 0, 0, 0, 0)
	demandAgreement(t, b, 0, 2, "sound")
	demandAgreement(t, append(b[:30_000], b[30_007:]...), 0, 2, "damaged")
}

// TestReadAheadOfMutations is the same for every way in which the mutators damage a file.
func TestReadAheadOfMutations(t *testing.T) {
	o, some := generated(t, rdb.Version12, 100, 8), 4
	switch {
	case big():
		some = 1
	case testing.Short():
		some = 9
	}
	for i, m := range mutators {
		if i%some > 0 {
			continue
		}
		d := newDamaged(o, m.name)
		m.damage(rand.New(rand.NewSource(int64(i))), d)
		demandAgreement(t, d.bytes, 2000, 2, m.name)
	}
}

// TestReadAheadOfSmallKeys is the same where most records are calm, so that they are passed in runs: whether databases change, keys stand twice, some
// expire, or damage comes between.
func TestReadAheadOfSmallKeys(t *testing.T) {
	for name, idle := range map[string]func(e *rdb.Entry, i int){
		"no eviction": func(*rdb.Entry, int) {},
		"idle times":  func(e *rdb.Entry, i int) { e.Idle = int64(i * i % 100_000) },
		"counters":    func(e *rdb.Entry, i int) { e.Freq = i % 256 },
		"some":        func(e *rdb.Entry, i int) { e.Freq = max(-1, i%20-10) },
	} {
		if testing.Short() && name != "some" {
			continue
		}
		t.Run(name, func(t *testing.T) { demandAgreementOfSmallKeys(t, idle) })
	}
}

func demandAgreementOfSmallKeys(t *testing.T, idle func(e *rdb.Entry, i int)) {
	var b bytes.Buffer
	w := rdb.NewWriter(&b, rdb.Version12, rdb.WriterOptions{})
	expiry := binary.LittleEndian.AppendUint64([]byte{opExpireTimeMS}, 1_700_000_000_000)
	for db := range uint64(2) {
		for i := range 2600 {
			value := fmt.Appendf(nil, "value %d", i*i)
			e := rdb.NewEntry(db, fmt.Appendf(nil, "user:%d:name", i%2590))
			switch {
			case i%10 == 7 || i > 1000 && i < 1010:
				e.ExpireAt, e.Key = 1_700_000_000_000+int64(i), fmt.Appendf(nil, "session:%d", i)
			case i%100 == 50:
				e.Key = fmt.Append(nil, 1000+i)
			case i%300 == 9:
				e.Key = fmt.Append(nil, 0x41414141) // text, as bytes
			case i%300 == 31:
				value = append(value, expiry...) // as if that of the next key
			case i%300 == 51:
				e.Key[0] = '\n'
			}
			idle(e, i)
			require.NoError(t, w.WriteEntry(e, rdb.String(value)))
		}
	}
	require.NoError(t, w.Close())
	r, most := rand.New(rand.NewSource(1)), 4
	if testing.Short() {
		most = 2
	}
	for damages := range most {
		for _, piece := range []int{3000, 0} {
			bad := bytes.Clone(b.Bytes())
			for range damages {
				at := r.Intn(len(bad))
				r.Read(bad[at:min(len(bad), at+1+r.Intn(20))])
			}
			demandAgreement(t, bad, piece, 1+damages%2, fmt.Sprint(damages, " damages"))
		}
	}
}
