//go:build purego || !amd64

package listpack

import "github.com/kvfsck/kvfsck/internal/dupset"

func walkEntries(b []byte, p int) int { return walkEntriesGeneric(b, p) }

func walkNames(b []byte, p int, l Layout, few *dupset.Few) (n int, kinds uint8, odd bool) {
	return walkNamesGeneric(b, p, l, few)
}
