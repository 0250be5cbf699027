// SPDX-License-Identifier: Apache-2.0

package mutant

import (
	"strings"
	"testing"
)

const wholePort = `--- a/fs/namespace.c
+++ b/fs/namespace.c
@@ -1,12 +1,16 @@
 int before;
 static int can_umount(const struct path *path, int flags)
 {
 	return 0;
 }
 
 int path_umount(struct path *path, int flags)
 {
 	int ret;
 
+	if (hook)
+		flags = 1;
 	ret = can_umount(path, flags);
 	return ret;
 }
`

func TestPutTogether(t *testing.T) {
	with := func(old, new string) []byte { return []byte(strings.Replace(wholePort, old, new, 1)) }
	mutants := []Mutant{
		{Name: "one", Patch: with("flags = 1", "flags = 2")},
		{Name: "elsewhere", Patch: with(" int before;", " int after;")},
		{Name: "broken", Patch: with("flags = 1", "flags = ")},
		{Name: "two", Patch: with("if (hook)", "if (!hook)")},
	}
	got, err := PutTogether([]byte(wholePort), mutants, map[string]bool{"broken": true})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got.Names, ",") != "the port itself,one,two" || strings.Join(got.Outside, ",") != "elsewhere" {
		t.Errorf("names %q, outside %q", got.Names, got.Outside)
	}
	lines := strings.Split(string(got.Source), "\n")
	for want, name := range map[string]string{
		"\t\tflags = 1;":                               "", // the port's own
		"\t\tflags = 2;":                               "one",
		"\tif (!hook)":                                 "two",
		"\tret = can_umount_2(path, flags);":           "two",
		"\tcase 1: return path_umount_1(path, flags);": "",
	} {
		found := false
		for i, l := range lines {
			if l == want {
				found = true
				if at := got.At(i + 1); at != name {
					t.Errorf("%q belongs to %q, want %q", want, at, name)
				}
				break
			}
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, got.Source)
		}
	}
	if _, err := PutTogether([]byte("@@ -1 +1 @@\n+int x;\n"), nil, nil); err == nil {
		t.Error("a file without the functions is taken")
	}
}
