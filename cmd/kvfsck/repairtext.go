package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/kvfsck/kvfsck/aof"
	"github.com/kvfsck/kvfsck/internal/input"
	"github.com/kvfsck/kvfsck/rdb"
	"github.com/kvfsck/kvfsck/repair"
)

// tell prints what a run came to.
func (r *repairing) tell(e *env) error {
	if r.opt.json {
		if err := r.document().write(e.stdout); err != nil {
			return output(err)
		}
		return r.status()
	}
	var b strings.Builder
	for _, p := range r.parts {
		t := repairText{w: &b, part: p, opt: r.opt, path: r.path, run: r}
		t.print()
	}
	if _, err := fmt.Fprint(e.stdout, safeLines(b.String())); err != nil {
		return output(err)
	}
	return r.status()
}

// tellOfFailure tells what was done, and what could be, when an error has ended the run; the error itself is told by who gets it.
func (r *repairing) tellOfFailure(e *env, failure error) error {
	if r.opt.json {
		d := r.document()
		d.Error = failure.Error()
		return output(d.write(e.stdout))
	}
	var b strings.Builder
	for _, p := range r.parts {
		if p.output != "" {
			t := repairText{w: &b, part: p, opt: r.opt, path: r.path, run: r}
			t.print()
		}
	}
	_, err := fmt.Fprint(e.stdout, safeLines(b.String()))
	return output(err)
}

// mostNames is how many lost keys, regions or findings are named on the terminal.
const mostNames = 20

// repairText prints what became of a part, for people.
type repairText struct {
	w    *strings.Builder
	part *repairPart
	opt  *repairOptions
	path string // that the run was given
	run  *repairing
}

func (t *repairText) line(format string, args ...any) { fmt.Fprintf(t.w, format+"\n", args...) }

func (t *repairText) print() {
	if t.part.log != nil {
		t.log()
	} else {
		t.snapshot()
	}
	if !t.part.sound() {
		t.next()
	}
}

func (t *repairText) snapshot() {
	p := t.part.rdb
	if p.Sound() {
		t.line("%s: nothing to repair, %s", t.part.path, count(p.Report.Keys, "key"))
		return
	}
	t.line("%s: damaged at offset %d: %s", t.part.path, p.Fault.Offset, p.Fault.Message())
	t.line("  what could be done")
	for i := range p.Offers {
		o := &p.Offers[i]
		t.offer(o == p.Chosen, o.Strategy, o.Possible, o.Reason,
			fmt.Sprintf("%d keys kept, %d known to be lost, %d bytes left out", o.Keys, o.Lost, o.Bytes))
		if o.Healing != nil && !o.Possible && o.Databases == 0 {
			t.candidates(o.Healing)
		}
		t.search(o.Healing)
	}
	if p.Chosen == nil {
		return
	}
	if s := p.Chosen.Salvaged; s != nil {
		t.lost(s)
	}
	if c := p.Chosen.Healed; c != nil {
		t.healed(c, p.Size)
	}
}

// candidates lists the changes among which --candidate takes one.
func (t *repairText) candidates(h *repair.Healing) {
	for i := range h.Verified() {
		if i == mostNames {
			t.line("       and %d more", h.Verified()-mostNames)
			break
		}
		c := &h.Candidates[i]
		t.line("       --candidate %d: %v at offset %d, odds of a coincidence %.1g", i+1, c.Kind, c.Offset(), c.Odds)
	}
}

// longSearch is from when on a search for what heals is worth a line.
const longSearch = time.Second

// search says what a long search for what heals took, and what it left out for taking longer still.
func (t *repairText) search(h *repair.Healing) {
	if h == nil || h.Elapsed < longSearch {
		return
	}
	var not []string
	for _, k := range h.Tried {
		if k.Skipped != "" {
			not = append(not, k.Kind.String())
		}
	}
	if len(not) == 0 {
		t.line("       the search took %.1f s", h.Elapsed.Seconds())
		return
	}
	t.line("       the search took %.1f s; not looked for everywhere: %s; --json says why", h.Elapsed.Seconds(), strings.Join(not, ", "))
}

// healed prints what was changed of a snapshot of that size.
func (t *repairText) healed(c *repair.Candidate, size int64) {
	if c.Whole() {
		t.line("  undone up to offset %d: %s: %s taken out, %s put in", c.End, c.Kind.Meaning(), count(c.Removed(), "byte"), count(max(0, c.Size-c.End), "byte"))
	}
	for i, e := range c.Edits {
		if i == mostNames {
			t.line("  and %d more", len(c.Edits)-mostNames)
			break
		}
		t.edit(e)
	}
	if c.End < size {
		t.line("  left out at offset %d: %s behind the end", c.End, count(size-c.End, "byte"))
	}
}

func (t *repairText) edit(e repair.Edit) {
	switch {
	case e.Remove == 0:
		t.line("  put in at offset %d: %q", e.Offset, e.Insert)
	case len(e.Insert) == 0:
		t.line("  taken out at offset %d: %s", e.Offset, count(e.Remove, "byte"))
	default:
		t.line("  corrected at offset %d: %s, now %q", e.Offset, count(e.Remove, "byte"), e.Insert)
	}
}

