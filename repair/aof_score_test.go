package repair

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kvfsck/kvfsck/aof"
)

// aofScore counts what salvage made of damaged files.
//
// Of the commands that stood in the sound file, those count as untouched of which all bytes are there, next to each other; of a
// transaction only if all of it is.
//
// Those that are left out are bound if what is left of the file puts them into a transaction one end of which is gone, or never was: see
// halfOpen.
//
// Of the commands that come out, these are not from the sound file, from good to bad:
//
//	unseen    changed in the content of an argument, or made of the pieces of several; but the damaged file has them, between other
//	          records, with framing that is right. Nothing shows the damage, and a server reads them, too
//	wrong     the same, but the damage shows: no record follows; or they were healed to what was not there
//	adrift    they begin where no record began, inside an argument; but of that neither the beginning nor the end is left beside them,
//	          so that the same bytes may have been left of a log: see TestNestedAdrift
//	invented  the same, and it could be known
type aofScore struct {
	files, untouched, recovered int
	healed, unseen, bound       int
	wrong, invented, adrift     int
	blocked                     int
	examples, losses            []string
}

func (x *aofScore) example(format string, args ...any) {
	if len(x.examples) < 12 {
		x.examples = append(x.examples, fmt.Sprintf(format, args...))
	}
}

func (x *aofScore) lost(format string, args ...any) {
	if len(x.losses) < 12 {
		x.losses = append(x.losses, fmt.Sprintf(format, args...))
	}
}

// soundAOF is what is known of a sound log.
type soundAOF struct {
	b     []byte
	at    map[int32]aof.Command // by offset
	order []aof.Command
	texts map[string]bool
}

