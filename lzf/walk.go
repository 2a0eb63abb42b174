package lzf

// walkMargin is the input that one round of [walk] may look at: a literal run and
// the header of a back-reference.
const walkMargin = maxOp + maxHeader

// walk passes over the operations at the start of p, given that before bytes were
// produced ahead of them and at most room may be produced by them. It returns the
// bytes of p passed over and the bytes these produce. It stops, always between
// operations, where fewer than walkMargin bytes are left and before any round that
// is not plainly sound.
//
// This is the loop that checking lives in, and what bounds it is a chain: the
// position of a control byte depends on the value of the one before. Only a branch
// predicted right breaks it, since the processor then goes on from the guessed
// position without waiting for the value. So a round takes a literal run, if there
// is one, and the back-reference that nearly always follows it, with a branch each,
// and all checks that nearly always hold. Sizes by table or by arithmetic instead
// of branches put the value back into the chain.
//
// All state is in the arguments and results, so that several blocks can be walked
// side by side.
func walk(p []byte, before, room int) (size, length int) {
	s, n := 0, 0
	for s <= len(p)-walkMargin {
		s0, n0 := s, n
		if c := p[s]; c < firstShort {
			run := literalRun(c)
			s += 1 + run
			n += run
		}
		ref := p[s : s+maxHeader : len(p)]
		switch c := ref[0]; {
		case c < firstShort: // another run, for the next round
		case c < firstLong:
			if distance(c, ref[1]) > before+n {
				return s0, n0
			}
			n += shortLength(c)
			s += 2
		default:
			if distance(c, ref[2]) > before+n {
				return s0, n0
			}
			n += longLength(ref[1])
			s += 3
		}
		if n > room {
			return s0, n0
		}
	}
	return s, n
}
