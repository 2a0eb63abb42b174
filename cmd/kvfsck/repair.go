package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kvfsck/kvfsck/internal/report"
	"github.com/kvfsck/kvfsck/repair"
)

// exitRepaired is the status of a repair that was needed and done.
const exitRepaired = 1

// repairOptions are the flags of repair.
type repairOptions struct {
	out        string
	inPlace    bool
	dryRun     bool
	json       bool
	strategies []string
	lostDB     int64
	databases  uint64
	quarantine string
}

func newRepair(e *env) *cobra.Command {
	var opt repairOptions
	cmd := &cobra.Command{
		Use:   "repair PATH (--out DST | --in-place | --dry-run)",
		Short: "Repair a damaged snapshot: heal it, or save what is still there",
		Long: `Repair looks at a damaged RDB, says what could be done about it, writes the repaired file, reads it again with the deep verifier, and
only then gives it its name. The original is not touched; with --in-place it is first kept beside itself, as PATH.damaged-TIME.

The strategies, in the order of preference:
  heal      the exact bytes that were there, where the file's checksum proves them: flipped bits, bursts of up to three bytes, bytes
            lost or added, mangled line ends
  salvage   a new file of every record that is certain; what was lost is listed
  truncate  everything before the first damage

Exit status: 0 there was nothing to do, 1 repaired, 4 damaged and not repaired, 8 operational error, 16 usage error.`,
		Example: `  kvfsck repair dump.rdb --dry-run
  kvfsck repair dump.rdb --out repaired.rdb
  kvfsck repair dump.rdb --in-place --strategy heal`,
		Args: onePath,
		RunE: func(cmd *cobra.Command, args []string) error { return runRepair(cmd.Context(), e, args[0], &opt) },
	}
	f := cmd.Flags()
	f.StringVarP(&opt.out, "out", "o", "", "write the repaired file here")
	f.BoolVar(&opt.inPlace, "in-place", false, "replace the file, and keep the damaged one beside it")
	f.BoolVar(&opt.dryRun, "dry-run", false, "print the plan and write nothing")
	f.BoolVar(&opt.json, "json", false, "print one JSON document, "+report.Schema)
	f.StringSliceVar(&opt.strategies, "strategy", []string{"auto"}, "which to consider: auto, heal, salvage, truncate")
	f.Int64Var(&opt.lostDB, "lost-db", -1, "the database of keys whose own is not known (default: that of the keys before them)")
	f.Uint64Var(&opt.databases, "databases", 16, "how many databases the server is configured for (0: any number)")
	f.StringVar(&opt.quarantine, "quarantine", "", "put the bytes that are not kept into this folder, with an index")
	cmd.MarkFlagsMutuallyExclusive("out", "in-place", "dry-run")
	cmd.MarkFlagsOneRequired("out", "in-place", "dry-run")
	return cmd
}

// strategiesOf reads --strategy; nil means all.
func strategiesOf(words []string) ([]repair.Strategy, error) {
	var out []repair.Strategy
	for _, w := range words {
		switch s := repair.Strategy(w); {
		case w == "auto":
			return nil, nil
		case slices.Contains(repair.Strategies, s):
			out = append(out, s)
		default:
			return nil, fmt.Errorf("no strategy %q: there are auto, heal, salvage and truncate", w)
		}
	}
	return out, nil
}

func runRepair(ctx context.Context, e *env, path string, opt *repairOptions) error {
	strategies, err := strategiesOf(opt.strategies)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return operational{errors.New(explain(path, err))}
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = repairable(f, info)
	}
	if err != nil {
		return operational{fmt.Errorf("%s: %w", path, err)}
	}
	popt := repair.PlanOptions{Strategies: strategies, Databases: opt.databases}
	if opt.lostDB >= 0 {
		db := uint64(opt.lostDB)
		popt.Salvage.LostDB = &db
	}
	plan, err := repair.NewPlan(ctx, f, info.Size(), popt)
	if err != nil {
		return operational{fmt.Errorf("%s: %w", path, err)}
	}
	out := repairOutcome{path: path, plan: plan}
	if !plan.Sound() && plan.Chosen != nil && !opt.dryRun {
		if out.result, err = apply(ctx, plan, path, opt); err != nil {
			return operational{err}
		}
		if opt.quarantine != "" {
			if err := quarantine(f, plan.Chosen, opt.quarantine); err != nil {
				return operational{fmt.Errorf("%s: %w", opt.quarantine, err)}
			}
		}
	}
	return out.tell(e, opt)
}

// repairable refuses what this command cannot repair, before anything long is begun.
func repairable(f *os.File, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("only a regular file can be repaired")
	}
	head := make([]byte, 4)
	n, _ := f.ReadAt(head, 0)
	switch {
	case n == 0:
		return errors.New("the file is empty; look for another copy")
	case head[0] == '*' || strings.HasPrefix(string(head), "file"):
		return errors.New("an append-only file or its manifest; see redis-check-aof --fix")
	case head[0] == 0x1f && head[1] == 0x8b || string(head) == "\x28\xb5\x2f\xfd":
		return errors.New("a compressed file; unpack it first")
	}
	return nil
}

func apply(ctx context.Context, plan *repair.Plan, path string, opt *repairOptions) (*repair.Result, error) {
	if opt.inPlace {
		return plan.ApplyInPlace(ctx, path, path+".damaged-"+time.Now().UTC().Format("20060102T150405Z"))
	}
	if a, err := os.Stat(path); err == nil {
		if b, err := os.Stat(opt.out); err == nil && os.SameFile(a, b) {
			return nil, fmt.Errorf("%s is the damaged file itself; to replace it use --in-place, which keeps a copy", opt.out)
		}
	}
	return plan.Apply(ctx, opt.out, nil)
}

// quarantine writes the ranges that are not kept to files of their own, with an index.
func quarantine(src io.ReaderAt, o *repair.Offer, dir string) error {
	if o.Salvaged == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	type row struct {
		File  string `json:"file"`
		Start int64  `json:"start"`
		End   int64  `json:"end"`
		Kind  string `json:"kind"`
	}
	index := []row{}
	for _, r := range o.Salvaged.Regions {
		switch r.Kind {
		case repair.RegionHeader, repair.RegionIntact, repair.RegionEnd:
			continue
		}
		name := fmt.Sprintf("%012d-%s.bin", r.Start, r.Kind)
		f, err := os.OpenFile(dir+string(os.PathSeparator)+name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, io.NewSectionReader(src, r.Start, r.End-r.Start))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		index = append(index, row{name, r.Start, r.End, r.Kind.String()})
	}
	b, err := json.MarshalIndent(index, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(dir+string(os.PathSeparator)+"index.json", append(b, '\n'), 0o600)
}
