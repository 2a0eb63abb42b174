package rdb_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/rdb"
)

// TestResume reads on from behind the header and from behind the first key.
func TestResume(t *testing.T) {
	b := redisFile("\xfe\x03", "\xfc", le64(5000), key(0, "a"), str("x"), key(0, "b"), str("y"))
	offsets := map[string]int64{}
	r := rdb.NewReader(bytes.NewReader(b))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			offsets[string(e.Key)] = e.Offset
		}
	}
	require.NoError(t, r.Err())
	assert.EqualValues(t, 11, offsets["a"])
	at := rdb.Position{Offset: offsets["b"], Family: rdb.Redis, Version: 13, DB: 3}
	for name, resume := range map[string]func(){
		"reader": func() { r.Resume(bytes.NewReader(b[at.Offset:]), at) },
		"bytes":  func() { r.ResumeBytes(b[at.Offset:], at) },
	} {
		resume()
		require.True(t, r.Next(), name)
		e := r.Record().(*rdb.Entry)
		assert.Equal(t, "b", string(e.Key))
		assert.Equal(t, rdb.Span{Offset: at.Offset, Size: 3}, e.Span)
		assert.EqualValues(t, 3, e.DB)
		assert.Equal(t, rdb.NoExpire, e.ExpireAt)
		v, err := e.Value()
		require.NoError(t, err)
		assert.Equal(t, rdb.String("y"), v)
		require.True(t, r.Next())
		eof := r.Record().(*rdb.EOF)
		assert.True(t, eof.Partial)
		assert.True(t, eof.Valid())
		assert.EqualValues(t, len(b), eof.End())
		assert.False(t, r.Next())
		assert.NoError(t, r.Err())
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		r.ResumeBytes(b[at.Offset:], at)
		for r.Next() {
		}
	}))
}

// TestMaxString: a key longer than is wanted ends the reading, whether its bytes are there or not; values pass.
func TestMaxString(t *testing.T) {
	long := strings.Repeat("k", 200)
	packed := "\xc3\x04\x80\x00\x0f\x42\x40abcd" // would be 1000000 bytes
	for name, b := range map[string][]byte{
		"whole":      redisFile(key(0, "short"), str(long), key(0, long), str("x")),
		"short":      redisFile(key(0, "short"), str(long), "\x00\x81\x00\x00\x00\x10\x00\x00\x00\x00rest"),
		"compressed": redisFile(key(0, "short"), str(long), "\x00"+packed),
	} {
		r := rdb.NewReaderOptions(bytes.NewReader(b), rdb.ReaderOptions{MaxString: 100})
		keys := 0
		for r.Next() {
			if e, ok := r.Record().(*rdb.Entry); ok {
				keys++
				require.NoError(t, e.Check(), name)
			}
		}
		var fe *rdb.FormatError
		require.ErrorAs(t, r.Err(), &fe, name)
		assert.Equal(t, rdb.CodeLengthRange, fe.Code, name)
		assert.ErrorIs(t, fe, rdb.ErrEncoding, name)
		assert.Equal(t, 1, keys, name)
	}
}
