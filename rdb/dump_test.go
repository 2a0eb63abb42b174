package rdb_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/corpus"
	"github.com/kvfsck/kvfsck/internal/oracle"
	"github.com/kvfsck/kvfsck/rdb"
)

// sealed appends the footer of a DUMP payload.
func sealed(version uint16, body string) []byte {
	b := binary.LittleEndian.AppendUint16([]byte(body), version)
	return binary.LittleEndian.AppendUint64(b, crc64.Checksum(b))
}

// TestDumpKnown takes apart the payload that the documentation of RESTORE shows.
func TestDumpKnown(t *testing.T) {
	payload := []byte("\n\x17\x17\x00\x00\x00\x12\x00\x00\x00\x03\x00\x00\xc0\x01\x00\x04\xc0\x02\x00\x04\xc0\x03\x00\xff\x04\x00u#<\xc0;.\xe9\xdd")
	d, err := rdb.ParseDump(payload)
	require.NoError(t, err)
	require.Equal(t, rdb.TypeListZiplist, d.Type)
	require.Equal(t, 4, d.Version)
	require.True(t, d.Valid())
	v, err := d.Value()
	require.NoError(t, err)
	require.Equal(t, rdb.List(bs("1", "2", "3")), v)
}

func TestDumpErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"empty", nil, rdb.ErrTruncated},
		{"footer only", make([]byte, 10), rdb.ErrTruncated},
		{"version 0", sealed(0, "\x00\x01v"), rdb.ErrVersion},
		{"version 79", sealed(79, "\x00\x01v"), rdb.ErrVersion},
		{"no type", sealed(12, "\x63\x01v"), rdb.ErrEncoding},
		{"a type of the other family", sealed(80, "\x18\x01v"), rdb.ErrEncoding},
		{"metadata cut short", sealed(13, "\xf3\x01\x01"), rdb.ErrTruncated},
		{"metadata and no more", sealed(13, "\xf3\x00"), rdb.ErrTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rdb.ParseDump(c.payload)
			var f *rdb.FormatError
			require.ErrorAs(t, err, &f)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestDumpCheck(t *testing.T) {
	good := sealed(12, "\x00\x01v")
	wrong := bytes.Clone(good)
	wrong[len(wrong)-1] ^= 1
	for _, c := range []struct {
		name    string
		payload []byte
		valid   bool
		want    error
	}{
		{"good", good, true, nil},
		{"checksum", wrong, false, rdb.ErrChecksum},
		{"none, 8.6", append([]byte("\x00\x01v\x0d\x00"), make([]byte, 8)...), true, nil},
		{"none, 7.4", append([]byte("\x00\x01v\x0c\x00"), make([]byte, 8)...), false, rdb.ErrChecksum},
		{"none, Valkey", append([]byte("\x00\x01v\x50\x00"), make([]byte, 8)...), false, rdb.ErrChecksum},
		{"bytes behind", sealed(12, "\x00\x01vx"), true, rdb.ErrFile},
		{"value cut short", sealed(12, "\x00\x05v"), true, rdb.ErrTruncated},
		{"empty list", sealed(12, "\x01\x00"), true, nil}, // a server drops it, as it does in a file
		{"field twice", sealed(12, "\x10"+str(lp("f", "v", "f", "w"))), true, rdb.ErrContent},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := rdb.ParseDump(c.payload)
			require.NoError(t, err)
			require.Equal(t, c.valid, d.Valid())
			require.ErrorIs(t, d.Check(), c.want)
		})
	}
}

func TestDumpMetadata(t *testing.T) {
	d, err := rdb.ParseDump(sealed(13, "\xf3\x01\x01\x00\x00\x00\x02\x07\x00\x00\x01v"))
	require.NoError(t, err)
	require.Equal(t, []rdb.KeyMeta{{Class: 1, Items: []rdb.ModuleItem{{Kind: rdb.ModuleUInt, Int: 7}}}}, d.Meta)
	require.Equal(t, d.Meta, d.Entry().Meta)
	require.Equal(t, "\x01v", string(d.Raw))
	v, err := d.Value()
	require.NoError(t, err)
	require.Equal(t, rdb.String("v"), v)
}

// TestDumpRestore gives a server the values of a file of its own version as payloads, and demands the value back.
func TestDumpRestore(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "rdb/redis-7.0/lists.rdb"))
	require.NoError(t, err)
	s := oracle.StartServer(t, oracle.Find(t, oracle.RedisServer), "")
	for _, v := range rawValues(t, b) {
		given := rdb.AppendDump(nil, v.Type, v.Raw, rdb.Version10)
		replies, err := s.Pipeline([][]any{{"RESTORE", "k", 0, given, "REPLACE"}, {"DUMP", "k"}})
		require.NoError(t, err)
		require.Equal(t, "OK", replies[0])
		want, err := rdb.ParseDump(given)
		require.NoError(t, err)
		got, err := rdb.ParseDump([]byte(replies[1].(string)))
		require.NoError(t, err)
		a, err := want.Value()
		require.NoError(t, err)
		b, err := got.Value()
		require.NoError(t, err)
		require.Equal(t, payload(t, a, rdb.Version10), payload(t, b, rdb.Version10))
	}
}
