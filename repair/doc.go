// Package repair brings back what is left of damaged persistence files.
//
// The order of work is that of an operator: look, plan, write a copy, verify the copy, and only then replace.
//
//	rep, err := repair.Check(ctx, src, size, repair.CheckOptions{})     // what is wrong, and a map of the file
//	plan, err := repair.NewPlan(ctx, src, size, repair.PlanOptions{})   // reads only
//	for _, o := range plan.Offers { ... }                               // what each way would keep and lose
//	res, err := plan.Apply(ctx, "repaired.rdb", nil)                    // writes, verifies, then gives the file its name
//
// Of append-only files and sets there are [NewLogPlan] and [LogPlan.Apply]; the check is that of package aof. [Findings] is the table of
// everything that the checks can find.
//
// There are three ways, each a [Strategy] with an API of its own:
//
//   - [Heal] finds the exact bytes that were there before a small damage, by the file's own checksum. What it finds is the file as it
//     was written, and proven.
//   - [Salvage] finds every record that is still there after any damage, and writes a new file of those that are certain.
//   - [Truncate] keeps what stands before the first damage.
//
// Of a log, [SalvageAOF] does the first two: a framing that allows one correction only is corrected, and every command that is certain
// is kept; [TruncateAOF] does what redis-check-aof --fix does. [SalvageSet] does so with all files of a set, and finds a lost manifest.
//
// None of them changes its input, invents a key, or presents a key as intact that shows damage.
package repair
