// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"ovzpatch/internal/command"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/patch"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
)

// shape is a spec of internal/srpm's real-world ones with its sources.
type shape struct {
	name, top, dist string
	others          []string            // sources that are not looked at
	edit            map[string]string   // of the spec
	patches         map[string][]string // by file: how it is made, see shapePatch
	before, touch   int                 // what check must say of them
	archives        []string            // more tarballs
}

var shapesWithPatches = []shape{
	{name: "autopatch", top: "linux-5.14.0", patches: map[string][]string{"first.patch": {"top", "gzip"}, "second.patch": {"offset"}}, before: 2, touch: 2},
	{name: "autosetup", top: "linux-5.14.0", patches: map[string][]string{"0001-first.patch": {"top"}, "0002-second.patch": {"offset", "gzip"}}, before: 2, touch: 2},
	{
		name: "fedora-gitam", top: "linux-4.19", dist: ".fc30", others: []string{"remove-binary-diff.pl"},
		patches: map[string][]string{"first.patch": {"top", "mail"}, "second.patch": {"offset", "mail"}}, before: 2, touch: 2,
	},
	{name: "loop", top: "linux-6.1.0", patches: map[string][]string{"first.patch": {"top"}, "second.patch": {"fuzz"}}, before: 2, touch: 2},
	{name: "patch-P", top: "linux-6.1.0", patches: map[string][]string{"first.patch": {"top", "gzip"}, "second.patch": {"offset"}}, before: 2, touch: 2},
	{name: "patchlist", top: "linux-6.1.0", patches: map[string][]string{"first.patch": {"other"}, "second.patch": {"twice"}}, before: 2, touch: 1},
	{
		name: "rhel5-ovz", top: "linux-2.6.18", dist: ".el5", others: []string{"COPYING.modules"}, archives: []string{"xen-15502"},
		patches: map[string][]string{
			"stable-update.patch": {"top"}, "linux-2.6-utrace.patch": {"other"}, "diff-ovz-mainstream.patch": {"offset"},
			"xen-config.patch": {"top"}, "linux-2.6-rhel-version-h.patch": {"another"},
		}, before: 4, touch: 2,
	},
	{
		name: "rhel6-vz", top: "linux-2.6.32-754.el6", dist: ".el6", others: []string{"Makefile.common", "config-vz"},
		edit: map[string]string{
			"Patch999999:": "Patch1: first.patch.bz2\n%if 0%{?released_kernel}\nPatch2: second.patch\n%endif\nPatch3: short.patch\nPatch999999:",
			"ApplyOptionalPatch linux-kernel-test.patch": "ApplyPatch first.patch.bz2\n%if !%{released_kernel}\nApplyPatch third.patch\n%else\nApplyOptionalPatch second.patch\n%endif\nApplyOptionalPatch short.patch\n\nApplyOptionalPatch linux-kernel-test.patch",
		},
		patches: map[string][]string{"first.patch.bz2": {"top", "bzip2"}, "second.patch": {"fuzz"}, "short.patch": {"short"}, "linux-kernel-test.patch": {"empty"}}, before: 3, touch: 2,
	},
	{
		name: "rhel8", top: "linux-4.18.0-553.el8", dist: ".el8", others: []string{"kernel-x86_64.config"},
		edit: map[string]string{
			"Patch999999:": "Patch7: first.patch\nPatch999999:",
			"ApplyOptionalPatch linux-kernel-test.patch": "ApplyOptionalPatch first.patch\n\nApplyOptionalPatch linux-kernel-test.patch",
		},
		patches: map[string][]string{"first.patch": {"twice"}, "linux-kernel-test.patch": {"empty"}}, before: 1, touch: 1,
	},
	{
		name: "rhel9", top: "linux-5.14.0-503.el9", dist: ".el9", others: []string{"Makefile.rhelver"},
		patches: map[string][]string{"patch-5.14.0-redhat.patch": {"top"}, "linux-kernel-test.patch": {"empty"}}, before: 1, touch: 1,
	},
}

