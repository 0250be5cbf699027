// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkApply measures a patch of several megabytes and a series of a few hundred
// patches against GNU patch and git apply: each starts as a program of its own, on a
// fresh tree, and the quickest of some runs counts. "of-patch" and "of-git" are this
// package's time divided by theirs: below 1 it is faster.
func BenchmarkApply(b *testing.B) {
	for _, work := range []struct {
		name string
		make func() (files map[string]string, patch string)
	}{{"large-patch", largePatch}, {"long-series", longSeries}} {
		b.Run(work.name, func(b *testing.B) {
			files, text := work.make()
			file := filepath.Join(b.TempDir(), "p")
			if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
				b.Fatal(err)
			}
			exe, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			tools := map[string]func(dir string) *exec.Cmd{
				"ours": func(dir string) *exec.Cmd {
					cmd := exec.Command(exe)
					cmd.Env = append(os.Environ(), "PATCH_TEST_TREE="+dir, "PATCH_TEST_PATCH="+file)
					return cmd
				},
				"patch": func(dir string) *exec.Cmd {
					return exec.Command("patch", "-p1", "-s", "-f", "-d", dir, "-i", file)
				},
				"git": func(dir string) *exec.Cmd {
					cmd := exec.Command("git", "apply", file)
					cmd.Dir = dir
					cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
					return cmd
				},
			}
			best := map[string]time.Duration{}
			var first map[string]string
			for b.Loop() {
				for name, command := range tools {
					dir := b.TempDir()
					writeTree(b, dir, files)
					cmd := command(dir)
					begin := time.Now()
					if out, err := cmd.CombinedOutput(); err != nil {
						b.Fatalf("%s: %v\n%s", name, err, out)
					}
					if d := time.Since(begin); best[name] == 0 || d < best[name] {
						best[name] = d
					}
					got := readTree(b, dir)
					if first == nil {
						first = got
					} else if !maps.Equal(got, first) {
						b.Fatalf("%s makes other files than the tool before", name)
					}
					os.RemoveAll(dir)
				}
			}
			for name, d := range best {
				b.ReportMetric(float64(d.Microseconds())/1000, name+"-ms")
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(len(text))/(1<<20), "MiB")
			b.ReportMetric(best["ours"].Seconds()/best["patch"].Seconds(), "of-patch")
			b.ReportMetric(best["ours"].Seconds()/best["git"].Seconds(), "of-git")
		})
	}
}

// largePatch is one patch of several megabytes over many files, like a kernel release's.
func largePatch() (files map[string]string, patch string) {
	r := rand.New(rand.NewPCG(1, 1))
	files = map[string]string{}
	var text strings.Builder
	for n := range 600 {
		name := fmt.Sprintf("drivers/d%d/file%d.c", n%40, n)
		lines := sourceLines(r, 1200)
		files[name] = strings.Join(lines, "")
		text.WriteString(gitDiff(name, edits(r, lines, 30)))
	}
	return files, text.String()
}

// longSeries is three hundred small patches that touch the same files again and again.
func longSeries() (files map[string]string, patch string) {
	r := rand.New(rand.NewPCG(2, 2))
	files = map[string]string{}
	current := map[string][]string{}
	for n := range 60 {
		name := fmt.Sprintf("fs/f%d.c", n)
		current[name] = sourceLines(r, 1500)
		files[name] = strings.Join(current[name], "")
	}
	var text strings.Builder
	for n := range 300 {
		fmt.Fprintf(&text, "From 0123 Mon Sep 17 00:00:00 2001\nSubject: [PATCH %d/300] change\n---\n", n+1)
		for range 2 {
			name := fmt.Sprintf("fs/f%d.c", r.IntN(60))
			script := edits(r, current[name], 3)
			text.WriteString(gitDiff(name, script))
			current[name] = side(script, '-')
		}
		text.WriteString("-- \n2.39.2\n\n")
	}
	return files, text.String()
}

func sourceLines(r *rand.Rand, n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("\tvalue_%d = call(%d, \"%x\");\n", r.IntN(1000), r.IntN(1000), r.Uint32())
		if i%30 == 29 {
			lines[i] = "}\n"
		}
	}
	return lines
}

// edits is a script with n changes spread over lines.
func edits(r *rand.Rand, lines []string, n int) []edit {
	var script []edit
	every := len(lines) / n
	for i, l := range lines {
		if i%every == every/2 {
			script = append(script, edit{'-', l}, edit{'+', fmt.Sprintf("\tnew_%d(%d);\n", r.Uint32(), i)}, edit{'+', "\tand_more();\n"})
			continue
		}
		script = append(script, edit{' ', l})
	}
	return script
}

func gitDiff(name string, script []edit) string {
	return fmt.Sprintf("diff --git a/%s b/%s\n--- a/%s\n+++ b/%s\n", name, name, name, name) +
		strings.Join(unified(script, 3, style{}), "")
}
