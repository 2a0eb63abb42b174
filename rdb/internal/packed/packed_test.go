package packed_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/kvfsck/kvfsck/rdb/internal/packed"
	"github.com/kvfsck/kvfsck/rdb/internal/packed/packedtest"
)

func ExampleParseInt() {
	for _, s := range []string{"42", "-7", "042", "+7", "-0", "9223372036854775808"} {
		v, ok := packed.ParseInt([]byte(s))
		fmt.Println(s, v, ok)
	}
	// Output:
	// 42 42 true
	// -7 -7 true
	// 042 0 false
	// +7 0 false
	// -0 0 false
	// 9223372036854775808 0 false
}

// A string is an integer exactly if strconv reads it and prints it the same.
func TestParseIntRoundTrips(t *testing.T) {
	check := func(s string) {
		t.Helper()
		want, err := strconv.ParseInt(s, 10, 64)
		wantOK := err == nil && strconv.FormatInt(want, 10) == s
		got, ok := packed.ParseInt([]byte(s))
		if ok != wantOK || ok && got != want {
			t.Errorf("ParseInt(%q) = %d, %v; want %d, %v", s, got, ok, want, wantOK)
		}
	}
	for _, s := range []string{"", "-", "0", "-0", "00", "1 ", " 1", "1a", "--1", "+1", "1e3",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
		"18446744073709551616", "99999999999999999999", "-99999999999999999999", "184467440737095516160"} {
		check(s)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		s := strconv.FormatInt(packedtest.Int(rng), 10)
		check(s)
		check(string(packedtest.Mutate([]byte(s), rng)))
	}
}

func TestTextLen(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, v := range []int64{0, 9, 10, -1, -9, -10, math.MaxInt64, math.MinInt64} {
		if got, want := packed.TextLen(v), len(strconv.FormatInt(v, 10)); got != want {
			t.Errorf("TextLen(%d) = %d, want %d", v, got, want)
		}
	}
	for range 20000 {
		v := packedtest.Int(rng)
		if got, want := packed.TextLen(v), len(strconv.FormatInt(v, 10)); got != want {
			t.Errorf("TextLen(%d) = %d, want %d", v, got, want)
		}
	}
}

// Every rule has a name and a text.
func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for k := packed.TooShort; k <= packed.LongLength; k++ {
		s := k.String()
		if s == "" || seen[s] {
			t.Errorf("kind %d has the name %q", uint8(k), s)
		}
		seen[s] = true
	}
	if got := packed.Kind(0).String(); got != "Kind(0)" {
		t.Errorf("Kind(0) is called %q", got)
	}
}