// reduced is the small kernel of check's script.
func reduced(t *testing.T) map[string]string {
	t.Helper()
	archive, err := txtar.ParseFile("../../cmd/ovzpatch/testdata/script/check.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	// Two functions alike, for a hunk that matches in two places.
	files["tree/fs/namespace.c"] += "\n\nint first(void)\n{\n\tint same = 0;\n\n\treturn same;\n}\n\n\n\n\nint second(void)\n{\n\tint same = 0;\n\n\treturn same;\n}\n"
	return files
}

// shapePatch makes a patch of the package's own.
func shapePatch(t *testing.T, files map[string]string, how []string) []byte {
	t.Helper()
	old := files["tree/fs/namespace.c"]
	name, now := "fs/namespace.c", old
	switch how[0] {
	case "empty":
		return nil
	case "top":
		now = strings.Replace(old, " */\n", " */\n/* one */\n/* two */\n/* three */\n#include <linux/one.h>\n", 1)
	case "offset", "fuzz":
		now = strings.Replace(old, "retval = do_umount(path.mnt, flags);", "retval = do_umount(path.mnt, flags | OURS);", 1)
	case "twice": // in the second of two functions alike, from a tree where it was higher
		now = strings.Replace(old, "int second(void)\n{\n\tint same = 0;", "int second(void)\n{\n\tint same = 2;", 1)
	case "other": // new files of a name that ends like one that counts
		name, old, now = "drivers/Makefile", "", files["tree/Makefile"]
	case "another":
		name, old = "drivers/fs/namespace.c", ""
	case "short": // fewer than ten lines
		return []byte("--- a/Makefile\n+++ b/Makefile\n@@ -1,2 +1,2 @@\n-VERSION = 2\n+VERSION = 3\n PATCHLEVEL = 6\n")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"old": old, "new": now} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var diff bytes.Buffer
	err := command.Run(t.Context(), command.Cmd{Args: []string{"diff", "-u", "--label", "a/" + name, "--label", "b/" + name, "old", "new"}, Dir: dir, Stdout: &diff})
	var differs *command.Error
	if !errors.As(err, &differs) || differs.ExitCode != 1 {
		t.Fatalf("diff: %v", err)
	}
	text := "A change of the package's own, for a reason that is given in some lines:\none\ntwo\nthree\n\n" + diff.String()
	if how[0] == "fuzz" {
		// The outermost line of context is another one.
		text = strings.Replace(text, "\n }\n", "\n };\n", 1)
	}
	if how[0] == "twice" {
		// Ten lines off, so that the place must be looked for.
		text = strings.Replace(text, "@@ -6", "@@ -5", 1)
	}
	if len(how) > 1 {
		switch how[1] {
		case "mail":
			text = "From 0000 Mon Sep 17 00:00:00 2001\nFrom: A Tester <t@example.com>\nDate: Mon, 5 Jan 2026 10:00:00 +0000\nSubject: [PATCH] change\n\n" + text
		case "gzip", "bzip2":
			var packed bytes.Buffer
			if err := command.Run(t.Context(), command.Cmd{Args: []string{how[1], "-c"}, Stdin: strings.NewReader(text), Stdout: &packed}); err != nil {
				t.Fatal(err)
			}
			text = packed.String()
		}
	}
	return []byte(text)
}

// packShape makes the source package of a shape.
func packShape(t *testing.T, s shape, files map[string]string) string {
	t.Helper()
	original, err := os.ReadFile(filepath.Join("../spec/testdata/shapes", s.name, "kernel.spec"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(original)
	for old, now := range s.edit {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is not once in the spec", old)
		}
		text = strings.Replace(text, old, now, 1)
	}
	in := srpm.Inputs{Spec: spec.Read("kernel.spec", forThisRpm(t, []byte(text))), Texts: map[string][]byte{}, Date: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}
	if s.dist != "" {
		in.Defines = []string{"dist " + s.dist}
	}
	for _, top := range append(s.archives, s.top) {
		in.Texts[top+".tar.gz"] = packTree(t, top, files)
	}
	for _, name := range s.others {
		in.Texts[name] = []byte("data\n")
	}
	for name, how := range s.patches {
		in.Texts[name] = shapePatch(t, files, how)
	}
	path, err := srpm.Build(t.Context(), in, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// forThisRpm is a spec as the rpm that is here takes it: since 4.20 it refuses lines of old ones.
func forThisRpm(t *testing.T, text []byte) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "rpm", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(out), "RPM version 4.1") {
		return text
	}
	e, err := spec.Read("kernel.spec", text).Modernize()
	if err != nil {
		t.Fatal(err)
	}
	return e.Spec.Text()
}

func packTree(t *testing.T, top string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range []string{"Makefile", "fs/namespace.c", "Documentation/Changes"} {
		text := files["tree/"+name]
		if err := w.WriteHeader(&tar.Header{Name: top + "/" + name, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1e9, 0)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// prepared runs rpmbuild -bp and returns fs/namespace.c of the kernel's tree.
func prepared(t *testing.T, path, dist string) string {
	t.Helper()
	top := t.TempDir()
	pkg, err := rpmfile.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer pkg.Close()
	if err := pkg.Extract(t.Context(), filepath.Join(top, "SOURCES"), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "SPECS"), 0o755); err != nil {
		t.Fatal(err)
	}
	// ApplyPatch of RHEL 8 looks for the spec by the package's name.
	spec := filepath.Join(top, "SPECS", pkg.Name()+".spec")
	if err := os.Rename(filepath.Join(top, "SOURCES", "kernel.spec"), spec); err != nil {
		t.Fatal(err)
	}
	args := []string{"rpmbuild", "-bp", "--nodeps", "--define", "_topdir " + top, "--define", "_buildshell /bin/bash"}
	if dist != "" {
		args = append(args, "--define", "dist "+dist)
	}
	if err := command.Run(t.Context(), command.Cmd{Args: append(args, spec), Dir: top, Env: []string{"HOME=" + top}}); err != nil {
		t.Fatal(err)
	}
	var found []string
	err = filepath.WalkDir(filepath.Join(top, "BUILD"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "/fs/namespace.c") && !strings.Contains(path, "/vanilla") && !strings.Contains(path, "/xen-") && !strings.Contains(path, "drivers") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("fs/namespace.c is in %q, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What check reckons with is what rpmbuild does: the file our patch goes upon, and the
// file that comes out, are those that %prep leaves, byte for byte.
func TestOwnPatchesAreThoseOfPrep(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmbuild for every shape")
	}
	files := reduced(t)
	ours := filepath.Join(t.TempDir(), "ours.patch")
	if err := os.WriteFile(ours, []byte(files["right.patch"]), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, s := range shapesWithPatches {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			path := packShape(t, s, files)
			f, err := Check(t.Context(), Request{Source: path, Port: Port{File: ours}, Spec: Spec{Target: "x86_64"}, Place: patch.Options{Strip: -1}, Report: job.Quiet{}})
			// Of the hook itself nothing is asked here: the trees are too small for that.
			if err != nil && !errors.As(err, new(*gate.Error)) {
				t.Fatal(err)
			}
			defer f.Close()
			if own := f.Findings.Own; own.Before != s.before || len(own.Changing) != s.touch || len(own.Unsure) > 0 || len(own.Problems) > 0 {
				t.Errorf("it says %+v", own)
			}
			if before := string(f.Files.Files[gate.File].Data); before == files["tree/fs/namespace.c"] {
				t.Error("no patch of the package's own changed the file")
			}
			change := srpm.Change{PatchFile: f.Name, Patch: f.Port, Tag: srpm.DefaultTag, Author: "A <a@b.c>", Changes: []string{"a change"}, Date: time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC)}
			original, err := srpm.Unpacked(f.Package.RPM, f.Package.Dir, f.Spec)
			if err != nil {
				t.Fatal(err)
			}
			with, _, err := original.With(change)
			if err != nil {
				t.Fatal(err)
			}
			made, err := srpm.Build(t.Context(), with, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			after, ok := f.Plan.After(gate.File)
			if !ok {
				t.Fatal("the plan leaves the file alone")
			}
			if got := prepared(t, made, s.dist); got != string(after.Data) {
				t.Errorf("%%prep makes\n%s\ncheck reckoned with\n%s", got, after.Data)
			}
		})
	}
}
