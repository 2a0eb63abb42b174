// Package repair brings back what is left of damaged persistence files.
//
// The order of work is that of an operator: look, plan, write a copy, verify the copy, and only then replace.
//
//	plan, err := repair.NewPlan(ctx, src, size, repair.PlanOptions{})   // reads only
//	for _, o := range plan.Offers { ... }                               // what each way would keep and lose
//	res, err := plan.Apply(ctx, "repaired.rdb", nil)                    // writes, verifies, then gives the file its name
//
// There are three ways, each a [Strategy] with an API of its own:
//
//   - [Heal] finds the exact bytes that were there before a small damage, by the file's own checksum. What it finds is the file as it
//     was written, and proven.
//   - [Salvage] finds every record that is still there after any damage, and writes a new file of those that are certain.
//   - [Truncate] keeps what stands before the first damage.
//
// None of them changes its input, invents a key, or presents a key as intact that shows damage.
package repair
