package repair

// Healing: what the checksum of an RDB file says about damage to it.
//
// The CRC-64 at the end of a file does more than notice damage. Small damage leaves a trace in it that tells where it is and what
// was there before. Three facts are all it takes; package crc64 has the arithmetic.
//
// # One word
//
// A file is n bytes, the last eight of which are the checksum of the rest, least significant byte first. Fed to the register too,
// they empty it: the register after the whole file is 0. So the stored checksum needs no special case, and damage to it is damage
// like any other. The register after all n bytes of a damaged file, the residue, is not 0. Everything below is drawn from it.
// (Only zeros before the first byte leave no trace, as an empty register stays empty: see heal_blind.go.)
//
// # Two runs
//
// A step of the register can be taken back. So there are two registers at every position i of the file,
//
//	A[i]   forward:  from 0 at the start, fed the bytes before i
//	R[i]   backward: the one that, fed the bytes from i on, ends in 0
//
//	file       |  b0  b1  b2  ...  b(i-1) | b(i)  ...  b(n-1) |
//	           0 ---- A --------------> A[i]
//	                                    R[i] <---------- R --- 0
//
// In a sound file they are equal everywhere. A[i] depends on nothing behind i, R[i] on nothing before it. With all damage between
// i and j, A[i] is still what it was when the file was written, and so is R[j].
//
// # One relation
//
// A register that holds r, fed zeros, and a register that holds 0, fed the eight bytes of r, end in the same. Hence: the w bytes m
// that lead from A[i] to R[j], if there are any, are the low w bytes of u^w(R[j]) xor A[i], and the rest of that number is 0, where
// u^w takes back w zero bytes. Let v = j-i be how many bytes stand there now, and k = v-w by how much too many these are. Since
// taking back the bytes that do stand there differs from taking back zeros in the low bytes alone, the relation becomes
//
//	A[i] xor R[i+k] < 2^(8w)
//
// and one comparison of two numbers, at every i and for every small k, finds every damage of this sort:
//
//	k = 0        w bytes or fewer are wrong: one flipped bit, a burst, two bytes transposed
//	k > 0        k bytes are too many, and perhaps some beside them wrong
//	k < 0        -k bytes are lost
//	any k, w=0   a whole block [i, i+k) does not belong: A[i] = R[i+k]
//
// See heal_walk.go for the walk, heal_splice.go for the comparisons, and the other files for one kind of damage each.
//
// # What it proves
//
// A damage that is none of those passes N tests of this sort by accident with a probability of N·2^(8w)/2^64, for bursts of three
// bytes in 256 MiB 1/4096. That is Candidate.Odds. So a candidate counts only if the healed file passes the deep verifier
// besides; and where several do, none is chosen.

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/kvfsck/kvfsck/rdb"
)

// HealOptions are settings of [Heal] and [HealDump]. The zero value looks for everything that is cheap.
type HealOptions struct {
	// Kinds is what to look for; [DamageBurst] includes a single bit and neighbours transposed. 0 means everything, but [DamageTwoBits] only in files in which that takes seconds, about 4 MiB with
	// the default memory; if the set names it, it is looked for in any file, in time proportional to the size squared over MaxMemory:
	// minutes for 64 MiB, hours for 1 GiB; and only if nothing else was found that passes the verifier.
	Kinds Damage
	// MaxMemory bounds the tables of the searches that need one, in bytes; 0 means 64 MiB. The others need a few MiB.
	MaxMemory int64
	// Progress, if set, is called now and then, by one goroutine at a time, with how much of the work is done, in units of about one
	// byte of the file read once. The total grows where the search leads to more work.
	Progress func(done, total int64)
}

// Healing is what [Heal] found.
type Healing struct {
	Outcome HealOutcome
	Size    int64 // of the input
	End     int64 // where the RDB was taken to end; bytes behind it do not belong to it. Of the best candidate, if there is one

	Stored, Computed uint64 // checksums, of the bytes before End

	// Fault is the first fault of the damaged file other than the checksum's; nil if only the checksum is wrong. Damage lies at or
	// before Fault.Offset.
	Fault *rdb.FormatError

	// Candidates are the changes after which the checksum is right: those first that the verifier accepts, and among them the least
	// likely to be coincidences.
	Candidates []Candidate
	// Discarded is how many more there were that cannot be: behind the fault, the same in effect as another, or too many to check.
	Discarded int
	// Tried tells what was looked for.
	Tried []TriedKind
	// Elapsed is how long it took, reading and verifying included.
	Elapsed time.Duration
}

// TriedKind is a kind of damage that was looked for.
type TriedKind struct {
	Kind  Damage
	Tests int64   // how many possible damages were told apart from the real one, or groups of them that one test covers
	Odds  float64 // that damage of another kind makes a candidate of this one
	// Skipped says why it was not looked for everywhere; empty if it was.
	Skipped string
}

// Candidate is a change to the file after which its checksum is right.
type Candidate struct {
	Kind  Damage
	Edits []Edit // in file order, apart from each other; none for kinds that concern the whole file
	Size  int64  // of the healed file, in bytes
	End   int64  // bytes of the damaged file from here on are left out, as not belonging to the RDB

	// Odds are the odds that damage of some other kind makes a candidate of this kind by accident; 1 says that the checksum proves
	// nothing.
	Odds float64
	// Verified says that the healed file passes the deep verifier.
	Verified bool
	Report   *rdb.Report // on the healed file; nil for DUMP payloads
	Err      error       // what the verifier has against it

	transform transform
	sum       uint64 // of the healed content
}

