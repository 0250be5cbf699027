// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"testing"

	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/source"
)

// BenchmarkLivepatch compares the way from a kernel package to a proved module with a run that has
// everything in the cache, by the clock and by processor time.
func BenchmarkLivepatch(b *testing.B) {
	const program = "../../bin/ovzpatch"
	images, _ := filepath.Glob("../../bin/test/debian/boot/vmlinuz-*")
	trees, _ := filepath.Glob("../../bin/test/debian/lib/modules/*")
	if len(images) != 1 || len(trees) != 1 {
		b.Fatal("no kernel of Debian's: make bin/test/debian")
	}
	kernel := []string{"--kernel", images[0], "--modules", trees[0]}
	timed(b, program, "run", source.Newest(source.Debian), "--cases", "force-idle") // for the cache
	for b.Loop() {
		before := childrenTime(b)
		run := timed(b, program, "run", source.Newest(source.Debian))
		runCPU := childrenTime(b) - before
		dir := b.TempDir()
		before = childrenTime(b)
		made := timed(b, append([]string{program, "livepatch", "-o", dir}, kernel...)...)
		test := timed(b, append([]string{program, "test", "--livepatch", filepath.Join(dir, livepatch.Name(1)+".ko")}, kernel...)...)
		moduleCPU := childrenTime(b) - before
		b.ReportMetric((made+test).Seconds()/run.Seconds(), "module/run")
		b.ReportMetric(moduleCPU.Seconds()/runCPU.Seconds(), "cpu-module/run")
		b.ReportMetric(run.Seconds(), "run-s")
		b.ReportMetric(made.Seconds(), "make-s")
		b.ReportMetric(test.Seconds(), "test-s")
	}
}
