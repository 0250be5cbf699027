// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/mutant"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/source"
	"ovzpatch/internal/trial"
	"ovzpatch/patches"
)

// No wrong port that the rules of internal/mutant make of ours passes for one that protects,
// but for those that are listed, each with the reason. They are all in one kernel, and
// `ovz_mutant=` on its command line chooses; number 0 is the port itself. `make test` and
// `make mutants` run it, a quarter of an hour and more.
func TestBootedMutants(t *testing.T) {
	long(t)
	pattern := os.Getenv("OVZPATCH_TEST_MUTANTS")
	if pattern == "" {
		t.Skip("make test and make mutants run this")
	}
	chosen := regexp.MustCompile(pattern)
	together, kernel := mutantKernel(t)
	k, o := togetherUnpacked(t, kernel)
	survive := survivors(t, "testdata/mutants/mainline-6.1.txt")
	passed := make([]bool, len(together.Names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				m, err := trial.Machine(t.Context(), k, o)
				if err != nil {
					t.Error(err)
					return
				}
				m.Spare = qemu.WithoutACPI
				m.Append = []string{fmt.Sprintf("%s=%d", mutant.Parameter, i), "umounttest.stop=fault"}
				done, err := m.Run(t.Context())
				verdict, why := outcome(done, err)
				passed[i] = verdict == guest.Protected
				t.Logf("%d %s: %s %s", i, together.Names[i], verdict, why)
			}
		})
	}
	for i, name := range together.Names {
		if t.Context().Err() == nil && !t.Failed() && (i == 0 || chosen.MatchString(name)) {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	if !passed[0] {
		t.Fatal("the port itself is not protected: what the mutants show means nothing")
	}
	for i, name := range together.Names[1:] {
		reason, listed := survive[name]
		switch {
		case !chosen.MatchString(name):
		case passed[i+1] && !listed:
			t.Errorf("survives: %s", name)
		case !passed[i+1] && listed:
			t.Errorf("is listed as a survivor and was caught: %s (%s)", name, reason)
		}
	}
}

// outcome is the verdict of a boot, and in a few words why.
func outcome(boot qemu.Boot, err error) (guest.Verdict, string) {
	var be *qemu.BootError
	if errors.As(err, &be) && be.Outcome != qemu.NotStarted && be.Outcome != qemu.Died {
		return guest.Faulty, string(be.Outcome)
	}
	if err != nil {
		return guest.Inconclusive, err.Error()
	}
	why := ""
	verdict := guest.Inconclusive
	for _, e := range boot.Events {
		if e.Case != nil && (e.Case.Verdict == guest.Faulty || e.Case.Verdict == guest.Vulnerable) && why == "" {
			why = e.Case.Backend + "/" + e.Case.Name + " " + e.Case.Why
		}
		if e.Done != nil {
			verdict = e.Done.Verdict
		}
	}
	return verdict, why
}

// survivors reads a list of mutants that pass, a line each: the name, " -- ", the reason.
func survivors(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for l := range strings.Lines(string(data)) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "# ") {
			continue
		}
		i := strings.LastIndex(l, " -- ")
		if i < 0 {
			t.Fatalf("%s: %q has no reason", path, l)
		}
		all[l[:i]] = l[i+len(" -- "):]
	}
	return all
}