func (t *repairText) offer(chosen bool, s repair.Strategy, possible bool, reason, account string) {
	mark := "  "
	if chosen {
		mark = "->"
	}
	if !possible {
		t.line("  %s %-9s not possible: %s", mark, s, reason)
		return
	}
	t.line("  %s %-9s %s: %s", mark, s, account, reason)
}

// lost names what a salvaged snapshot lacks.
func (t *repairText) lost(s *repair.Salvaged) {
	if !s.ChecksumRight {
		t.line("  no checksum vouches for what is kept: a wrong byte inside a plain string cannot be seen")
	}
	for _, d := range s.DBs {
		if d.Hinted {
			t.line("  db %d: %d of %d keys", d.DB, d.Kept, d.Expected)
		}
		if d.Guessed > 0 {
			t.line("  db %d: of %s it is not certain that they belong there", d.DB, count(d.Guessed, "key"))
		}
	}
	t.duplicates(s)
	t.libraries(s)
	if s.ForeignBytes > 0 {
		t.line("  left out: %s of something else, in front of the header, behind the end or inside what is lost", count(s.ForeignBytes, "byte"))
	}
	for i, k := range s.Lost {
		if i == mostNames {
			t.line("  and %d more", len(s.Lost)-mostNames)
			break
		}
		if k.Kept > 0 {
			t.line("  kept in part: db %d, key %q, at offset %d: the first %s: %s", k.DB, k.Key, k.Offset, count(k.Kept, "element"), whyLost(&k))
			continue
		}
		t.line("  lost: db %d, key %q, at offset %d: %s", k.DB, k.Key, k.Offset, whyLost(&k))
	}
}

// doubts say why a key that can be read is not trusted.
var doubts = map[repair.Doubt]string{
	repair.DoubtEnd:       "nothing shows that its value ends where it seems to",
	repair.DoubtBeginning: "nothing shows that it begins where it seems to",
	repair.DoubtExpiry:    "its expiry is lost, or may be",
	repair.DoubtSlot:      "it is not of the cluster slot announced",
	repair.DoubtForm:      "no server of the version writes such a record",
}

// whyLost says why a key is not kept.
func whyLost(k *repair.LostKey) string {
	switch {
	case k.Code != "":
		return k.Code.Meaning()
	case k.Doubt != "":
		return doubts[k.Doubt]
	default:
		return "it is torn"
	}
}

func (t *repairText) log() {
	p := t.part.log
	if p.Sound() {
		t.line("%s: nothing to repair, %s", t.part.path, logSize(p))
		return
	}
	t.line("%s: %s", t.part.path, t.logFault())
	shown := 0
	for i := range p.Found.Findings {
		if f := &p.Found.Findings[i]; f.Severity() == rdb.Error && shown < mostNames {
			t.line("  %s", f)
			shown++
		}
	}
	t.choices()
	t.line("  what could be done")
	for i := range p.Offers {
		o := &p.Offers[i]
		account := fmt.Sprintf("%d commands kept, %d known to be lost, %d bytes left out", o.Commands, o.Lost, o.Bytes)
		if o.Healed > 0 {
			account = fmt.Sprintf("%d commands kept (%d corrected), %d known to be lost, %d bytes left out", o.Commands, o.Healed, o.Lost, o.Bytes)
		}
		t.offer(o == p.Chosen, o.Strategy, o.Possible, o.Reason, account)
	}
	if p.Chosen != nil {
		t.regions(p.Chosen.Result)
	}
}

func (t *repairText) logFault() string {
	if t.part.log.Salvaged.Blocked != "" {
		return "damaged, and a decision is needed: " + t.part.log.Salvaged.Blocked
	}
	for i := range t.part.log.Found.Findings {
		if t.part.log.Found.Findings[i].Severity() == rdb.Error {
			return "damaged"
		}
	}
	if t.opt.at != 0 {
		return "to be cut at " + t.opt.until
	}
	return "damaged"
}

func logSize(p *repair.LogPlan) string {
	commands := int64(0)
	for i := range p.Found.Files {
		commands += p.Found.Files[i].Commands
	}
	return count(commands, "command")
}

// choices lists the answers among which --choice takes one.
func (t *repairText) choices() {
	s := t.part.log.Salvaged
	if s.Blocked == "" {
		return
	}
	for i, c := range s.Choices {
		base := "no base"
		if c.Base != "" {
			base = c.Base
		}
		t.line("  --choice %d: %s (%s)", i+1, strings.Join(append([]string{base}, c.Incrs...), ", "), c.Why)
	}
}

