// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchSpec packs a directory that is made beforehand.
const benchSpec = `
%%global debug_package %%{nil}
%%define __os_install_post %%{nil}
AutoReqProv: no
Name: kernel-bench
Version: 1
Release: 1
Summary: A sample
License: GPLv2
%%description
A sample.
%%install
mkdir -p %%{buildroot}
cp -a %s %%{buildroot}/usr
%%files
/usr
`

// kernelLike fills a directory as a kernel and its -devel package do: some thousand
// small files in many directories and a few large ones.
func kernelLike(b *testing.B, root string) {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("static int struct inode dentry return if NULL err flags mutex_lock EXPORT_SYMBOL_GPL define include linux umount_begin super_block vfsmount")
	text := func(size int) []byte {
		var s []byte
		for len(s) < size {
			s = fmt.Appendf(s, "\t%s_%x(%s);\n", words[random.IntN(len(words))], random.Uint32(), words[random.IntN(len(words))])
		}
		return s
	}
	for i := range 6000 {
		dir := filepath.Join(root, "src", "kernels", "5", fmt.Sprintf("d%d", i/400), fmt.Sprintf("e%d", i/25))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d.h", i)), text(random.IntN(16<<10)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(root, "src", fmt.Sprintf("vmlinux%d", i)), text(12<<20), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkExtract compares unpacking, all digests verified, with rpm2cpio | cpio -id,
// which verifies none: the metric "ratio" is our time by theirs, in one run.
func BenchmarkExtract(b *testing.B) {
	for _, payload := range []string{"w6.gzdio", "w2.xzdio", "w3.zstdio", "w9.bzdio"} {
		b.Run(payload, func(b *testing.B) {
			name := benchPackage(b, payload)
			var ours, theirs time.Duration
			for b.Loop() {
				dir := filepath.Join(b.TempDir(), "ours")
				start := time.Now()
				f, err := Open(b.Context(), name)
				if err != nil {
					b.Fatal(err)
				}
				if err := f.Extract(b.Context(), dir, nil); err != nil {
					b.Fatal(err)
				}
				f.Close()
				ours += time.Since(start)
				os.RemoveAll(dir)

				dir = filepath.Join(b.TempDir(), "theirs")
				if err := os.Mkdir(dir, 0o755); err != nil {
					b.Fatal(err)
				}
				start = time.Now()
				rpm2cpio(b, name, dir)
				theirs += time.Since(start)
				os.RemoveAll(dir)
			}
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
		})
	}
}

func benchPackage(b *testing.B, payload string) string {
	b.Helper()
	top := b.TempDir()
	tree := filepath.Join(top, "tree")
	kernelLike(b, tree)
	spec := filepath.Join(top, "bench.spec")
	if err := os.WriteFile(spec, fmt.Appendf(nil, benchSpec, tree), 0o644); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("rpmbuild", "-bb", "--nodeps", "--define", "_topdir "+top, "--define", "_dbpath "+top,
		"--define", "_binary_payload "+payload, "--define", "_build_id_links none", spec)
	cmd.Env = append(os.Environ(), "HOME="+top)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	list, _ := filepath.Glob(filepath.Join(top, "RPMS", "*", "*.rpm"))
	if len(list) != 1 {
		b.Fatalf("%d packages", len(list))
	}
	return list[0]
}
