package repair

import "github.com/kvfsck/kvfsck/rdb"

// The elements of a packed list that count, or are all alike, look like strings in a row:
//
//	00 04 C0 98 | 00 04 C0 99 | 00 04 C0 9A | ...     entries of a ziplist
//	00 04 key ----------- int8| 00 04 key ------      strings
//
// Each is worth something, but what one says all others only repeat. Servers write keys in the order of a hash table, so hardly two that follow each
// other are neighbours.

// roteMost is the size up to which records are compared with those before them.
const roteMost = 32

// rote reports whether a string with control characters in its key, of which b shows all, is one that stands before it with the next numbers in it.
func rote(before, b, key []byte) bool {
	const step = 2
	if len(b) > roteMost || len(before) != len(b) || !hasControl(key) {
		return false
	}
	for i, c := range b {
		if d := int(c) - int(before[i]); d < -step || d > step {
			return false
		}
	}
	return true
}

// byRote is rote of a record that was read, with the key.
func (p *prober) byRote(f *record, key []byte) bool {
	n := f.end - f.start
	if f.typ != rdb.TypeString || f.what != isKey || n > roteMost || f.start < n || !hasControl(key) {
		return false
	}
	b := p.view.at(f.start-n, int(2*n))
	return int64(len(b)) >= 2*n && rote(b[:n], b[n:2*n], key)
}

// roteBits is the evidence for such a record at most: it is rather none.
const roteBits = -1
