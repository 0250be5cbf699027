// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
	"ovzpatch/internal/qemu"
	"ovzpatch/internal/source"
	"ovzpatch/internal/trial"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// timed runs a command and returns its wall time.
func timed(b *testing.B, args ...string) time.Duration {
	b.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(b.Context(), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
	return time.Since(start)
}

// compiled is how many files the build that these arguments of ovzpatch build find in the cache compiled.
func compiled(b *testing.B, args ...string) float64 {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), "../../bin/ovzpatch", append([]string{"build", "--json"}, args...)...).Output()
	var made struct{ Compiled int }
	if err := errors.Join(err, json.Unmarshal(out, &made)); err != nil {
		b.Fatal(err)
	}
	return float64(made.Compiled)
}

// edited is our port of mainline with another comment, which no cache knows.
func edited(b *testing.B) string {
	b.Helper()
	port, err := patches.ForLine("mainline-6.1")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), patches.Name)
	text := bytes.Replace(port.Data, []byte("/* With MNT_EXPIRE"), fmt.Appendf(nil, "/* %d: with MNT_EXPIRE", time.Now().Unix()), 1)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkRun compares, in one run on one machine: a cold build of the first kernel with
// plain `make bzImage modules` of the same tree and configuration (the small one of a plain run), and a run in which
// only the port's text changed with a cold one. It says how many files the kernels after the first compiled.
func BenchmarkRun(b *testing.B) {
	program, cache := "../../bin/ovzpatch", b.TempDir()
	jobs := "-j" + strconv.Itoa(runtime.NumCPU()+1)
	for b.Loop() {
		tree := b.TempDir()
		timed(b, "tar", "-xf", source.Newest(source.Debian), "-C", tree, "--strip-components=1")
		name, config, err := specs.GuestConfig("mainline-6.1", "x86_64")
		if err != nil {
			b.Fatal(err)
		}
		config0 := filepath.Join(tree, "..", name)
		if err := os.WriteFile(config0, config, 0o644); err != nil {
			b.Fatal(err)
		}
		timed(b, "make", "-C", tree, "KCONFIG_ALLCONFIG="+config0, "allnoconfig")
		raw := timed(b, "make", "-C", tree, jobs, "bzImage", "modules")
		os.RemoveAll(tree)

		build := timed(b, program, "build", source.Newest(source.Debian), "--config", config0, "--cache-dir", cache)
		rest := timed(b, program, "run", source.Newest(source.Debian), "--config", config0, "--cache-dir", cache)

		changed := edited(b)
		warm := timed(b, program, "run", source.Newest(source.Debian), "--config", config0, "--cache-dir", cache, "--patch", changed)
		b.ReportMetric(build.Seconds()/raw.Seconds(), "cold/make")
		b.ReportMetric(warm.Seconds()/(build+rest).Seconds(), "warm/cold")
		b.ReportMetric(raw.Seconds(), "make-s")
		b.ReportMetric((build + rest).Seconds(), "cold-s")
		b.ReportMetric(warm.Seconds(), "warm-s")
		b.ReportMetric(compiled(b, source.Newest(source.Debian), "--config", config0, "--cache-dir", cache), "cold-files")
		b.ReportMetric(compiled(b, source.Newest(source.Debian), "--config", config0, "--cache-dir", cache, "--without-patch"), "second-files")
		b.ReportMetric(compiled(b, source.Newest(source.Debian), "--config", config0, "--cache-dir", cache, "--patch", changed), "warm-files")
	}
}

// BenchmarkGuest compares, for each kernel, all cases of one boot with booting the same
// kernel to an empty init that powers off, under the same QEMU. The kernels are Debian's
// 6.1 for both architectures, and the packages in the directories that
// OVZPATCH_BENCH_KERNELS names (one after another, with colons).
func BenchmarkGuest(b *testing.B) {
	home, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	o := trial.Options{Cache: cache.Cache{Dir: defaultCache()}, Home: home, Report: job.Quiet{}}
	if err := o.Accelerate(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, target := range []string{"x86_64", "i686"} {
		b.Run("debian-6.1-"+target, func(b *testing.B) {
			packages := b.TempDir()
			timed(b, "../../bin/ovzpatch", "build", source.Newest(source.Debian), "--target="+target, "-o", packages)
			benchmarkKernels(b, o, packages)
		})
	}
	for _, dir := range filepath.SplitList(os.Getenv("OVZPATCH_BENCH_KERNELS")) {
		benchmarkKernels(b, o, dir)
	}
}

// benchmarkKernels measures every kernel package in a directory.
func benchmarkKernels(b *testing.B, o trial.Options, dir string) {
	for _, kernel := range kernelPackages(b, dir) {
		b.Run(strings.TrimSuffix(filepath.Base(kernel), ".rpm"), func(b *testing.B) {
			k, err := trial.Choice{Package: kernel}.Unpack(b.Context(), b.TempDir(), o)
			if err != nil {
				b.Fatal(err)
			}
			compareBoots(b, k, o)
		})
	}
}

// kernelPackages returns the kernels in a directory that a build left.
func kernelPackages(b *testing.B, dir string) []string {
	all, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	kernels := slices.DeleteFunc(all, func(path string) bool {
		name := filepath.Base(path)
		return strings.Contains(name, "-devel-") || strings.HasSuffix(name, ".src.rpm")
	})
	if err != nil || len(kernels) == 0 {
		b.Fatalf("no kernel package in %s (%v)", dir, err)
	}
	return kernels
}

// compareBoots measures one kernel: to the verdict, and to an empty init. The processor
// time says what a machine that is busy with other things does not change.
func compareBoots(b *testing.B, k *trial.Kernel, o trial.Options) {
	boot := func(words ...string) (elapsed, processor time.Duration) {
		m, err := trial.Machine(b.Context(), k, o)
		if err != nil {
			b.Fatal(err)
		}
		m.Append = words
		before := childrenTime(b)
		done, err := m.Run(b.Context())
		var be *qemu.BootError
		// An empty init says nothing, which for a trial would be a failure.
		if err != nil && !(len(words) > 0 && errors.As(err, &be) && be.Outcome == qemu.EndedEarly) {
			b.Fatal(err)
		}
		return done.Elapsed, childrenTime(b) - before
	}
	var all, empty, allCPU, emptyCPU time.Duration
	for b.Loop() {
		elapsed, cpu := boot("umounttest.mode=empty")
		empty, emptyCPU = empty+elapsed, emptyCPU+cpu
		elapsed, cpu = boot()
		all, allCPU = all+elapsed, allCPU+cpu
	}
	b.ReportMetric(all.Seconds()/empty.Seconds(), "cases/empty")
	b.ReportMetric(empty.Seconds()/float64(b.N), "empty-s")
	b.ReportMetric(all.Seconds()/float64(b.N), "cases-s")
	b.ReportMetric(allCPU.Seconds()/emptyCPU.Seconds(), "cpu-cases/empty")
	b.ReportMetric(emptyCPU.Seconds()/float64(b.N), "cpu-empty-s")
	b.ReportMetric(allCPU.Seconds()/float64(b.N), "cpu-cases-s")
}

// childrenTime is the processor time of the programs that were started and have ended.
func childrenTime(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
