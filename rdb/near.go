package rdb

import (
	"github.com/kvfsck/kvfsck/crc64"
	"github.com/kvfsck/kvfsck/internal/cpu"
)

// near sums a block and brings it near ahead of its walk, which waits for memory seldom and leaves it idle: what is walked was summed a moment ago, and what is
// summed is on its way since the walk was there before it.
//
//	| walked |   summed   |  fetched, line by line  |    mapped    |
//	         pos     4 to 20 KiB              24 KiB         96 KiB behind it
type near struct {
	b      []byte
	sum    uint64
	summed int // bytes of b
	next   int // where the walk has come to when something is to be done again
	mapped int
	sink   byte
}

const (
	nearStep    = 16 << 10 // that is summed at once
	nearLeast   = 4 << 10
	nearFetched = 24 << 10
	nearMapped  = 96 << 10
	nearPages   = 32 << 10 // are mapped by one touch, and as a rule twice as many
)

func (n *near) start(b []byte) { *n = near{b: b} }

// walked tells it where the walk is.
func (n *near) walked(pos int) {
	if pos >= n.next {
		n.bring(pos)
	}
}

func (n *near) bring(pos int) {
	n.next = pos + cpu.FetchSize
	if n.summed < min(pos+nearLeast, len(n.b)) {
		n.sumTo(max(n.summed, pos) + nearStep)
	}
	if at := pos + nearMapped; at > n.mapped && at < len(n.b) {
		n.sink += n.b[at]
		n.mapped = at + nearPages
	}
	if at := pos + nearFetched; at <= len(n.b)-cpu.FetchSize {
		cpu.Fetch(&n.b[at])
	}
}

func (n *near) sumTo(end int) {
	end = min(end, len(n.b))
	n.sum = crc64.Update(n.sum, n.b[n.summed:end])
	n.summed = end
}

// end returns the sum of the whole block.
func (n *near) end() uint64 {
	n.sumTo(len(n.b))
	return n.sum
}
