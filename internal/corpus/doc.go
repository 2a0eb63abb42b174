// Package corpus gives tests the shared corpus: files that real Redis and Valkey
// servers wrote, what those servers held at that moment, and thousands of damaged
// files together with the verdicts of real checkers and servers on them.
//
// The corpus is optional and no part of the repository. It is looked for in the folder
// that KVFSCK_CORPUS names, else in ../shared/corpus beside the repository's root. Every
// function here takes the test that asks: where the corpus is missing the test is
// skipped with one line, and where the corpus contradicts its own documentation (an
// unreadable file, an unknown field) the test fails, since a check that overlooks half
// its input proves nothing.
//
//	for _, f := range corpus.RDBs(t) {
//		for key := range corpus.Truth(t, f.TruthPath) {
//			// key.Type, key.Value.List, ...
//		}
//	}
//
//	verdicts := corpus.RDBVerdicts(t)
//	for r := range corpus.RDBRecipes(t) {
//		damaged := r.MustApply(t)
//		want := verdicts[r.ID].Servers["redis-8.6"]
//		// ...
//	}
//
// Paths: a field named Path is absolute; ID, Base and the keys of the verdict maps are
// slash-separated paths relative to the corpus ("rdb/redis-7.4/lists.rdb") or recipe
// ids ("r00000").
package corpus
