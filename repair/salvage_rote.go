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

// Nodes of a list that hold one integer each read as sets of integers in a row, three or more of which are one:
//
//	02 C0 8B | 02 C0 8C | 02 C0 8D | ...     a kind of node and an integer
//	02 C0 8B   02 C0 8C   02 C0 8D           a set, its key, two elements

// regular reports whether the bytes of a plain collection whose key is an integer come again and again.
func (p *prober) regular(f *record) bool {
	const shortest = 2
	n := int(f.end - f.start)
	if f.what != isKey || f.typ == rdb.TypeString || elementSize[f.typ] == nil || n > roteMost || f.modified {
		return false
	}
	b := p.view.at(f.start, n)
	if len(b) < n || b[1] < 0xC0 || b[1] > 0xC2 {
		return false
	}
	for k := shortest; k <= n/3; k++ {
		same := 0
		for i := range n - k {
			same += int(one(b[i] == b[i+k]))
		}
		if n%k == 0 && 2*same > n-k {
			return true
		}
	}
	return false
}

// byRote is rote of a record that was read, with the key, or regular.
func (p *prober) byRote(f *record, key []byte) bool {
	if p.regular(f) {
		return true
	}
	n := f.end - f.start
	if f.typ != rdb.TypeString || f.what != isKey || n > roteMost || f.start < n || !hasControl(key) {
		return false
	}
	b := p.view.at(f.start-n, int(2*n))
	return int64(len(b)) >= 2*n && rote(b[:n], b[n:2*n], key)
}

// roteBits is the evidence for such a record at most: it is rather none.
const roteBits = -1
