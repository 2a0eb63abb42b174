package fuzz_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/kvfsck/kvfsck/fuzz"
	"github.com/kvfsck/kvfsck/rdb"
)

// load stands for the loader to be tested: here one that counts the keys of each kind.
func load(file []byte) (counts map[string]int, err error) {
	counts = map[string]int{}
	r := rdb.NewReader(bytes.NewReader(file))
	for r.Next() {
		if e, ok := r.Record().(*rdb.Entry); ok {
			if err := e.Check(); err != nil {
				return nil, err
			}
			counts[e.Kind().String()]++
		}
	}
	return counts, r.Err()
}

// Fuzz your own loader: it has to find in a valid file what is known to be there, and to survive damaged ones. In a fuzz target, take the seeds
// from the engine:
//
//	func FuzzLoad(f *testing.F) {
//		f.Add(uint64(1), uint64(2))
//		f.Fuzz(func(t *testing.T, seed, damage uint64) { ... })
//	}
func Example() {
	wrong, survived, noticed := 0, 0, 0
	for seed := range uint64(200) {
		file, contents := fuzz.RDB(seed, fuzz.AnyOptions(seed, rdb.Version10, rdb.Version11))
		want := map[string]int{}
		for _, k := range contents.Keys {
			want[k.Value.Kind().String()]++
		}
		if got, err := load(file); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			wrong++
		}

		damaged, mutation := fuzz.Mutate(seed, file)
		_, err := load(damaged)
		survived++
		if mutation.Kind == "truncate" && errors.Is(err, rdb.ErrTruncated) {
			noticed++
		}
	}
	fmt.Println(wrong, "valid files read wrongly")
	fmt.Println(survived, "damaged files survived")
	fmt.Println("cuts noticed:", noticed > 0)
	// Output:
	// 0 valid files read wrongly
	// 200 damaged files survived
	// cuts noticed: true
}

// The seed decides everything: names, values, how they are stored.
func ExampleRDB() {
	file, contents := fuzz.RDB(7, fuzz.RDBOptions{Keys: 3, Databases: 1, Weights: fuzz.Weights{Hash: 1}, Elements: 1, Edge: fuzz.Never})
	again, _ := fuzz.RDB(7, fuzz.RDBOptions{Keys: 3, Databases: 1, Weights: fuzz.Weights{Hash: 1}, Elements: 1, Edge: fuzz.Never})
	fmt.Println(len(contents.Keys), "keys, the same bytes again:", bytes.Equal(file, again))
	// Output: 3 keys, the same bytes again: true
}

// A damage is told with its kind and place.
func ExampleMutateKind() {
	file, _ := fuzz.RDB(7, fuzz.RDBOptions{Keys: 3})
	_, mutation, _ := fuzz.MutateKind("checksum-zero", 1, file)
	fmt.Println(mutation.Kind, mutation.Offset == len(file)-8)
	// Output: checksum-zero true
}
