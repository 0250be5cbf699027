// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/spec"
)

// prepare runs rpmbuild -bp on a source package and returns all files it leaves.
func prepare(t *testing.T, source, top string, defines []string) map[string]string {
	t.Helper()
	f, err := rpmfile.Open(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, d := range []string{"SPECS", "SRPMS", "BUILD", "RPMS", "BUILDROOT", "tmp"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Extract(t.Context(), filepath.Join(top, "SOURCES"), nil); err != nil {
		t.Fatal(err)
	}
	// ApplyPatch of RHEL 8 looks for the spec by the package's name.
	spec := filepath.Join(top, "SPECS", f.Name()+".spec")
	if err := os.Rename(filepath.Join(top, "SOURCES", "kernel.spec"), spec); err != nil {
		t.Fatal(err)
	}
	args := []string{"rpmbuild", "-bp", "--nodeps"}
	for _, d := range append(privateMacros(top), defines...) {
		args = append(args, "--define", d)
	}
	if err := command.Run(t.Context(), command.Cmd{Args: append(args, spec), Dir: top, Env: environment(top, shapeDate), Clean: true}); err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	root := filepath.Join(top, "BUILD")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// forThisRpm is a spec as the rpm that is here reads it: one since 4.20 refuses old ways.
func forThisRpm(t testing.TB, text []byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kernel.spec")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "rpmspec", "-P", file).CombinedOutput()
	if err == nil || !regexp.MustCompile("obsolete|is a built-in").Match(out) {
		return text
	}
	e, err := spec.Read("kernel.spec", text).Modernize()
	if err != nil {
		t.Fatal(err)
	}
	return e.Spec.Text()
}

var fileTag = regexp.MustCompile(`(?m)^(?:Source|Patch)\d*:\s*(\S+)|^(first\.patch|second\.patch)$`)

// makeShape makes a source package of a shape, with small sources of the right kinds.
func makeShape(t testing.TB, file, dir string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = forThisRpm(t, text)
	macros := map[string]string{}
	expand := func(s string) string {
		for range 8 {
			s = regexp.MustCompile(`%\{(\w+)\}`).ReplaceAllStringFunc(s, func(m string) string { return macros[m[2:len(m)-1]] })
		}
		return s
	}
	for _, m := range regexp.MustCompile(`(?m)^%(?:define|global)\s+(\w+)\s+(\S.*)$|^(Version):\s+(\S+)`).FindAllStringSubmatch(string(text), -1) {
		if m[3] != "" {
			m[1], m[2] = "version", m[4]
		}
		macros[m[1]] = m[2]
	}
	in := Inputs{Spec: spec.Read("kernel.spec", text), Texts: map[string][]byte{}, Date: shapeDate.AddDate(0, -1, 0)}
	if dist := shapeDist[filepath.Base(filepath.Dir(file))]; dist != "" {
		in.Defines = []string{"dist " + dist}
	}
	for _, m := range fileTag.FindAllStringSubmatch(string(text), -1) {
		name := expand(m[1] + m[2])
		switch {
		case strings.HasSuffix(name, ".tar.gz"):
			in.Texts[name] = tarball(t, strings.TrimSuffix(name, ".tar.gz"))
		case name == "linux-kernel-test.patch":
			in.Texts[name] = nil
		case strings.HasSuffix(name, ".patch"):
			diff := fmt.Sprintf("--- /dev/null\n+++ b/%s.mark\n@@ -0,0 +1 @@\n+%[1]s\n", name)
			in.Texts[name] = mail([]byte(diff), "A Tester <tester@example.com>", name, shapeDate)
		default:
			in.Texts[name] = []byte("data\n")
		}
	}
	path, err := Build(t.Context(), in, dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tarball packs a tree that looks like a kernel's from afar.
func tarball(t testing.TB, top string) []byte {
	t.Helper()
	return tarballOf(t, top, [][2]string{
		{"Makefile", "VERSION = 2\nPATCHLEVEL = 6\nEXTRAVERSION =\nall:\n\t:\n\tgcc -c fs/namespace.c\n"}, {"fs/namespace.c", original}, {"Documentation/Changes", "none\n"},
	})
}

func tarballOf(t testing.TB, top string, files [][2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		err := tw.WriteHeader(&tar.Header{Name: top + "/" + f[0], Mode: 0o644, Size: int64(len(f[1])), ModTime: shapeDate})
		if err != nil {
			t.Fatal(err)
		}
		tw.Write([]byte(f[1]))
	}
	tw.Close()
	zw.Close()
	return b.Bytes()
}
