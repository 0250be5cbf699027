// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Publishing 100 kernels against createrepo_c alone on the same packages: the first time, when all are
// copied, signed and verified, and once more, when one kernel is new.
func BenchmarkPublish(b *testing.B) {
	const kernels = 100
	f := newFixture(b)
	f.o.To = filepath.Join(b.TempDir(), "repo")
	b.Setenv("PUBLISH_KERNEL_MB", "10")
	for i := range kernels {
		release := fmt.Sprint(i + 1)
		f.keep("x86_64", release, nil)
		// The store has them; twice is too much for memory.
		os.RemoveAll(packages(b, "x86_64", release))
	}
	// The processors' time, ours and that of the programs, besides: a busy machine changes it less.
	cpu := func() (sum time.Duration) {
		for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
			var u syscall.Rusage
			if err := syscall.Getrusage(who, &u); err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		return sum
	}
	type took struct{ wall, cpu time.Duration }
	timed := func(do func()) took {
		start, used := time.Now(), cpu()
		do()
		return took{time.Since(start), cpu() - used}
	}
	createrepo := func() took {
		repo := filepath.Join(b.TempDir(), "plain")
		if err := os.MkdirAll(repo, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(f.o.To, "current/modern/packages"), filepath.Join(repo, "packages")); err != nil {
			b.Fatal(err)
		}
		return timed(func() {
			run(b, nil, "createrepo_c", "--quiet", "--no-database", "--general-compress-type", Modern.compression(), repo)
		})
	}
	for b.Loop() {
		first := timed(func() { f.publish() })
		alone := createrepo()
		f.keep("x86_64", fmt.Sprint(kernels+1), nil)
		again := timed(func() { f.publish() })
		for name, t := range map[string]took{"first": first, "again": again, "createrepo_c": alone} {
			b.ReportMetric(t.wall.Seconds(), name+"-s")
			b.ReportMetric(t.cpu.Seconds(), name+"-cpu-s")
			if name != "createrepo_c" {
				b.ReportMetric(t.wall.Seconds()/alone.wall.Seconds(), name+"/createrepo_c")
				b.ReportMetric(t.cpu.Seconds()/alone.cpu.Seconds(), name+"/createrepo_c-cpu")
			}
		}
	}
}
