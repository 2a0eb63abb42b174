package rdb_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kvfsck/kvfsck/rdb"
)

// Reading the keys of a snapshot.
func Example() {
	f, err := os.Open("../testdata/redis-7.0-sample.rdb")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	r := rdb.NewReader(f)
	for r.Next() {
		e, ok := r.Record().(*rdb.Entry)
		if !ok || e.DB != 3 {
			continue
		}
		value, err := e.Value()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %v %s\n", e.Key, e.Kind(), value)
	}
	if err := r.Err(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// other:db string yes
	// other:expiring string yes
}

// Checking a damaged one.
func ExampleVerify() {
	f, err := os.Open("../testdata/damaged.rdb")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	rep, err := rdb.Verify(context.Background(), f, rdb.VerifyOptions{KeepGoing: true})
	var fault *rdb.FormatError
	if errors.As(err, &fault) {
		fmt.Printf("%s at offset %d, key %q\n", fault.Code, fault.Offset, fault.Key)
	}
	fmt.Println(rep.Keys, "keys, faults:", len(rep.Faults))
	// Output:
	// listpack at offset 1669, key "hash:listpack"
	// 30 keys, faults: 1
}

// Walking a value without holding it.
func ExampleEntry_Elements() {
	f, err := os.Open("../testdata/redis-8.6-sample.rdb")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	r := rdb.NewReader(f)
	for r.Next() {
		e, ok := r.Record().(*rdb.Entry)
		if !ok || e.Kind() != rdb.KindSortedSet {
			continue
		}
		n := 0
		for el, err := range e.Elements() {
			if err != nil {
				fmt.Println(err)
				return
			}
			if el.Score > 0 {
				n++
			}
		}
		fmt.Printf("%s: %d members with a score above zero\n", e.Key, n)
	}
	// Unordered output:
	// zset:listpack: 3 members with a score above zero
	// zset:skiplist: 5 members with a score above zero
}
