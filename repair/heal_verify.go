package repair

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"

	"github.com/kvfsck/kvfsck/rdb"
)

// contentSeed is that of the fingerprints by which healed files are told apart, whose CRC is the same by construction.
var contentSeed = maphash.MakeSeed()

// checkFile is search.check for files.
func (s *search) checkFile(c *Candidate) error {
	var sum maphash.Hash
	sum.SetSeed(contentSeed)
	rep, err := rdb.Verify(s.ctx, io.TeeReader(c.Open(s.src), &sum), rdb.VerifyOptions{})
	c.Report, c.sum = rep, sum.Sum64()
	if err != nil {
		return err
	}
	if !rep.Complete || !rep.EOF.HasChecksum || rep.EOF.Stored == 0 || !rep.EOF.Valid() || rep.Trailing > 0 {
		return &rdb.FormatError{Code: rdb.CodeChecksum, Offset: rep.Size, Record: rep.Size, Phase: rdb.PhaseChecksum, Family: rep.Family, Detail: "the end mark stands elsewhere"}
	}
	return nil
}

// checkDump is search.check for DUMP payloads.
func (s *search) checkDump(c *Candidate) error {
	payload, err := io.ReadAll(c.Open(s.src))
	if err != nil {
		return err
	}
	c.sum = maphash.Bytes(contentSeed, payload)
	d, err := rdb.ParseDump(payload)
	if err == nil {
		err = d.Check()
	}
	return err
}

// examineDump says whether there is nothing to look for in a payload, and whether only its checksum is wrong. Of other faults it tells only
// where nothing is looked for: the version, by which the value is read, stands at the end and may itself be damaged, so that a fault does not
// say that the damage is before it.
func (s *search) examineDump(payload []byte) (onlySum bool) {
	d, err := rdb.ParseDump(payload)
	if err != nil {
		return false
	}
	err = d.Check()
	var fe *rdb.FormatError
	errors.As(err, &fe)
	switch {
	case err == nil && d.Stored == d.Computed:
		s.h.Outcome = HealSound
	case d.Stored == d.Computed:
		s.h.Outcome, s.h.Fault = HealRightSum, fe
	case d.Stored == 0:
		s.h.Outcome, s.h.Fault = HealDisabled, fe
	default:
		return fe != nil && fe.Code == rdb.CodeChecksum
	}
	s.h.Stored, s.h.Computed = d.Stored, d.Computed
	return false
}

// verifyDamaged runs the verifier on the damaged file and notes its first fault, or that there is nothing to look for. It goes on behind
// faults where it can, to see where the end mark is.
func (s *search) verifyDamaged() (*rdb.Report, error) {
	s.meter.expect(s.size)
	rep, err := rdb.Verify(s.ctx, io.NewSectionReader(s.src, 0, s.size), rdb.VerifyOptions{KeepGoing: true})
	s.meter.did(s.size)
	var fe *rdb.FormatError
	if err != nil && !errors.As(err, &fe) {
		return rep, err
	}
	for _, e := range rep.Faults {
		harmless := e.Server() == rdb.Accepts && e.Checker() != rdb.Refuses
		if !harmless && e.Code != rdb.CodeChecksum && (s.h.Fault == nil || e.Offset < s.h.Fault.Offset) {
			s.h.Fault = e
		}
	}
	if eof := &rep.EOF; rep.Complete && eof.HasChecksum {
		s.h.End, s.h.Stored, s.h.Computed = eof.End(), eof.Stored, eof.Computed
	}
	switch whole := rep.Complete && rep.Trailing == 0; {
	case err == nil && rep.Complete && rep.EOF.HasChecksum && rep.EOF.Stored != 0:
		s.h.Outcome = HealSound
	case whole && !rep.EOF.HasChecksum:
		s.h.Outcome = HealOldVersion
	case whole && rep.EOF.Stored == 0:
		s.h.Outcome = HealDisabled
	}
	return rep, nil
}

// whyNot tells why nothing was found, from how the verifier ended.
func (s *search) whyNot(rep *rdb.Report) HealOutcome {
	var magic [8]byte
	n, _ := s.src.ReadAt(magic[:min(int64(len(magic)), s.size)], 0)
	known := bytes.HasPrefix(magic[:n], []byte("REDIS")) || bytes.HasPrefix(magic[:n], []byte("VALKEY"))
	fault := s.h.Fault
	switch {
	case !known:
		return HealNotRDB
	case rep.Version > 0 && rep.Version < firstWithChecksum:
		return HealOldVersion
	case fault != nil && fault.Code == rdb.CodeTruncated:
		return HealCutShort
	default:
		return HealNothingFound
	}
}

// firstWithChecksum is the first version of the format that has a checksum.
const firstWithChecksum = 5
