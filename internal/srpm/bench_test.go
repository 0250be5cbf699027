// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/spec"
)

// BenchmarkWith compares the making of a patched source RPM, from the original to
// the new one, with rpmbuild -bs alone on sources that lie there unpacked, as
// rpmbuild is by default: the metric "ratio" is our time by its, in one run.
func BenchmarkWith(b *testing.B) {
	dir := b.TempDir()
	text, err := os.ReadFile(shapesDir + "/autosetup/kernel.spec")
	if err != nil {
		b.Fatal(err)
	}
	// Compressed already, as a kernel's tarball is: no compressor makes it smaller.
	tarball := make([]byte, 120<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(tarball)
	in := Inputs{Spec: spec.Read("kernel.spec", text), Date: shapeDate, Texts: map[string][]byte{
		"linux-5.14.0.tar.gz": tarball, "0001-first.patch": nil, "0002-second.patch": nil,
	}}
	source, err := Build(b.Context(), in, dir)
	if err != nil {
		b.Fatal(err)
	}
	for name, data := range in.Texts {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	spec := filepath.Join(dir, "kernel.spec")
	if err := os.WriteFile(spec, text, 0o644); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		_, _, err := rewrite(b.Context(), source, Change{PatchFile: patchName, Patch: []byte(patchText), Tag: DefaultTag}, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		start = time.Now()
		err = command.Run(b.Context(), command.Cmd{
			Args: []string{"rpmbuild", "-bs", "--nodeps", "--define", "_topdir " + dir, "--define", "_sourcedir " + dir, "--define", "_dbpath " + dir, spec},
			Env:  []string{"HOME=" + dir},
		})
		if err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(start)
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}
