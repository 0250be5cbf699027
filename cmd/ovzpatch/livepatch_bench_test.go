// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"testing"
	"time"

	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/source"
)

// BenchmarkLivepatch compares, by the clock and by processor time, the way from a kernel package to a proved
// module with two runs on a warm cache: one that finds both kernels there and boots them, and one after an
// edit of the port, which compiles and links as well.
func BenchmarkLivepatch(b *testing.B) {
	const program = "../../bin/ovzpatch"
	images, _ := filepath.Glob("../../bin/test/debian/boot/vmlinuz-*")
	trees, _ := filepath.Glob("../../bin/test/debian/lib/modules/*")
	if len(images) != 1 || len(trees) != 1 {
		b.Fatal("no kernel of Debian's: make bin/test/debian")
	}
	kernel := []string{"--kernel", images[0], "--modules", trees[0]}
	timed(b, program, "run", source.Newest(source.Debian), "--cases", "force-idle") // for the cache
	both := func(args ...string) (wall, cpu time.Duration) {
		before := childrenTime(b)
		wall = timed(b, append([]string{program}, args...)...)
		return wall, childrenTime(b) - before
	}
	for b.Loop() {
		found, foundCPU := both("run", source.Newest(source.Debian))
		edit, editCPU := both("run", source.Newest(source.Debian), "--patch", edited(b))
		dir := b.TempDir()
		made, madeCPU := both(append([]string{"livepatch", "-o", dir}, kernel...)...)
		test, testCPU := both(append([]string{"test", "--livepatch", filepath.Join(dir, livepatch.Name(1)+".ko")}, kernel...)...)
		b.ReportMetric((made+test).Seconds()/found.Seconds(), "module/found")
		b.ReportMetric((made+test).Seconds()/edit.Seconds(), "module/edit")
		b.ReportMetric((madeCPU+testCPU).Seconds()/foundCPU.Seconds(), "cpu-module/found")
		b.ReportMetric((madeCPU+testCPU).Seconds()/editCPU.Seconds(), "cpu-module/edit")
		for name, t := range map[string]time.Duration{
			"found-s": found, "edit-s": edit, "make-s": made, "test-s": test,
			"cpu-found-s": foundCPU, "cpu-edit-s": editCPU, "cpu-make-s": madeCPU, "cpu-test-s": testCPU,
		} {
			b.ReportMetric(t.Seconds(), name)
		}
	}
}
