// SPDX-License-Identifier: Apache-2.0

package rpmbuild_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/rpmbuild"
)

func TestArgs(t *testing.T) {
	got := rpmbuild.Job{
		Spec: "/t/SPECS/k.spec", Topdir: "/t", BuildDir: "/b", Target: "i686",
		With: []string{"headers"}, Without: []string{"ovzpatch"},
		Defines: []rpmbuild.Define{{Name: "dist", Value: ".el5"}}, NoDeps: true, Jobs: 3,
	}.Args()
	want := []string{
		"rpmbuild", "-bb",
		"--define", "_topdir /t",
		"--define", "_tmppath /t/tmp",
		"--define", "_buildshell /bin/bash",
		"--define", "_specdir /t/SPECS",
		"--define", "_sourcedir /t/SOURCES",
		"--define", "_srcrpmdir /t/SRPMS",
		"--define", "_builddir /t/BUILD",
		"--define", "_rpmdir /t/RPMS",
		"--define", "_buildrootdir /t/BUILDROOT",
		"--define", "_buildhost ovzpatch",
		"--define", "use_source_date_epoch_as_buildtime 1",
		"--define", "clamp_mtime_to_source_date_epoch 1",
		"--define", "_rpmformat 4",
		"--define", "_builddir /b",
		"--define", "PACKAGE_VERSION %{version}",
		"--define", "PACKAGE_RELEASE %{release}",
		"--define", "_build_id_links none",
		"--define", "__spec_install_pre %{___build_pre}\\\nmkdir -p \"$RPM_BUILD_ROOT\"",
		"--define", "_smp_mflags -j3",
		"--define", "dist .el5",
		"--target", "i686", "--with", "headers", "--without", "ovzpatch", "--nodeps",
		"/t/SPECS/k.spec",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	gentle := rpmbuild.Job{Spec: "/t/SPECS/k.spec", Topdir: "/t", Nice: 10}.Args()
	if want := []string{"nice", "-n", "10", "ionice", "-t", "-c", "2", "-n", "7", "rpmbuild", "-bb"}; !slices.Equal(gentle[:len(want)], want) {
		t.Errorf("got %q", gentle)
	}
}

// What runs is as nice as was asked for, and the disk's lowest.
func TestRunIsNice(t *testing.T) {
	top := t.TempDir()
	job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, NoDeps: true, Nice: 3, Log: filepath.Join(top, "log")}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(top, "said")
	if err := os.WriteFile(job.Spec, []byte(strings.Replace(spec, "BUILD", "{ nice; ionice; } >"+out, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := exec.Command("nice").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {}); err != nil {
		t.Fatal(err)
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(before)))
	if err != nil {
		t.Fatal(err)
	}
	said, _ := os.ReadFile(out)
	if want := fmt.Sprintf("%d\nbest-effort: prio 7\n", min(own+3, 19)); string(said) != want {
		t.Errorf("said %q, want %q", said, want)
	}
}

// What is known of rpm's build directory is what it does.
func TestEmptiesBuildDir(t *testing.T) {
	top := t.TempDir()
	job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, NoDeps: true, Log: filepath.Join(top, "log")}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	// A build that failed leaves its directory in any case.
	script := strings.Replace(spec, "BUILD", "[ ! -e kept.o ] || echo KEPT\ntouch kept.o\nexit 1", 1)
	if err := os.WriteFile(job.Spec, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {}); err == nil {
			t.Fatal("the build was to fail")
		}
	}
	log, err := os.ReadFile(job.Log)
	if err != nil {
		t.Fatal(err)
	}
	kept := slices.Contains(strings.Split(string(log), "\n"), "KEPT")
	if emptied := (rpmbuild.Root{}).EmptiesBuildDir(t.Context()); emptied == kept {
		t.Errorf("emptied: %v, kept: %v\n%s", emptied, kept, log)
	}
}

// spec builds a small package; its %build does what a test wants.
const spec = `Name: tiny
Version: 1
Release: 1
Summary: tiny
License: GPL-2.0-only
BuildArch: noarch
%description
tiny
%prep
%build
BUILD
%install
mkdir -p %{buildroot}/usr/share
echo hi > %{buildroot}/usr/share/tiny
%files
/usr/share/tiny
`

