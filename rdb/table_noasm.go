//go:build purego || !amd64

package rdb

import "github.com/kvfsck/kvfsck/internal/dupset"

func (r *Reader) quickFew(b []byte, typ Type, p, n int) int { return r.quickFewGeneric(b, typ, p, n) }

func (r *Reader) addNames(b []byte, typ Type, p, n int, kinds *nameKinds, many *dupset.Many) int {
	return r.addNamesGeneric(b, typ, p, n, kinds, many)
}