// mutantKernel builds the kernel and returns its package.
func mutantKernel(t *testing.T) (*mutant.Together, string) {
	t.Helper()
	dir, before := fsSource(t)
	sh := func(command string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	whole := ownPort(t, before)
	mutants, err := mutant.Generate(whole)
	if err != nil {
		t.Fatal(err)
	}
	packages := filepath.Join(dir, "port")
	if _, stderr, code := ovzpatch(t, "build", source.Newest(source.Debian), "-o", packages); code != 0 {
		t.Fatalf("build: exit code %d\n%s", code, stderr)
	}
	sh("mkdir devel && cd devel && rpm2cpio " + onlyOne(t, filepath.Join(packages, "kernel-ovz-devel-6*.rpm")) + " | cpio -id --quiet")
	// The kernel's own headers of the directory lie beside it, as they do in the kernel.
	module := filepath.Join(dir, "fs")
	write(t, filepath.Join(module, "Kbuild"), []byte("obj-m := together.o\n"))
	leaveOut := map[string]bool{}
	for range 10 {
		together, err := mutant.PutTogether(whole, mutants, leaveOut)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(module, "together.c"), together.Source)
		out := sh("rm -f fs/together.o; LC_ALL=C.UTF-8 make -C devel/usr/src/kernels/* M=" + module + " together.o 2>&1 || true")
		found := false
		// An error in a macro is told of a header: then the function says whose it is.
		guilty, function := "", regexp.MustCompile(`In function ‘\w+_(\d+)’`)
		position := regexp.MustCompile(`together\.c:(\d+):\d+: error`)
		for l := range strings.Lines(out) {
			if m := function.FindStringSubmatch(l); m != nil {
				i, err := strconv.Atoi(m[1])
				if err != nil || i >= len(together.Names) {
					t.Fatalf("a function of no mutant's has something to say: %s\n%s", l, out)
				}
				guilty = together.Names[i]
			}
			if !strings.Contains(l, ": error:") {
				continue
			}
			name := guilty
			if m := position.FindStringSubmatch(l); m != nil {
				line, err := strconv.Atoi(m[1])
				if err != nil {
					t.Fatal(err)
				}
				name = together.At(line)
			}
			if name != "" && !leaveOut[name] {
				leaveOut[name], found = true, true
			}
		}
		if found {
			continue
		}
		if strings.Contains(out, "error:") {
			t.Fatalf("the mutants do not compile together\n%s", out)
		}
		t.Logf("%d mutants; %d do not compile, %d change something else", len(together.Names)-1, len(leaveOut), len(together.Outside))
		if len(together.Names) < 61 {
			t.Fatalf("only %d mutants compile\n%s", len(together.Names)-1, out)
		}
		return together, togetherKernel(t, before, together)
	}
	t.Fatal("there is always one more mutant that does not compile")
	return nil, ""
}

// fsSource unpacks what the kernel's source has of namespace.c into the directory fs of a new one.
func fsSource(t *testing.T) (dir string, namespace []byte) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.CommandContext(t.Context(), "tar", "-xf", source.Newest(source.Debian), "--strip-components=1", "-C", dir, "--wildcards", "*/"+gate.File, "*/fs/*.h").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if namespace, err = os.ReadFile(filepath.Join(dir, gate.File)); err != nil {
		t.Fatal(err)
	}
	return dir, namespace
}

// ownPort is our port of that source, as a diff with all of the file.
func ownPort(t *testing.T, before []byte) []byte {
	t.Helper()
	port, err := patches.ForLine("mainline-6.1")
	if err != nil {
		t.Fatal(err)
	}
	after, err := patched(port.Data, before)
	if err != nil {
		t.Fatal(err)
	}
	return wide(t, before, after, wholeFile)
}

// wholeFile is more lines than any file of the kernel's source has.
const wholeFile = 100_000

// togetherKernel builds the kernel of mutants that were put together, and returns its package.
func togetherKernel(t *testing.T, before []byte, together *mutant.Together) string {
	t.Helper()
	dir := t.TempDir()
	patch, built := filepath.Join(dir, "mutants.patch"), filepath.Join(dir, "mutants")
	write(t, patch, wide(t, before, together.Source, 3))
	if _, stderr, code := ovzpatch(t, "build", source.Newest(source.Debian), "--patch", patch, "--misplaced", "-o", built); code != 0 {
		t.Fatalf("build: exit code %d\n%s", code, stderr)
	}
	return onlyOne(t, filepath.Join(built, "kernel-ovz-6*.x86_64.rpm"))
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func onlyOne(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v (%v)", pattern, found, err)
	}
	return found[0]
}

// togetherUnpacked unpacks a kernel of several ports, to be booted with what it returns.
func togetherUnpacked(t *testing.T, pkg string) (*trial.Kernel, trial.Options) {
	t.Helper()
	home, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	o := trial.Options{Cache: cache.Cache{Dir: defaultCache()}, Home: home, Report: job.Quiet{}}
	if err := o.Accelerate(t.Context()); err != nil {
		t.Fatal(err)
	}
	k, err := trial.Choice{Package: pkg}.Unpack(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return k, o
}
