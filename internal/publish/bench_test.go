// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"os"
	"path/filepath"
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
	timed := func(do func()) time.Duration {
		start := time.Now()
		do()
		return time.Since(start)
	}
	createrepo := func() time.Duration {
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
		b.ReportMetric(first.Seconds(), "first-s")
		b.ReportMetric(again.Seconds(), "again-s")
		b.ReportMetric(alone.Seconds(), "createrepo_c-s")
		b.ReportMetric(first.Seconds()/alone.Seconds(), "first/createrepo_c")
		b.ReportMetric(again.Seconds()/alone.Seconds(), "again/createrepo_c")
	}
}
