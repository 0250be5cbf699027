// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/testutil"
)

// shapesDir holds the specs whose %prep is of many shapes.
const shapesDir = "../spec/testdata/shapes"

var specOfParts = testutil.KernelSpec

// The patch that goes into every shape, and what it changes.
const (
	patchName = "ovz-kernel-lustre-umount.patch"
	original  = "int do_umount(void)\n{\n\tint flags = 0;\n\n\tint retval = 0;\n\n\treturn retval;\n}\n"
	patched   = "int do_umount(void)\n{\n\tint flags = 0;\n\n\tflags &= ~1; /* lustre */\n\tint retval = 0;\n\n\treturn retval;\n}\n"
	// Its head is that of our ports: git am ends at a sender without an address.
	patchText = `From: the ovzpatch authors
Subject: [PATCH] fs: an override for the umount of lustre

An override for the umount of lustre in a container.

--- a/fs/namespace.c
+++ b/fs/namespace.c
@@ -2,6 +2,7 @@
 {
 	int flags = 0;
 
+	flags &= ~1; /* lustre */
 	int retval = 0;
 
 	return retval;
`
)

var (
	shapeDate = time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	shapeDist = map[string]string{"rhel5-ovz": ".el5", "rhel6-vz": ".el6", "rhel8": ".el8", "rhel9": ".el9", "fedora-gitam": ".fc30"}
)

func shapes(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(shapesDir + "/*/kernel.spec")
	if err != nil || len(list) == 0 {
		t.Fatalf("no shapes: %v", err)
	}
	return list
}

// The proof: rpmbuild -bp of each edited shape leaves a tree that holds the change.
func TestPrepHoldsTheChange(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	for _, file := range shapes(t) {
		shape := filepath.Base(filepath.Dir(file))
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source := makeShape(t, file, dir)
			out := filepath.Join(dir, "out")
			if err := os.Mkdir(out, 0o755); err != nil {
				t.Fatal(err)
			}
			made, with, err := rewrite(t.Context(), source, Change{
				PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag, Author: "A Tester <tester@example.com>",
				Date: shapeDate, Changes: []string{"fs: override forced umount of lustre inside containers"},
			}, out)
			if err != nil {
				t.Fatal(err)
			}
			checkRelease(t, source, made)
			checkFiles(t, source, made)
			before := prepare(t, source, filepath.Join(dir, "before"), with.Defines)
			after := prepare(t, made, filepath.Join(dir, "after"), with.Defines)
			compareTrees(t, before, after)
			if left, _ := filepath.Glob(filepath.Join(out, ".*")); len(left) > 0 {
				t.Errorf("temporary files are left: %q", left)
			}
		})
	}
}

// rewrite makes a new source package in outDir of the one at path and a patch.
func rewrite(ctx context.Context, path string, c Change, outDir string) (made string, with Inputs, err error) {
	f, err := rpmfile.Open(ctx, path)
	if err != nil {
		return "", Inputs{}, err
	}
	defer f.Close()
	dir, err := os.MkdirTemp("", "unpacked-")
	if err != nil {
		return "", Inputs{}, err
	}
	defer os.RemoveAll(dir)
	if err := f.Extract(ctx, dir, nil); err != nil {
		return "", Inputs{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "kernel.spec"))
	if err != nil {
		return "", Inputs{}, err
	}
	in, err := Unpacked(f, dir, spec.Read("kernel.spec", text))
	if err == nil {
		in, err = in.Settle(ctx, nil)
	}
	if err == nil {
		with, _, err = in.Carry(ctx, c)
	}
	if err == nil {
		made, err = Build(ctx, with, outDir)
	}
	return made, with, err
}

// checkFiles: all files of the old package are in the new one.
func checkFiles(t *testing.T, before, after string) {
	t.Helper()
	old, err := rpmfile.Open(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	made, err := rpmfile.Open(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	for _, e := range old.Files {
		if _, ok := made.Find(e.Name); !ok {
			t.Errorf("%s got lost", e.Name)
		}
	}
}

// checkRelease: the release is the old one with the mark in it.
func checkRelease(t *testing.T, before, after string) {
	t.Helper()
	var releases []string
	for _, path := range []string{before, after} {
		f, err := rpmfile.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		releases = append(releases, f.Release())
	}
	if strings.Replace(releases[1], DefaultTag, "", 1) != releases[0] {
		t.Errorf("release %q became %q", releases[0], releases[1])
	}
}

// compareTrees: after %prep one file in one place differs, by the patch, once.
func compareTrees(t *testing.T, before, after map[string]string) {
	t.Helper()
	changed := 0
	for name, text := range after {
		if strings.HasSuffix(name, ".rej") || strings.HasSuffix(name, ".orig") {
			t.Errorf("%s is there", name)
		}
		old, ok := before[strings.ReplaceAll(name, DefaultTag, "")]
		switch {
		case !ok:
			t.Errorf("%s is new", name)
		case old == text:
		case filepath.Base(name) == "rpmbuild.env": // rpm 6 notes its paths and the release there
		case filepath.Base(name) == "namespace.c" && old == original && text == patched && !strings.Contains(name, "vanilla"):
			changed++
		default:
			t.Errorf("%s changed:\n%s", name, text)
		}
	}
	if changed != 1 {
		t.Errorf("the change is in %d trees, want it in 1", changed)
	}
	if len(before) != len(after) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

// The same source package and the same change give the same bytes, anywhere.
func TestRewriteIsDeterministic(t *testing.T) {
	var made [][]byte
	for range 2 {
		dir := t.TempDir()
		source := makeShape(t, shapesDir+"/rhel6-vz/kernel.spec", dir)
		out := filepath.Join(dir, "out")
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatal(err)
		}
		path, _, err := rewrite(t.Context(), source, Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag}, out)
		if err != nil {
			t.Fatal(err)
		}
		f, err := rpmfile.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, e := range f.Files {
			if e.User != "root" || e.Group != "root" || e.Mode != 0o644 {
				t.Errorf("%s is %s:%s %v", e.Name, e.User, e.Group, e.Mode)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, text)
	}
	if !slices.Equal(made[0], made[1]) {
		t.Error("two source packages of the same inputs differ")
	}
}