// regions names what of a log is left out, corrected or uncertain.
func (t *repairText) regions(s *repair.SalvagedSet) {
	for _, n := range s.Notes {
		t.line("  %s", n)
	}
	if n := len(s.Aside); n > 0 && s.ManifestName != "" {
		t.line("  not of the set, as its manifest does not list %s: %s", map[bool]string{true: "it", false: "them"}[n == 1], strings.Join(s.Aside, ", "))
	}
	shown, more := 0, 0
	for i := range s.Files {
		f := &s.Files[i]
		for k := range f.Regions {
			r := &f.Regions[k]
			if r.Kind.Kept() && r.Kind != repair.AOFHealed && r.Select < 0 {
				continue
			}
			if shown++; shown > mostNames {
				more++
				continue
			}
			t.line("  %s %s", f.Name, r)
			if r.Kind == repair.AOFPreambleBad {
				t.preamble(f)
			}
			if r.Select >= 0 {
				t.line("    a SELECT %d is put in before", r.Select)
			}
		}
		if f.Uncertain > 0 {
			t.line("  %s: of %s the database is not certain", f.Name, count(f.Uncertain, "command"))
		}
	}
	if more > 0 {
		t.line("  and %d more", more)
	}
}

// preamble says what became of a damaged RDB part.
func (t *repairText) preamble(f *repair.SalvagedFile) {
	defer t.search(f.RDBHealing)
	switch {
	case f.RDBHealed != nil:
		t.line("    healed: %v, proven by its checksum, odds of a coincidence %.1g", f.RDBHealed.Kind, f.RDBHealed.Odds)
		t.healed(f.RDBHealed, f.Preamble)
	case f.RDB != nil:
		t.line("    salvaged: %s kept, %d known to be lost", count(f.RDB.Keys, "key"), f.RDB.DamagedKeys+f.RDB.DoubtfulKeys)
		t.lost(f.RDB)
	}
}

// next says what was written, or what to do.
func (t *repairText) next() {
	p := t.part
	switch {
	case p.spent():
		t.line("  nothing of it is left, and %s. With appendonly yes a server loads the log and does not look at it; with appendonly no, look for another copy", t.leftBehind())
	case p.output != "" && p.backup != "":
		t.line("  repaired in place and verified, %s; what was damaged is %s", p.holds(), p.backup)
		if p.unremoved != nil {
			t.line("  files that it does not need any more could not be removed: %v", p.unremoved)
		}
	case p.output != "":
		t.line("  repaired and verified: %s, %s", p.output, p.holds())
	case p.log != nil && p.log.Salvaged.Blocked != "" && t.decision() == "":
		t.line("  nothing was written: %s", p.log.Salvaged.Blocked)
	case p.log != nil && p.log.Salvaged.Blocked != "":
		t.line("  nothing was written; decide, and go on:  kvfsck repair %s --out %s %s%s", shellQuote(t.path), shellQuote(t.suggested()), t.decision(), t.opt.given())
	case p.databases() > 0:
		t.line("  nothing was written; decide, and go on:  kvfsck repair %s --out %s --databases %d%s", shellQuote(t.path), shellQuote(t.suggested()), p.databases(), t.opt.given("databases"))
		if p.noMoreHelps() {
			t.line("  if it has not more than %d, say so:  --databases %d", t.opt.databases, t.opt.databases)
		}
	case !p.possible():
		t.line("  nothing can be done with these strategies; look for another copy")
	case t.run.hopeless() != nil:
		alone := p.path
		if p.log != nil {
			alone = t.run.logPath()
		}
		t.line("  nothing was written, as nothing can be done about %s; this one alone:  kvfsck repair %s --out DST%s", t.run.hopeless().path, shellQuote(alone), t.opt.given())
	default:
		t.line("  nothing was written; to go on:  kvfsck repair %s --out %s%s", shellQuote(t.path), shellQuote(t.suggested()), t.opt.given())
	}
}

// leftBehind says where a snapshot of which nothing is left stays.
func (t *repairText) leftBehind() string {
	switch out := t.run.logOutput(); {
	case t.opt.inPlace:
		return "it stays as it is"
	case t.run.hopeless() != nil:
		return "nothing was written"
	case out == "":
		return fmt.Sprintf("nothing was written; the log alone:  kvfsck repair %s --out %s%s", shellQuote(t.path), shellQuote(t.suggested()), t.opt.given())
	default:
		return fmt.Sprintf("%s has the log without it", out)
	}
}

// decision is the flag that decides what is to be decided, nothing if none does.
func (t *repairText) decision() string {
	s := t.part.log.Salvaged
	switch {
	case len(s.Choices) > 0:
		return "--choice 1"
	case s.Skippable:
		return "--skip-missing"
	}
	return ""
}

// suggested is a name for the output: the one that was given, if any.
func (t *repairText) suggested() string {
	if t.opt.out != "" {
		return t.opt.out
	}
	if t.path == input.Stdin {
		return "repaired"
	}
	return strings.TrimSuffix(strings.TrimRight(t.path, `/\`), ".manifest") + ".repaired"
}

// holds says what the repaired part has.
func (p *repairPart) holds() string {
	if p.log == nil {
		return count(p.rdb.Keys(), "key")
	}
	o := p.log.Chosen
	text := count(o.Commands, "command")
	if keys := baseKeys(p.log.Found); keys > 0 {
		text += " behind a snapshot"
	}
	return text
}

func baseKeys(rep *aof.Report) (n int64) {
	for i := range rep.Files {
		if r := rep.Files[i].RDB; r != nil {
			n += r.Keys
		}
	}
	return n
}
