package main

import (
	"strings"
	"testing"
	"time"

	"github.com/kvfsck/kvfsck/repair"
	"github.com/stretchr/testify/require"
)

// TestSearchText: a long search for what heals says what it took and what it left out, a short one nothing.
func TestSearchText(t *testing.T) {
	said := func(h *repair.Healing) string {
		var b strings.Builder
		t := repairText{w: &b}
		t.search(h)
		return b.String()
	}
	h := &repair.Healing{Tried: []repair.TriedKind{{Kind: repair.DamageBurst, Tests: 9}}}
	require.Empty(t, said(nil))
	require.Empty(t, said(h))
	h.Elapsed = 5340 * time.Millisecond
	require.Equal(t, "       the search took 5.3 s\n", said(h))
	h.Tried = append(h.Tried, repair.TriedKind{Kind: repair.DamageTwoBits, Skipped: "only bits up to 512 bytes apart"})
	require.Equal(t, "       the search took 5.3 s; not looked for everywhere: two-bits; --json says why\n", said(h))
}
