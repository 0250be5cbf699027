// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ovzpatch/internal/source"
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

// BenchmarkMatrixOfFour compares a matrix of four cells, Debian's kernel with and without the patch for
// two targets, with the same four calls of ovzpatch run one after another.
//
//   - built: all four kernels are in the user's cache, so a cell reads the source, boots and judges.
//   - cold: the matrix begins with an empty cache, the calls each with one of its own (own-caches), or
//     all with one that is empty at first (one-cache).
func BenchmarkMatrixOfFour(b *testing.B) {
	program, dir := "../../bin/ovzpatch", b.TempDir()
	file := filepath.Join(dir, "m.toml")
	text := fmt.Sprintf("axes = { targets = [\"x86_64\", \"i686\"] }\n[source.debian]\npath = %q\n", source.Newest(source.Debian))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	matrix := func(cache string) time.Duration {
		return timed(b, program, "matrix", file, "--cache-dir="+cache, "--output="+b.TempDir())
	}
	singles := func(cache func() string) (all time.Duration) {
		for _, target := range []string{"x86_64", "i686"} {
			for _, variant := range []string{"with", "without"} {
				dir := cache()
				all += timed(b, program, "run", source.Newest(source.Debian), "--target="+target, "--only="+variant, "--cache-dir="+dir)
			}
		}
		return all
	}
	empty := func() string { return filepath.Join(b.TempDir(), "cache") }
	always := func(dir string) func() string { return func() string { return dir } }
	compare := func(b *testing.B, unit string, matrix, singles time.Duration) {
		b.ReportMetric(matrix.Seconds()/singles.Seconds(), "matrix/"+unit)
		b.ReportMetric(matrix.Seconds(), "matrix-s")
		b.ReportMetric(singles.Seconds(), unit+"-s")
	}
	b.Run("built", func(b *testing.B) {
		mine := defaultCache()
		matrix(mine) // what is missing there
		for b.Loop() {
			compare(b, "singles", matrix(mine), singles(always(mine)))
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			all := matrix(empty())
			compare(b, "own-caches", all, singles(empty))
			compare(b, "one-cache", all, singles(always(empty())))
		}
	})
}
