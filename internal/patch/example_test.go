// SPDX-License-Identifier: Apache-2.0

package patch_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ovzpatch/internal/patch"
)

const change = `--- a/hello.c
+++ b/hello.c
@@ -1,3 +1,4 @@
 int main(void)
 {
+	puts("hello");
 }
`

const before = "#include <stdio.h>\n\nint main(void)\n{\n}\n"

// A plan is made from bytes; nothing is written.
func Example() {
	p, err := patch.Parse("hello.patch", []byte(change))
	if err != nil {
		fmt.Println(err)
		return
	}
	sources := func(name string) (patch.Content, error) {
		if name != "hello.c" {
			return patch.Content{}, fs.ErrNotExist
		}
		return patch.Content{Data: []byte(before), Mode: 0o644}, nil
	}
	plan, err := patch.NewPlan(p, sources, patch.Options{Strip: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	after, _ := plan.After("hello.c")
	fmt.Printf("offset %d\n%s", plan.Placements[0].Offset, after.Data)
	// Output:
	// offset 2
	// #include <stdio.h>
	//
	// int main(void)
	// {
	// 	puts("hello");
	// }
}

// A patch that does not apply names every hunk in the way.
func ExampleNotApplicable() {
	p, err := patch.Parse("hello.patch", []byte(change))
	if err != nil {
		fmt.Println(err)
		return
	}
	other := func(string) (patch.Content, error) {
		return patch.Content{Data: []byte("int main(void)\n{\n\treturn 0;\n}\n"), Mode: 0o644}, nil
	}
	_, err = patch.NewPlan(p, other, patch.Options{Strip: 1})
	if no, ok := errors.AsType[*patch.NotApplicable](err); ok {
		for _, problem := range no.Problems {
			fmt.Println(problem.File, problem.Hunk, problem.Reason)
		}
	}
	// Output: hello.c 1 does not match
}

// A tree gets all of a plan or nothing.
func ExampleTree_Apply() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "hello.c"), []byte(before), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	tree, err := patch.OpenTree(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tree.Close()
	p, err := patch.Parse("hello.patch", []byte(change))
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := patch.NewPlan(p, tree.File, patch.Options{Strip: 1})
	if err == nil {
		err = tree.Apply(context.Background(), plan)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := os.ReadFile(filepath.Join(dir, "hello.c"))
	fmt.Printf("%d bytes %v\n", len(after), err)
	// Output: 55 bytes <nil>
}
