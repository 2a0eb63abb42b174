package repair

import (
	"bytes"
	"context"
	"io"
	"slices"
)

// # Something in front of the header
//
// What a replica was sent, an archive, or the output of a program has bytes in front of the header which are no records, and mostly others behind the end:
//
//	$EOF:8c1f...\r\n | REDIS0011 | records | 0xFF checksum | 8c1f...
//
// To a salvage a header in the middle is that of another file or of a dump in a value, and without the first one it can but guess what stands in front of it. So where it finds no
// record there, it is done once more for what begins at the header, and that is taken unless fewer keys come out of it.

// leadMost is how far a header is looked for.
const leadMost = 1 << 20

// salvageBehindLead salvages what stands behind bytes that are no records, where out is what was made of the file with them. It is nil if there are none, or that is worse.
func salvageBehindLead(ctx context.Context, src io.ReaderAt, size int64, opt SalvageOptions, out *Salvaged) (*Salvaged, error) {
	lead, err := findLead(src, size)
	if lead == 0 || err != nil || slices.ContainsFunc(out.Regions, func(r Region) bool { return r.Start < lead && r.Kind == RegionIntact }) {
		return nil, err
	}
	opt.checked = nil
	if progress := opt.Progress; progress != nil {
		opt.Progress = func(at int64) { progress(lead + at) }
	}
	s, err := salvageFrom(ctx, io.NewSectionReader(src, lead, size-lead), size-lead, opt)
	if err != nil || s.Keys < out.Keys || s.Keys == 0 && !s.Complete {
		return nil, err
	}
	s.shift(src, lead)
	return s, nil
}

// findLead returns where a header with a field, or what else may follow one, is if the file does not begin with it; 0 if there is none.
func findLead(src io.ReaderAt, size int64) (int64, error) {
	b := make([]byte, min(size, headerSize+1))
	if _, err := src.ReadAt(b, 0); err != nil && err != io.EOF {
		return 0, err
	}
	if magicAt(b) {
		return 0, nil
	}
	b = make([]byte, min(size, leadMost))
	if _, err := src.ReadAt(b, 0); err != nil && err != io.EOF {
		return 0, err
	}
	for at := 1; at+headerSize < len(b); at++ {
		k := bytes.IndexAny(b[at:], "RV")
		if k < 0 {
			break
		}
		at += k
		if _, _, ok := headerOf(b[at:]); ok && at+headerSize < len(b) && slices.Contains(behindHeader, b[at+headerSize]) {
			return int64(at), nil
		}
	}
	return 0, nil
}

// behindHeader is what may stand behind a header.
var behindHeader = []byte{opAux, opSelectDB, opModuleAux, opFunction, opEOF}

// shift makes offsets those of src, of which lead bytes stand in front of the header.
func (o *Salvaged) shift(src io.ReaderAt, lead int64) {
	o.src, o.lead = src, lead
	o.Size += lead
	o.ForeignBytes += lead
	for i := range o.Regions {
		o.Regions[i].Start += lead
		o.Regions[i].End += lead
	}
	o.Regions = slices.Insert(o.Regions, 0, Region{Start: 0, End: lead, Kind: RegionForeign})
	for i := range o.Lost {
		o.Lost[i].Offset += lead
	}
	for i := range o.Duplicates {
		o.Duplicates[i].Offset += lead
		o.Duplicates[i].Kept += lead
	}
	for i := range o.LibrariesLost {
		o.LibrariesLost[i].Offset += lead
	}
}

// source is what the account was made of: its offsets are those of the records' spans.
func (o *Salvaged) source() io.ReaderAt {
	if o.lead == 0 {
		return o.src
	}
	return io.NewSectionReader(o.src, o.lead, o.Size-o.lead)
}