// run builds a tiny package with the real rpmbuild.
func run(t *testing.T, ctx context.Context, build string) (*rpmbuild.Result, []rpmbuild.Progress, error) {
	t.Helper()
	top := t.TempDir()
	job := rpmbuild.Job{
		Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, NoDeps: true,
		Epoch: 1_700_000_000, Log: filepath.Join(top, "log"),
	}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(job.Spec, []byte(strings.Replace(spec, "BUILD", build, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	var seen []rpmbuild.Progress
	res, err := rpmbuild.Run(ctx, job, func(p rpmbuild.Progress) { seen = append(seen, p) })
	return res, seen, err
}

func TestRunTellsPackagesAndProgress(t *testing.T) {
	res, seen, err := run(t, t.Context(), `echo '  CC      fs/namespace.o'
echo 'fs/namespace.c:10:2: warning: unused variable'
echo '  CC [M]  fs/ext4/inode.o'
echo '  LD      vmlinux'`)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Packages) != 1 || filepath.Base(res.Packages[0]) != "tiny-1-1.noarch.rpm" || res.Source != "" {
		t.Errorf("packages %q, source %q", res.Packages, res.Source)
	}
	if res.Compiled != 2 || res.Warnings != 1 {
		t.Errorf("compiled %d, warnings %d", res.Compiled, res.Warnings)
	}
	var phases []string
	for _, p := range seen {
		if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
			phases = append(phases, p.Phase)
		}
	}
	if got := strings.Join(phases, " "); !strings.HasPrefix(got, "%prep %build %install packages") {
		t.Errorf("phases %s", got)
	}
}

func TestRunShowsTheFirstError(t *testing.T) {
	_, _, err := run(t, t.Context(), `echo '  CC      fs/namespace.o'
echo 'fs/namespace.c:1820:9: error: expected ; before return'
echo ' 1820 |  return ret'
echo 'make[3]: *** [scripts/Makefile.build:250: fs/namespace.o] Error 1'
exit 2`)
	var be *rpmbuild.Error
	if !errors.As(err, &be) {
		t.Fatalf("got %v", err)
	}
	if be.Phase != "%build" || be.Full || len(be.Lines) < 2 || !strings.Contains(be.Lines[0], "namespace.c:1820:9: error") {
		t.Errorf("got %+v", be)
	}
	if !strings.Contains(err.Error(), be.Log) {
		t.Errorf("the error names no log: %v", err)
	}
}

// Specs of RHEL 6 have conditions that rpm of today cannot read.
func TestRunTellsAnUnreadableSpec(t *testing.T) {
	top := t.TempDir()
	job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, NoDeps: true, Log: filepath.Join(top, "log")}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(job.Spec, []byte("%if smp == \"debug\"\n%endif\n"+spec), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {})
	for _, want := range []string{"rpmbuild cannot read the spec\n  error: bare words", "bad %if condition", "an rpm of its time (--root)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A failure without a word that means error is explained by the last lines.
func TestRunShowsTheLastLines(t *testing.T) {
	_, _, err := run(t, t.Context(), `echo 'ln: there already'
false`)
	var be *rpmbuild.Error
	if !errors.As(err, &be) || len(be.Lines) == 0 || be.Lines[len(be.Lines)-1] != "ln: there already" {
		t.Errorf("got %v", err)
	}
}

func TestRunTellsAFullDisk(t *testing.T) {
	_, _, err := run(t, t.Context(), `cat /dev/zero > /dev/full`)
	var be *rpmbuild.Error
	if !errors.As(err, &be) || !be.Full || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("got %v", err)
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_, _, err := run(t, ctx, `sleep 600`)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("took %v to stop", took)
	}
}

// rpm asks its database, which has nothing here, before it begins.
func TestRunTellsMissingRequires(t *testing.T) {
	top := t.TempDir()
	job := rpmbuild.Job{
		Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, Log: filepath.Join(top, "log"),
		Defines: []rpmbuild.Define{{Name: "_dbpath", Value: filepath.Join(top, "db")}},
	}
	if err := job.Dirs(); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(spec, "BuildArch: noarch\n", "BuildArch: noarch\nBuildRequires: no-such-thing >= 1.2, perl(No::Such)\n", 1)
	if err := os.WriteFile(job.Spec, []byte(strings.Replace(text, "BUILD", "true", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {})
	var be *rpmbuild.Error
	if !errors.As(err, &be) || !slices.Equal(be.Missing, []string{"no-such-thing >= 1.2", "perl(No::Such)"}) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "dnf install 'no-such-thing' 'perl(No::Such)'") {
		t.Errorf("no advice: %v", err)
	}
}

// `git apply` passes over a tree's files, without a word, where the tree lies in a
// repository. One around the build is not the package's.
func TestRepositoriesAroundTheBuildDoNotCount(t *testing.T) {
	project := t.TempDir()
	if out, err := exec.Command("git", "init", "-q", project).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const apply = `mkdir tree; cd tree; echo old >f
printf 'diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n' >p
git apply -p1 p; grep new f
cd ..; cp tree/p .; echo old >f
git apply -p1 p; grep new f`
	for name, build := range map[string]string{"in the topdir": "", "a build directory of its own": filepath.Join(project, "kept", "BUILD")} {
		t.Run(name, func(t *testing.T) {
			top := filepath.Join(project, "build", t.Name())
			job := rpmbuild.Job{Spec: filepath.Join(top, "SPECS", "tiny.spec"), Topdir: top, BuildDir: build, NoDeps: true, Log: filepath.Join(top, "log")}
			if err := job.Dirs(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(job.Spec, []byte(strings.Replace(spec, "BUILD", apply, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := rpmbuild.Run(t.Context(), job, func(rpmbuild.Progress) {}); err != nil {
				t.Error(err)
			}
		})
	}
}
