// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// twins are two functions with the same lines.
const twins = `int first(int a)
{
	int ret;

	lock();
	work();
	unlock();
	return ret;
}

int second(int a)
{
	int ret;

	lock();
	work();
	unlock();
	return ret;
}
`

func twinPatch(at, function string) string {
	return "--- a/f.c\n+++ b/f.c\n@@ -" + at + ",5 +" + at + ",6 @@" + function + "\n \n \tlock();\n+\tmore();\n \twork();\n \tunlock();\n \treturn ret;\n"
}

func TestPlacesThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		files  map[string]string
		patch  string
		reason Reason
		says   string
	}{
		{"in two places, the line number off", map[string]string{"f.c": twins}, twinPatch("7", ""), Ambiguous, "line 4 and line 14"},
		{"in the other function", map[string]string{"f.c": twins}, twinPatch("14", " int first(int a)"), OtherFunction, "line 14 is in second"},
		{"nowhere", map[string]string{"f.c": strings.ReplaceAll(twins, "work();", "rest();")}, twinPatch("4", ""), NoMatch, "the closest place is line 4, where 4 of 5"},
		{"no such file", map[string]string{"g.c": twins}, twinPatch("4", ""), Missing, "is this the right tree"},
		{"new file that is there", map[string]string{"f": "other\n"}, "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+mine\n", Exists, ""},
		{"deleted file that is another", map[string]string{"f": "mine\nand yours\n"}, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-mine\n", Leftover, ""},
		{
			"half of it is in",
			map[string]string{"f": "ONE\n", "g": "two\n"},
			"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-one\n+ONE\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-two\n+TWO\n", Applied, "",
		},
		{
			"a rename of a file that is nowhere",
			map[string]string{"f": "one\n"},
			"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-one\n+ONE\n" +
				"diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n", Missing, "old",
		},
		{"parent directory", map[string]string{"f": "x\n"}, "--- a/../f\n+++ b/../f\n@@ -1 +1 @@\n-x\n+y\n", UnsafeName, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse("p", []byte(test.patch))
			if err != nil {
				t.Fatal(err)
			}
			strip := -1
			if test.reason == UnsafeName {
				strip = 1
			}
			plan, err := NewPlan(p, inMemory(test.files), Options{Strip: strip})
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Fatalf("plan %+v, error %v", plan, err)
			}
			if problem.Reason != test.reason || !strings.Contains(problem.Error(), test.says) {
				t.Errorf("%q, want %q with %q", problem, test.reason, test.says)
			}
		})
	}
}

func TestPlacesThatAreTaken(t *testing.T) {
	moved := "/* new */\n\n" + twins
	for _, test := range []struct {
		name   string
		file   string
		patch  string
		line   int
		offset int
	}{
		{"at its line, with a twin elsewhere", twins, twinPatch("14", ""), 14, 0},
		{"moved, the function's name decides", moved, twinPatch("14", " int second(int a)"), 16, 2},
	} {
		p, err := Parse("p", []byte(test.patch))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(p, inMemory(map[string]string{"f.c": test.file}), Options{Strip: -1})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		at := plan.Placements[0]
		if at.Line != test.line || at.Offset != test.offset || len(at.Functions) != 1 || at.Functions[0] != "second" {
			t.Errorf("%s: %+v", test.name, at)
		}
		if len(at.Added) != 1 || at.Added[0].First != test.line+2 || at.Added[0].Last != test.line+2 {
			t.Errorf("%s: added lines %v", test.name, at.Added)
		}
	}
}

// A series in one text changes the same file again and again, and is undone in the
// opposite order.
func TestSeriesInOneText(t *testing.T) {
	series := "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-one\n+two\n x\n" + "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-two\n+three\n x\n"
	for _, test := range []struct {
		file, want       string
		reverse, applied bool
	}{
		{"one\nx\n", "three\nx\n", false, false},
		{"three\nx\n", "one\nx\n", true, false},
		{"three\nx\n", "", false, true},
		{"one\nx\n", "", true, true},
	} {
		p, err := Parse("p", []byte(series))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(p, inMemory(map[string]string{"f": test.file}), Options{Strip: 1, Reverse: test.reverse})
		if err != nil {
			t.Fatal(err)
		}
		after, changed := plan.After("f")
		if plan.Applied != test.applied || changed == test.applied || changed && string(after.Data) != test.want {
			t.Errorf("%q reverse %v: applied %v, becomes %+v", test.file, test.reverse, plan.Applied, after)
		}
	}
}

