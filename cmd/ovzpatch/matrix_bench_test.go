// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkMatrix measures what a matrix adds to its cells, by cells that are refused at once: the time
// of each beyond that of the same command alone, and a matrix of 200 cells that is all done.
func BenchmarkMatrix(b *testing.B) {
	program, dir := "../../bin/ovzpatch", b.TempDir()
	const cells = 200
	for i := range cells {
		// A tree of a kernel that no port fits.
		tree := filepath.Join(dir, "trees", fmt.Sprintf("tree%03d", i))
		if err := os.MkdirAll(tree, 0o755); err != nil {
			b.Fatal(err)
		}
		text := fmt.Sprintf("VERSION = 4\nPATCHLEVEL = 4\nSUBLEVEL = %d\nEXTRAVERSION =\n", i)
		if err := os.WriteFile(filepath.Join(tree, "Makefile"), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	file := filepath.Join(dir, "m.toml")
	text := "axes = { variants = [\"check\"] }\n[source.trees]\nglob = \"trees/*\"\n[expect]\n\"*\" = \"misfit\"\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		work := b.TempDir()
		all := timed(b, program, "matrix", file, "--jobs=1", "--output="+work)
		done := timed(b, program, "matrix", file, "--jobs=1", "--output="+work)
		var alone time.Duration
		for i := range cells {
			alone += timed(b, "sh", "-c", `"$@"; test $? = 3`, "sh", program, "check", "--report=json="+filepath.Join(dir, "r.json"), "--target=x86_64", "--",
				filepath.Join(dir, "trees", fmt.Sprintf("tree%03d", i)))
		}
		b.ReportMetric(float64((all-alone).Milliseconds())/cells, "overhead-ms/cell")
		b.ReportMetric(float64(alone.Milliseconds())/cells, "alone-ms/cell")
		b.ReportMetric(done.Seconds(), "done-s")
	}
}