// Edit replaces Remove bytes of the damaged file at Offset by Insert.
type Edit struct {
	Offset int64
	Remove int64
	Insert []byte
}

// HealOutcome is what a search came to.
type HealOutcome string

const (
	Healed           HealOutcome = "healed"              // one candidate is proven: [Healing.Best]
	HealAmbiguous    HealOutcome = "ambiguous"           // several pass the verifier
	HealUnproven     HealOutcome = "unproven"            // what passes the verifier may be a coincidence
	HealSound        HealOutcome = "sound"               // nothing to heal: the file passes the verifier
	HealRightSum     HealOutcome = "checksum-right"      // damaged, but the checksum was made over the damage
	HealDisabled     HealOutcome = "checksum-disabled"   // the stored checksum is 0: the writer made none
	HealOldVersion   HealOutcome = "no-checksum-version" // versions before 5 have no checksum
	HealCutShort     HealOutcome = "cut-short"           // the file ends early, and the checksum is gone with the end
	HealNotRDB       HealOutcome = "not-an-rdb"          // neither the start nor the checksum is that of an RDB
	HealNothingFound HealOutcome = "nothing-found"       // more damage than the checksum can locate
)

// provenOdds is the most that the odds of a proven candidate are.
const provenOdds = 1.0 / 1024

// plausibleOdds is the most that the odds of damage to the checksum are for it to be weighed against other candidates, and for it to be proven: what
// lies inside of strings has nothing else to speak for it, and six of its bytes are more than a small damage.
const plausibleOdds = 1.0 / (1 << 20)

// mostOdds is the most that the odds of a candidate may be for it to be proven.
func (c *Candidate) mostOdds() float64 {
	if c.Kind == DamageChecksum {
		return plausibleOdds
	}
	return provenOdds
}

// Best returns the candidate that is proven: the only one that passes the verifier, and unlikely to be a coincidence. It is nil where there
// is none or more than one.
func (h *Healing) Best() *Candidate {
	if h.Outcome != Healed {
		return nil
	}
	return &h.Candidates[0]
}

// Verified returns how many candidates pass the verifier.
func (h *Healing) Verified() int {
	n := 0
	for n < len(h.Candidates) && h.Candidates[n].Verified {
		n++
	}
	return n
}

// Offset returns where in the damaged file the first change is; 0 for kinds that concern the whole file, and the end if only bytes
// behind it are left out.
func (c *Candidate) Offset() int64 {
	switch {
	case len(c.Edits) > 0:
		return c.Edits[0].Offset
	case c.transform == asIs:
		return c.End
	}
	return 0
}

// Heal looks for small damage of an RDB file that its checksum locates exactly. src holds size bytes. It reads the input a few times,
// in large blocks, on all processors, and never holds it.
//
// The error is one of reading or of the context; the outcome is empty then, and the candidates are those verified before. Whether something
// can be healed is told by the outcome, not by an error.
func Heal(ctx context.Context, src io.ReaderAt, size int64, opt HealOptions) (*Healing, error) {
	if err := misSized(src, size); err != nil {
		return nil, err
	}
	s := newSearch(ctx, src, size, opt)
	defer s.timed()()
	s.check = s.checkFile
	rep, err := s.verifyDamaged()
	if err != nil || s.h.Outcome != "" {
		return s.h, err
	}
	ends, err := s.ends(rep)
	if err == nil {
		err = s.run(ends, func(most float64) error { return s.footerFromReport(rep, most) })
	}
	if s.h.Outcome == HealNothingFound {
		s.h.Outcome = s.whyNot(rep)
	}
	return s.h, err
}

// HealDump looks for small damage of a DUMP payload: type, value, version and checksum, as [rdb.ParseDump] takes apart. The verifier is
// [rdb.Dump.Check]. Otherwise it is as [Heal].
func HealDump(ctx context.Context, payload []byte, opt HealOptions) (*Healing, error) {
	s := newSearch(ctx, bytes.NewReader(payload), int64(len(payload)), opt)
	defer s.timed()()
	s.check = s.checkDump
	onlySum := s.examineDump(payload)
	switch s.h.Outcome {
	case HealSound, HealDisabled:
		return s.h, nil
	case HealRightSum:
		s.blindDump(payload)
	}
	err := s.run([]int64{s.size}, func(most float64) error {
		if onlySum {
			s.footerDiffers(s.size, s.h.Stored, s.h.Computed, most)
		}
		return nil
	})
	return s.h, err
}

// run looks for damage with every one of the ends, and, through footer, for damage to the checksum alone: where that is plausible from
// the start, where it is not only if nothing else was found.
func (s *search) run(ends []int64, footer func(most float64) error) error {
	steps := []func() error{
		func() error { return s.over(ends, false) },
		func() error { return footer(plausibleOdds) },
		s.judge,
		func() error { return s.unlessVerified(func() error { return s.over(ends, true) }) },
		s.judge,
		func() error { return s.unlessVerified(func() error { return footer(1) }) },
		s.judge,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	s.conclude()
	return nil
}

// unlessVerified runs a step if no candidate passes the verifier yet.
func (s *search) unlessVerified(step func() error) error {
	if s.h.Verified() > 0 {
		return nil
	}
	return step()
}
