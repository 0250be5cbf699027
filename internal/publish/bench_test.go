// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/runlock"
)

// A real kernel's package has 15 to 60 MB: createrepo_c alone reads every byte of them, and next to tiny packages only starts
// of programs would be measured. 100 of them take up to 10 GB on /var/tmp.
var (
	benchKernels = flag.Int("kernels", 100, "how many kernels BenchmarkPublish publishes")
	benchSize    = flag.Int("kernel-mb", 30, "how many MB each of them has, which cannot be compressed")
	benchFor     = flag.String("for", "modern", "for which profiles, with commas")
)

// took is what something cost by the clock, and of the processors: their time, ours and that of the programs, changes less on a
// busy machine.
type took struct{ wall, cpu time.Duration }

func timed(b *testing.B, do func()) took {
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
	start, used := time.Now(), cpu()
	do()
	return took{time.Since(start), cpu() - used}
}

// benchFits is how many kernels the disk takes, in the datastore and in the repository, with half of it left to others.
func benchFits(b *testing.B, disk string) int {
	var st syscall.Statfs_t
	if err := syscall.Statfs(disk, &st); err != nil {
		b.Fatal(err)
	}
	fit := int(int64(st.Bavail) * st.Bsize / 2 / (2 * int64(max(*benchSize, 1)) * 1e6))
	if fit < *benchKernels {
		b.Logf("the disk has room for %d kernels of %d MB, and not for %d", fit, *benchSize, *benchKernels)
	}
	return max(1, min(fit, *benchKernels))
}

// Publishing against createrepo_c alone on the same packages: the first time, when all are copied, signed and verified, and
// once more, when one kernel is new. createrepo_c reads the files right after each, so both find them in memory.
func BenchmarkPublish(b *testing.B) {
	f := newFixture(b)
	disk, err := os.MkdirTemp("/var/tmp", "ovzpublish-bench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(disk) })
	if f.store, err = datastore.Init(filepath.Join(disk, "store"), "", runlock.Place{Root: filepath.Join(testRoot, "bench-locks")}); err != nil {
		b.Fatal(err)
	}
	kernels := benchFits(b, disk)
	if f.o.Profiles = strings.Split(*benchFor, ","); slices.Contains(f.o.Profiles, string(RHEL5)) {
		f.o.GPGHome = oldKeyHome(b, f.o.GPGHome)
	}
	// Directories above a repository that others can write to are refused; /var/tmp has the sticky bit.
	f.o.To = filepath.Join(disk, "repo")
	b.Setenv("PUBLISH_KERNEL_MB", fmt.Sprint(*benchSize))
	keep := func(n int) {
		f.keep("x86_64", fmt.Sprint(n), nil)
		os.RemoveAll(packages(b, "x86_64", fmt.Sprint(n))) // the store has them, and memory is small
	}
	for i := range kernels {
		keep(i + 1)
	}
	plain := 0
	createrepo := func() took {
		plain++
		repo := filepath.Join(disk, fmt.Sprint("plain", plain))
		if err := os.MkdirAll(repo, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(f.o.To, currentLink, f.o.Profiles[0], "packages"), filepath.Join(repo, "packages")); err != nil {
			b.Fatal(err)
		}
		return timed(b, func() {
			run(b, nil, "createrepo_c", "--quiet", "--no-database", "--general-compress-type", Modern.compression(), repo)
		})
	}
	for b.Loop() {
		first := timed(b, func() { f.publish() })
		firstAlone := createrepo()
		keep(kernels + 1)
		again := timed(b, func() { f.publish() })
		againAlone := createrepo()
		same := timed(b, func() { f.publish() })
		for name, t := range map[string][2]took{"first": {first, firstAlone}, "again": {again, againAlone}, "unchanged": {same, againAlone}} {
			b.ReportMetric(t[0].wall.Seconds(), name+"-s")
			b.ReportMetric(t[0].cpu.Seconds(), name+"-cpu-s")
			b.ReportMetric(t[0].wall.Seconds()/t[1].wall.Seconds(), name+"/createrepo_c")
			b.ReportMetric(t[0].cpu.Seconds()/t[1].cpu.Seconds(), name+"/createrepo_c-cpu")
		}
		b.ReportMetric(firstAlone.wall.Seconds(), "createrepo_c-s")
		b.ReportMetric(firstAlone.cpu.Seconds(), "createrepo_c-cpu-s")
		b.ReportMetric(againAlone.wall.Seconds(), "createrepo_c-again-s")
		b.ReportMetric(againAlone.cpu.Seconds(), "createrepo_c-again-cpu-s")
	}
}
