package repair_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kvfsck/kvfsck/repair"
)

// A snapshot of thirty keys, one of which is damaged: what is wrong with it, what could be done, and the repaired copy.
func Example() {
	f, err := os.Open(filepath.Join("..", "testdata", "damaged.rdb"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	plan, err := repair.NewPlan(ctx, f, info.Size(), repair.PlanOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("damaged at offset %d\n", plan.Fault.Offset)
	for _, o := range plan.Offers {
		if o.Possible {
			fmt.Printf("%s: %d keys kept, %d known to be lost\n", o.Strategy, o.Keys, o.Lost)
		} else {
			fmt.Printf("%s: %s\n", o.Strategy, o.Reason)
		}
	}
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	res, err := plan.Apply(ctx, filepath.Join(dir, "repaired.rdb"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %d keys, verified\n", filepath.Base(res.Path), res.Report.Keys)
	// Output:
	// damaged at offset 1669
	// heal: the checksum was made over the damage
	// salvage: 29 keys kept, 1 known to be lost
	// truncate: 15 keys kept, 1 known to be lost
	// repaired.rdb: 29 keys, verified
}