func soundLog(t testing.TB, b []byte) *soundAOF {
	t.Helper()
	s := &soundAOF{b: b, at: map[int32]aof.Command{}, texts: map[string]bool{}}
	r := aof.NewReader(bytes.NewReader(b))
	for r.Next() {
		if c, ok := r.Record().(*aof.Command); ok {
			one := *c
			one.Args = nil
			one.InMulti = c.InMulti || c.Special == aof.Multi || c.Special == aof.Exec
			s.at[int32(c.Offset)] = one
			s.order = append(s.order, one)
			s.texts[string(b[c.Offset:c.End()])] = true
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return s
}

// place is where a command is in the damaged file, -1 if it is not there whole.
func (s *soundAOF) place(c aof.Command, where map[int32]int, d *tracked) int {
	first, ok := where[int32(c.Offset)]
	if !ok || first+int(c.Size) > len(d.from) {
		return -1
	}
	for k := range int(c.Size) {
		if d.from[first+k] != int32(c.Offset)+int32(k) {
			return -1
		}
	}
	return first
}

// add salvages a damaged file and compares with the sound one.
func (x *aofScore) add(t testing.TB, label string, sound *soundAOF, d *tracked) {
	t.Helper()
	s, out := salvageBytes(t, d.b, AOFOptions{})
	acceptAOF(t, s, out)
	x.compare(label, sound, d, s)
}

func (x *aofScore) compare(label string, sound *soundAOF, d *tracked, s *SalvagedAOF) {
	x.files++
	x.healed += int(s.Healed)
	kept := make([]bool, len(d.b)+1)
	for i := range s.Regions {
		if r := &s.Regions[i]; r.Kind.Kept() {
			for k := r.Start; k < r.End; k++ {
				kept[k] = true
			}
		}
	}
	x.recall(label, sound, d, kept)
	for i := range s.Regions {
		r := &s.Regions[i]
		switch r.Kind {
		case AOFIntact:
			x.intact(label, sound, d, r)
		case AOFHealed:
			x.corrected(label, sound, d, r, s.text)
		}
	}
}

// recall counts what of the untouched is kept, one transaction after the other.
func (x *aofScore) recall(label string, sound *soundAOF, d *tracked, kept []bool) {
	where := map[int32]int{}
	for i, f := range d.from {
		if _, ok := where[f]; !ok || kept[i] {
			where[f] = i
		}
	}
	for i := 0; i < len(sound.order); {
		n := 1
		if sound.order[i].Special == aof.Multi {
			for n < len(sound.order)-i && sound.order[i+n-1].Special != aof.Exec {
				n++
			}
		}
		whole, saved, some := true, 0, 0
		last := int64(-1)
		for _, c := range sound.order[i : i+n] {
			p := sound.place(c, where, d)
			if whole = whole && p >= 0 && (last < 0 || int64(p) >= last); p < 0 {
				continue
			}
			if last >= 0 && int64(p) > last { // something stands between
				whole = false
			}
			last = int64(p) + c.Size
			some++
			if kept[p] && kept[last-1] {
				saved++
			}
		}
		if whole {
			x.untouched += n
			x.recovered += saved
			switch {
			case saved == n:
			case n == 1 && halfOpen(d.b, where[int32(sound.order[i].Offset)]):
				x.untouched--
				x.bound++
			default:
				x.lost("%s: lost at %d: %.60q", label, where[int32(sound.order[i].Offset)], sound.b[sound.order[i].Offset:sound.order[i].End()])
			}
		}
		i += n
	}
}

// halfOpen reports whether the command at index at of a damaged file stands in a transaction with one end: behind a MULTI that no EXEC
// follows, or in front of an EXEC with no MULTI, with nothing but records between. That the command was in none when it was written,
// because a MULTI was put in or an EXEC taken out, nothing shows.
func halfOpen(b []byte, at int) bool {
	const multi, exec = "*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n"
	// until goes from record to record up to one that is at to or begins with mark, and not past one that begins with bar.
	until := func(from, to int, mark, bar string) bool {
		for from < len(b) {
			switch text := b[from:]; {
			case from == to, mark != "" && bytes.HasPrefix(text, []byte(mark)):
				return true
			case bytes.HasPrefix(text, []byte(bar)):
				return false
			default:
				next := from + bytes.IndexByte(text, '\n') + 1
				if text[0] != '#' {
					_, next = strictCommand(b, from)
				}
				if next <= from {
					return false
				}
				from = next
			}
		}
		return false
	}
	open := bytes.LastIndex(b[:at], []byte(multi))
	begun := open >= 0 && until(open+len(multi), at, "", exec)
	return begun != until(at, -1, exec, multi)
}

// strictCommand reads one command in the form in which servers write it, and returns its end, 0 if there is none.
func strictCommand(b []byte, at int) (lengths []int, end int) {
	line := func(sigil byte) (v int, ok bool) {
		n := bytes.Index(b[at:], []byte("\r\n"))
		if n < 2 || b[at] != sigil {
			return 0, false
		}
		v, err := strconv.Atoi(string(b[at+1 : at+n]))
		at += n + 2
		return v, err == nil
	}
	argc, ok := line('*')
	for ; ok && argc > 0; argc-- {
		var n int
		if at >= len(b) {
			return nil, 0
		}
		if n, ok = line('$'); ok {
			lengths = append(lengths, n)
			at += n + 2
			ok = at <= len(b)
		}
	}
	if !ok {
		return nil, 0
	}
	return lengths, at
}

// intact judges the commands of an intact region.
func (x *aofScore) intact(label string, sound *soundAOF, d *tracked, r *AOFRegion) {
	for at := int(r.Start); at < int(r.End); {
		if d.b[at] == '#' {
			n := bytes.IndexByte(d.b[at:], '\n') + 1
			if at += n; n == 0 {
				return
			}
			continue
		}
		lengths, end := strictCommand(d.b, at)
		if end <= at { // not as servers write it; but in the middle of an intact region, and so one of the sound file
			return
		}
		if text := d.b[at:end]; !sound.texts[string(text)] {
			next := end == len(d.b) || d.b[end] == '#' || d.b[end] == '*' && logFollows(d.b, end)
			x.strange(label, sound, d, lengths, at, end, next)
		}
		at = end
	}
}

func logFollows(b []byte, at int) bool { _, end := strictCommand(b, at); return end > 0 }

// strange judges a command that was not there so. next says whether a record follows.
func (x *aofScore) strange(label string, sound *soundAOF, d *tracked, lengths []int, at, end int, next bool) {
	text, from := d.b[at:end], d.from[at:end]
	start := int32(-1)
	for i, f := range from {
		if f >= 0 {
			start = f - int32(i)
			break
		}
	}
	first, began := sound.at[start]
	shifted := false
	for i, f := range from {
		shifted = shifted || f >= 0 && f != start+int32(i)
	}
	was, _ := strictCommand(sound.b, int(first.Offset))
	switch {
	case start < 0 && from[len(from)-1] < 0, began && !shifted && slices.Equal(was, lengths), began && next:
		x.unseen++
	case began:
		x.wrong++
		x.example("%s: wrong: %.300q", label, text)
	case sound.adrift(d, at):
		x.adrift++
	default:
		x.invented++
		x.example("%s: invented: %.300q", label, text)
	}
}

// adrift reports whether what stands at index at of the damaged file is from inside an argument, and what is left beside it, as it stood
// there, reaches neither the line in front of the argument nor its end, if that can be told from the end of a command.
func (s *soundAOF) adrift(d *tracked, at int) bool {
	low, high := at, at
	for low > 0 && d.from[low-1] == d.from[low]-1 {
		low--
	}
	for high+1 < len(d.from) && d.from[high+1] == d.from[high]+1 {
		high++
	}
	for _, c := range s.order {
		if f := int64(d.from[at]); c.Offset <= f && f < c.End() {
			lengths, _ := strictCommand(s.b, int(c.Offset))
			header := c.End() - 2 - int64(lengths[len(lengths)-1]) - 3
			marked := bytes.HasSuffix(s.b[:c.End()], []byte("\r\n\r\n")) // a value that ends with a line shows its end
			return int64(d.from[low]) > header && !(marked && int64(d.from[high]) >= c.End()-1)
		}
	}
	return d.from[at] < 0
}

// corrected judges a command that was healed.
func (x *aofScore) corrected(label string, sound *soundAOF, d *tracked, r *AOFRegion, text *textLog) {
	var b bytes.Buffer
	if text != nil && r.Edits == nil { // all of its commands
		from, _ := text.restoredAt(r.Start)
		to, _ := text.restoredAt(r.End)
		(&aofOutput{w: &b, src: text}).copy(from, to)
		for rest := b.Bytes(); len(rest) > 0; {
			end := bytes.IndexByte(rest, '\n') + 1
			if rest[0] != '#' {
				if _, end = strictCommand(rest, 0); end == 0 || !sound.texts[string(rest[:end])] {
					x.wrong++
					x.example("%s: healed to what was not there: %.200q", label, rest)
				}
			}
			rest = rest[max(end, 1):]
		}
		return
	}
	(&aofOutput{w: &b, src: bytes.NewReader(d.b)}).edited(r.Start, r.End, r.Edits)
	if sound.texts[b.String()] {
		return
	}
	lengths, _ := strictCommand(b.Bytes(), 0)
	if sound.nearly(b.Bytes(), lengths) {
		x.unseen++
		return
	}
	for i := r.Start; i < r.End; i++ {
		if f := d.from[i]; f >= 0 {
			if c, ok := sound.at[f-int32(i-r.Start)]; ok {
				if was, _ := strictCommand(sound.b, int(c.Offset)); slices.Equal(was, lengths) {
					x.unseen++ // its content is changed, besides
					return
				}
			}
			break
		}
	}
	x.wrong++
	x.example("%s: healed to what was not there: %.200q from %.200q", label, b.Bytes(), d.b[r.Start:r.End])
}

// nearly reports whether a command with other damage was in the sound file: with the same framing, and all but a few of its bytes.
func (s *soundAOF) nearly(b []byte, lengths []int) bool {
	for _, c := range s.order {
		was := s.b[c.Offset:c.End()]
		if len(was) != len(b) {
			continue
		}
		differ := 0
		for i, x := range was {
			if x != b[i] {
				differ++
			}
		}
		if l, _ := strictCommand(was, 0); 16*differ <= len(b) && slices.Equal(l, lengths) {
			return true
		}
	}
	return false
}

// leastAOF is the share of untouched commands that is asked for, of every kind of damage.
const leastAOF = 0.999

// reportAOF prints the table, and demands what is asked.
func reportAOF(t *testing.T, by map[string]*aofScore) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-20s %6s %9s %9s %9s %6s %7s %7s %7s %6s %9s\n", "damage", "files", "untouched", "recovered", "%", "bound", "healed", "unseen", "adrift", "wrong", "invented")
	for _, kind := range slices.Sorted(maps.Keys(by)) {
		x := by[kind]
		share := 100 * float64(x.recovered) / float64(max(x.untouched, 1))
		fmt.Fprintf(&b, "%-20s %6d %9d %9d %9.4f %6d %7d %7d %7d %6d %9d\n", kind, x.files, x.untouched, x.recovered, share, x.bound, x.healed, x.unseen, x.adrift, x.wrong, x.invented)
		if x.blocked > 0 {
			fmt.Fprintf(&b, "%-20s %6d sets cannot be told from others\n", "", x.blocked)
		}
	}
	t.Log(b.String())
	for kind, x := range by {
		least := leastAOF
		if x.untouched < 40000 { // what stands between two gaps is more than a thousandth of it
			least -= 0.02
		}
		bad := float64(x.recovered) < least*float64(x.untouched) || x.wrong+x.invented > 0
		if bad {
			t.Errorf("%s: asked are %g, and none that were never in the file", kind, least)
		}
		if bad || testing.Verbose() {
			for _, e := range append(x.losses, x.examples...) {
				t.Logf("%s: %s", kind, e)
			}
		}
	}
}
