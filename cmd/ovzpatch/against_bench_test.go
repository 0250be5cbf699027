// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/source"
	"ovzpatch/patches"
)

// cost is what one command took. Processor time and memory count the programs it started, too; peak is the
// memory of the largest of them, in KiB.
type cost struct {
	wall, processor time.Duration
	peak            int64
}

// revision is one version of ovzpatch: a fresh clone, with caches of its own that are empty at first. Only Go's
// modules are shared.
type revision struct {
	name, dir string
}

func clone(b *testing.B, rev string) revision {
	b.Helper()
	r := revision{rev, filepath.Join(b.TempDir(), "ovzpatch")}
	timed(b, "git", "clone", "-q", "--no-checkout", "../..", r.dir)
	timed(b, "git", "-C", r.dir, "checkout", "-q", "--detach", rev)
	return r
}

// run runs a command in the clone.
func (r revision) run(b *testing.B, args ...string) cost {
	b.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(b.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &out, &out
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(r.dir), "cache"))
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %s: %v\n%s", r.name, strings.Join(args, " "), err, out.String())
	}
	c := cost{
		wall:      time.Since(start),
		processor: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		peak:      cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss,
	}
	fmt.Fprintf(os.Stderr, "%-9.9s %7.1f s, processor %7.1f s, peak %4d MiB: %s\n", r.name, c.wall.Seconds(), c.processor.Seconds(), c.peak>>10, strings.Join(args, " "))
	return c
}

// BenchmarkAgainst compares this commit with an older one, which OVZPATCH_BENCH_REV names, step by step side by
// side: the ways from a bare clone, from a kernel source, from an edited patch and from a finished package to the verdict.
// It takes as long as three cold builds of each.
func BenchmarkAgainst(b *testing.B) {
	rev := os.Getenv("OVZPATCH_BENCH_REV")
	if rev == "" {
		b.Skip("make bench-against REV=COMMIT runs it")
	}
	src := source.Newest(source.Debian)
	port, err := patches.ForLine("mainline-6.1")
	if err != nil {
		b.Fatal(err)
	}
	edited := filepath.Join(b.TempDir(), patches.Name)
	if err := os.WriteFile(edited, bytes.Replace(port.Data, []byte("/* With MNT_EXPIRE"), []byte("/* Together with MNT_EXPIRE"), 1), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		was, is := clone(b, rev), clone(b, "HEAD")
		packages := filepath.Join(b.TempDir(), "packages")
		// both runs one command in both clones; a word DIR is a directory that each has for itself.
		both := func(name string, args ...string) (old, now cost) {
			of := func(r revision) cost {
				dir := filepath.Join(filepath.Dir(r.dir), "own")
				own := slices.Clone(args)
				for i := range own {
					own[i] = strings.ReplaceAll(own[i], "DIR", dir)
				}
				return r.run(b, own...)
			}
			old, now = of(was), of(is)
			b.ReportMetric(now.wall.Seconds()/old.wall.Seconds(), name)
			b.ReportMetric(now.processor.Seconds()/old.processor.Seconds(), name+"-cpu")
			return old, now
		}
		both("demo", "make", "demo")
		// The first check puts the sources in the cache; what follows is about a source that was seen.
		old, now := both("check-first", "env", "XDG_CACHE_HOME=DIR/check", "bin/ovzpatch", "check", src)
		b.ReportMetric(float64(now.peak)/float64(old.peak), "check-memory")
		both("check", "env", "XDG_CACHE_HOME=DIR/check", "bin/ovzpatch", "check", src)
		old, now = both("srpm", "bin/ovzpatch", "srpm", src, "-o", "DIR/srpm")
		b.ReportMetric(float64(now.peak)/float64(old.peak), "srpm-memory")

		both("run-cold", "bin/ovzpatch", "run", src, "--cache-dir", "DIR/run")
		both("run-edited", "bin/ovzpatch", "run", src, "--cache-dir", "DIR/run", "--patch", edited)

		// One package for both, so that the kernel is the same.
		is.run(b, "bin/ovzpatch", "build", src, "-o", packages)
		pkg := kernelPackages(b, packages)[0]
		old, _ = both("test", "bin/ovzpatch", "test", pkg, "--cache-dir", "DIR/run")
		// The same work: only the cases that the older commit has.
		now = is.run(b, "bin/ovzpatch", "test", pkg, "--cache-dir", filepath.Join(filepath.Dir(is.dir), "own", "run"), "--cases", casesOf(b, was, pkg))
		b.ReportMetric(now.wall.Seconds()/old.wall.Seconds(), "test-its-cases")
		b.ReportMetric(now.processor.Seconds()/old.processor.Seconds(), "test-its-cases-cpu")
	}
}

// casesOf returns the pattern for --cases of what a commit tries with a package.
func casesOf(b *testing.B, r revision, pkg string) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "bin/ovzpatch", "test", pkg, "--json")
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(r.dir), "cache"))
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: test --json: %v", r.name, err)
	}
	var report struct {
		Kernels []struct {
			Results []struct{ Name string }
		}
	}
	if err := json.Unmarshal(out, &report); err != nil || len(report.Kernels) != 1 {
		b.Fatalf("%s: test --json: %v\n%s", r.name, err, out)
	}
	var names []string
	for _, c := range report.Kernels[0].Results {
		names = append(names, regexp.QuoteMeta(c.Name))
	}
	return "^(" + strings.Join(names, "|") + ")$"
}
