package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/repair"
)

// repairOutcome is what a repair came to.
type repairOutcome struct {
	path   string
	plan   *repair.Plan
	result *repair.Result
}

// status is the exit status.
func (o *repairOutcome) status() error {
	switch {
	case o.plan.Sound():
		return nil
	case o.result != nil:
		return status(exitRepaired)
	default:
		return status(exitDamaged)
	}
}

func (o *repairOutcome) tell(e *env, opt *repairOptions) error {
	if opt.json {
		if err := json.NewEncoder(e.stdout).Encode(o.document()); err != nil {
			return output(err)
		}
		return o.status()
	}
	if _, err := fmt.Fprint(e.stdout, safeLines(o.text(opt))); err != nil {
		return output(err)
	}
	return o.status()
}

// safeLines is safe for a text of several lines.
func safeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = safe(lines[i])
	}
	return strings.Join(lines, "\n")
}

func (o *repairOutcome) text(opt *repairOptions) string {
	var b strings.Builder
	p := o.plan
	if p.Sound() {
		fmt.Fprintf(&b, "%s: nothing to repair, %d keys\n", o.path, p.Report.Keys)
		return b.String()
	}
	fmt.Fprintf(&b, "%s: damaged at offset %d: %s\n", o.path, p.Fault.Offset, p.Fault.Message())
	fmt.Fprintln(&b, "  what could be done")
	for i := range p.Offers {
		offer := &p.Offers[i]
		mark := "  "
		if offer == p.Chosen {
			mark = "->"
		}
		if !offer.Possible {
			fmt.Fprintf(&b, "  %s %-9s not possible: %s\n", mark, offer.Strategy, offer.Reason)
			continue
		}
		fmt.Fprintf(&b, "  %s %-9s %d keys kept, %d known to be lost, %d bytes left out: %s\n", mark, offer.Strategy, offer.Keys, offer.Lost, offer.Bytes, offer.Reason)
	}
	o.lostText(&b)
	o.nextText(&b, opt)
	return b.String()
}

// mostNames is how many lost keys are named on the terminal.
const mostNames = 20

func (o *repairOutcome) lostText(b *strings.Builder) {
	if o.plan.Chosen == nil || o.plan.Chosen.Salvaged == nil {
		return
	}
	s := o.plan.Chosen.Salvaged
	if !s.ChecksumRight {
		fmt.Fprintln(b, "  no checksum vouches for what is kept: a wrong byte inside a plain string cannot be seen")
	}
	for _, d := range s.DBs {
		if d.Hinted {
			fmt.Fprintf(b, "  db %d: %d of %d keys\n", d.DB, d.Kept, d.Expected)
		}
	}
	for i, k := range s.Lost {
		if i == mostNames {
			fmt.Fprintf(b, "  and %d more\n", len(s.Lost)-mostNames)
			break
		}
		why := string(k.Code)
		if why == "" {
			why = string(k.Doubt)
		}
		if why == "" {
			why = "torn"
		}
		fmt.Fprintf(b, "  lost: db %d, key %q, at offset %d: %s\n", k.DB, k.Key, k.Offset, why)
	}
}

func (o *repairOutcome) nextText(b *strings.Builder, opt *repairOptions) {
	switch {
	case o.result != nil && o.result.Backup != "":
		fmt.Fprintf(b, "  repaired in place and verified, %d keys; the damaged file is %s\n", o.result.Report.Keys, o.result.Backup)
	case o.result != nil:
		fmt.Fprintf(b, "  repaired and verified: %s, %d keys\n", o.result.Path, o.result.Report.Keys)
	case o.plan.Chosen == nil:
		fmt.Fprintln(b, "  nothing can be done with these strategies; look for another copy")
	default:
		fmt.Fprintf(b, "  nothing was written; to go on:  kvfsck repair %s --out %s\n", shellQuote(o.path), shellQuote(o.path+".repaired"))
	}
}

// repairDocument is the outcome as JSON.
type repairDocument struct {
	Schema   string        `json:"schema"`
	Path     report.Bytes  `json:"path"`
	Verdict  string        `json:"verdict"` // clean, repaired, damaged
	Offset   *report.Int   `json:"offset"`
	Message  string        `json:"message,omitempty"`
	Chosen   *string       `json:"chosen"`
	Offers   []offerRow    `json:"strategies"`
	Output   *report.Bytes `json:"output"`
	Backup   *report.Bytes `json:"backup"`
	Regions  []regionRow   `json:"regions"`
	LostKeys []lostRow     `json:"lost_keys"`
}

type offerRow struct {
	Strategy string     `json:"strategy"`
	Possible bool       `json:"possible"`
	Reason   string     `json:"reason"`
	Keys     report.Int `json:"keys"`
	Lost     report.Int `json:"lost_keys"`
	Bytes    report.Int `json:"bytes_left_out"`
}

type regionRow struct {
	Start report.Int `json:"start"`
	End   report.Int `json:"end"`
	Kind  string     `json:"kind"`
}

type lostRow struct {
	DB     report.Uint  `json:"db"`
	Key    report.Bytes `json:"key"`
	Offset report.Int   `json:"offset"`
	Code   string       `json:"code"`
	Doubt  string       `json:"doubt"`
}

func (o *repairOutcome) document() *repairDocument {
	p := o.plan
	d := &repairDocument{Schema: report.Schema, Path: report.Bytes(o.path), Verdict: "clean", Offers: []offerRow{}, Regions: []regionRow{}, LostKeys: []lostRow{}}
	if p.Fault != nil {
		at := report.Int(p.Fault.Offset)
		d.Verdict, d.Offset, d.Message = "damaged", &at, p.Fault.Message()
	}
	for _, f := range p.Offers {
		d.Offers = append(d.Offers, offerRow{string(f.Strategy), f.Possible, f.Reason, report.Int(f.Keys), report.Int(f.Lost), report.Int(f.Bytes)})
	}
	if p.Chosen != nil {
		name := string(p.Chosen.Strategy)
		d.Chosen = &name
		if s := p.Chosen.Salvaged; s != nil {
			for _, r := range s.Regions {
				d.Regions = append(d.Regions, regionRow{report.Int(r.Start), report.Int(r.End), r.Kind.String()})
			}
			for _, k := range s.Lost {
				d.LostKeys = append(d.LostKeys, lostRow{report.Uint(k.DB), report.Bytes(k.Key), report.Int(k.Offset), string(k.Code), string(k.Doubt)})
			}
		}
	}
	if o.result != nil {
		out := report.Bytes(o.result.Path)
		d.Verdict, d.Output = "repaired", &out
		if o.result.Backup != "" {
			backup := report.Bytes(o.result.Backup)
			d.Backup = &backup
		}
	}
	return d
}
