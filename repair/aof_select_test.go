package repair

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kvfsck/kvfsck/aof"
)

// TestDamagedSelect leaves out a SELECT that servers answer with an error, and says that the database of what follows is not certain, up to the next one.
func TestDamagedSelect(t *testing.T) {
	a, b, z := commands("SELECT 0", "SET a 1"), commands("SET b 2", "SET c 3"), commands("SELECT 2", "SET d 4")
	for _, c := range []struct {
		arg       string
		databases uint64
		why       string // empty: it is sound
	}{
		{"1", 16, ""}, {"15", 16, ""}, {"99", 0, ""}, {"2147483647", 0, ""},
		{"q", 16, "SELECT of what is no database"}, {"1\x93", 0, "SELECT of what is no database"}, {"", 16, "SELECT of what is no database"},
		{"-1", 0, "SELECT of what is no database"}, {"1\x00", 16, "SELECT of what is no database"}, {"01", 16, "SELECT of what is no database"},
		{"2147483648", 0, "SELECT of what is no database"},
		{"16", 16, "SELECT of database 16, and the server has 16"}, {"99", 16, "SELECT of database 99, and the server has 16"},
	} {
		in := a + resp("SELECT", c.arg) + b + z
		s, got := salvageBytes(t, []byte(in), AOFOptions{Databases: c.databases})
		acceptAOF(t, s, got)
		if c.why == "" {
			assert.True(t, s.Sound, "%q of %d", c.arg, c.databases)
			assert.Equal(t, in, string(got))
			continue
		}
		assert.Equal(t, a+b+z, string(got), "%q of %d", c.arg, c.databases)
		require.Len(t, s.Regions, 4, "%q of %d: %v", c.arg, c.databases, s.Regions)
		assert.Equal(t, c.why, s.Regions[1].Why)
		assert.Equal(t, AOFDamaged, s.Regions[1].Kind)
		assert.True(t, s.Regions[2].Uncertain)
		assert.EqualValues(t, 2, s.Uncertain)
		assert.EqualValues(t, 1, s.Lost)

		s, got = salvageBytes(t, []byte(in), AOFOptions{Databases: c.databases, MoveLostDB: true, LostDB: 9})
		acceptAOF(t, s, got)
		assert.Equal(t, a+commands("SELECT 9")+b+z, string(got))
	}
}

// TestDamagedSelectWithItsFraming does not keep a SELECT whose framing can be corrected, and its argument cannot.
func TestDamagedSelectWithItsFraming(t *testing.T) {
	a, b := commands("SELECT 0", "SET a 1"), commands("SET b 2", "SET c 3")
	s, got := salvageBytes(t, []byte(a+"*2\r\n!6\r\nSELECT\r\n$1\r\nq\r\n"+b), AOFOptions{Doubtful: true})
	acceptAOF(t, s, got)
	assert.Equal(t, a+b, string(got))
	assert.EqualValues(t, 2, s.Uncertain)
}

// TestPlanOfADamagedSelect finds the same as a check does, and where the server may have more databases asks.
func TestPlanOfADamagedSelect(t *testing.T) {
	a, b := commands("SELECT 0", "SET a 1"), commands("SET b 2", "SET c 3")
	for _, c := range []struct {
		name string
		odd  string
		find aof.FindingCode
		why  string
	}{
		{"no database", resp("SELECT", "q"), aof.FindSelect, "SELECT of what is no database"},
		{"out of range", resp("SELECT", "99"), aof.FindSelectRange, "SELECT of database 99, and the server has 16"},
		{"two arguments", resp("SELECT", "1", "x"), aof.FindArity, "no server takes so many arguments of the command"},
		{"another command's arguments", resp("GET", "1", "x"), aof.FindArity, "no server takes so many arguments of the command"},
		{"unknown", resp("SELEKT", "1"), aof.FindUnknownCommand, "no server knows the command"},
	} {
		fsys := fstest.MapFS{"a.aof": {Data: []byte(a + c.odd + b)}}
		opt := LogPlanOptions{}
		opt.Databases = 16
		p, err := NewLogPlan(t.Context(), fsys, "a.aof", opt)
		require.NoError(t, err)
		assert.False(t, p.Sound(), c.name)
		assert.Equal(t, c.find, p.Found.Findings[0].Code, c.name)
		require.NotNil(t, p.Chosen, c.name)
		assert.Equal(t, StrategySalvage, p.Chosen.Strategy, c.name)
		assert.Equal(t, c.why, p.Chosen.Result.Files[0].Regions[1].Why, c.name)
		assert.Contains(t, p.Offers[2].Reason, c.why, c.name)

		opt.KeepUnknown = true // modules have commands that are not known, and none of those that are
		p, err = NewLogPlan(t.Context(), fsys, "a.aof", opt)
		require.NoError(t, err)
		assert.Equal(t, c.find == aof.FindUnknownCommand, p.Sound(), c.name)
		assert.Equal(t, c.find != aof.FindUnknownCommand, p.Chosen != nil, c.name)
		if p.Sound() {
			continue
		}
		assert.Equal(t, c.why, p.Chosen.Result.Files[0].Regions[1].Why, c.name)

		opt.KeepUnknown, opt.AskDatabases = false, true
		p, err = NewLogPlan(t.Context(), fsys, "a.aof", opt)
		require.NoError(t, err)
		if c.find != aof.FindSelectRange {
			assert.NotNil(t, p.Chosen, c.name)
			continue
		}
		assert.Nil(t, p.Chosen)
		for _, o := range p.Offers {
			assert.EqualValues(t, 100, o.Databases)
		}
	}
}