// A reject can be put in by hand: it is a patch again.
func TestRejectsArePatches(t *testing.T) {
	p, err := Parse("p", []byte(twinPatch("4", "")))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(twins, "lock();\n\twork", "lock();\n\tprepare();\n\twork", 2)
	_, err = NewPlan(p, inMemory(map[string]string{"f.c": changed}), Options{Strip: 1})
	var no *NotApplicable
	if !errors.As(err, &no) {
		t.Fatalf("error %v", err)
	}
	rejects := no.Rejects()
	if len(rejects) != 1 || rejects[0].Name != "f.c.rej" {
		t.Fatalf("rejects %+v", rejects)
	}
	if text := string(rejects[0].Data); !strings.Contains(text, "#   +\tprepare();") {
		t.Errorf("the reject does not show the line that is in the way:\n%s", text)
	}
	again, err := Parse("f.c.rej", rejects[0].Data)
	if err != nil {
		t.Fatalf("the reject cannot be read: %v\n%s", err, rejects[0].Data)
	}
	if _, err := NewPlan(again, inMemory(map[string]string{"f.c": twins}), Options{Strip: -1}); err != nil {
		t.Errorf("the reject does not go in where it fits: %v", err)
	}
}

func TestBinaryPatchFitsExactly(t *testing.T) {
	const text = "diff --git a/b b/b\nindex 1..2 100644\nGIT binary patch\nliteral 4\nLcmZQzWMT#Y01f~L\n\nliteral 3\nKcmZQzWM%*W03ZMW\n\n"
	p, err := Parse("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(p, inMemory(map[string]string{"b": "\x00\x01\x02"}), Options{Strip: -1})
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := plan.After("b"); len(after.Data) != 4 {
		t.Errorf("the file becomes %q", after.Data)
	}
}

func TestFunctionName(t *testing.T) {
	for line, want := range map[string]string{
		"static int do_umount(struct mount *mnt, int flags)": "do_umount",
		"SYSCALL_DEFINE2(umount, char __user *, name, int, ": "sys_umount",
		"COMPAT_SYSCALL_DEFINE3(ioctl, unsigned int, fd":     "compat_sys_ioctl",
		"asmlinkage long sys_umount(char __user * name":      "sys_umount",
		"struct vfsmount *collect_mounts(const struct path":  "collect_mounts",
		"int (*handler)(int)":                                "",
		"out:":                                               "",
		"EXPORT_SYMBOL(may_umount);":                         "",
		"static LIST_HEAD(unmounted)":                        "",
		"static struct file_operations ops = {":              "",
		"static int x = FOO(1)":                              "",
		"__releases(lock)":                                   "",
		"#define X(a)":                                       "",
		"struct mount {":                                     "",
		"static inline struct foo *bar(void)":                "bar",
		"module_param(debug, int, 0644);":                    "",
		"":                                                   "",
		"void __init mnt_init(void)":                         "mnt_init",
		"static DEFINE_SPINLOCK(mnt_ns_list)":                "",
		"if (x)":                                             "",
		"switch (x) {":                                       "",
		"int f(struct {int a;} b":                            "f",
		"static ssize_t long_function_name_that_":            "",
	} {
		if got := functionName(line); got != want {
			t.Errorf("%q is read as %q, want %q", line, got, want)
		}
	}
}

func TestEnclosingFunction(t *testing.T) {
	const src = `#include <a.h>
static int one(int a,
	       int b)
__acquires(lock)
{
	int x;
out:
	return x;
}

static struct ops ops = {
	.a = one,
};

int two(void) {
	return 1;
}
struct tail
{
	int member;
};
`
	text := newText([]byte(src))
	for line, want := range map[int]string{1: "", 2: "", 3: "", 5: "", 6: "one", 7: "one", 8: "one", 9: "one", 10: "", 12: "", 14: "", 16: "two", 17: "two", 18: "", 20: "", 99: ""} {
		if got := enclosingFunction(text, line); got != want {
			t.Errorf("line %d is in %q, want %q", line, got, want)
		}
	}
}

// The patch of a whole release on another tree is told soon, and in part.
func TestManyProblems(t *testing.T) {
	took := func(n int) time.Duration {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "--- a/f%d\n+++ b/f%d\n@@ -1 +1 @@\n-a\n+b\n", i, i)
		}
		// One name is deep.
		text.WriteString("--- " + strings.Repeat("a/", n) + "x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
		p, err := Parse("many", []byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		start := processorTime(t)
		_, err = NewPlan(p, inMemory(map[string]string{"other": ""}), Options{Strip: -1})
		end := processorTime(t)
		var no *NotApplicable
		if !errors.As(err, &no) || len(no.Problems) != n+1 {
			t.Fatal(err)
		}
		if lines := strings.Count(err.Error(), "\n"); lines != maxTold+1 || !strings.HasSuffix(err.Error(), fmt.Sprintf("\tand %d more", n+1-maxTold)) {
			t.Errorf("%d lines", lines)
		}
		return end - start
	}
	if one, four := took(10_000), took(40_000); four > 9*one {
		t.Errorf("four times as many took %v in place of %v", four, one)
	}
}

// processorTime is that of this process, which does not depend on what others do.
func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
