// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Verify against sha256sum(1) over the same files, as many at a time as there are
// processors. Above 1 we are faster.
func BenchmarkVerify(b *testing.B) {
	s := newStore(b)
	w, err := s.Create(b.Context(), kernel, day)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Abort()
	random := rand.NewChaCha8([32]byte{})
	var size int64
	// What a kernel build has: some big packages, some small, a log.
	for i, mib := range []int64{60, 60, 40, 30, 20, 20, 10, 5, 5, 2, 1, 1} {
		f, err := w.AddFile(b.Context(), "package"+strconv.Itoa(i), io.LimitReader(random, mib<<20))
		if err != nil {
			b.Fatal(err)
		}
		size += f.Size
	}
	if err := w.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	files, err := filepath.Glob(s.path(w.Ref().dir(), "package*"))
	if err != nil {
		b.Fatal(err)
	}
	ours := func() time.Duration {
		start := time.Now()
		got, err := s.Verify(b.Context(), []Ref{w.Ref()}, true, nil)
		if err != nil || !got[0].Verification.OK {
			b.Fatal(got, err)
		}
		return time.Since(start)
	}
	theirs := func() time.Duration {
		start := time.Now()
		cmd := exec.Command("xargs", "-n", "1", "-P", strconv.Itoa(runtime.GOMAXPROCS(0)), "sha256sum")
		cmd.Stdin = strings.NewReader(strings.Join(files, "\n"))
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	b.SetBytes(size)
	for b.Loop() {
		ours()
	}
	best := [2]time.Duration{1 << 62, 1 << 62}
	for range 3 {
		best[0], best[1] = min(best[0], theirs()), min(best[1], ours())
	}
	b.ReportMetric(float64(best[0])/float64(best[1]), "x-sha256sum")
}

// Listing ten thousand snapshots, each with a manifest as a tested build has it.
func BenchmarkList10000(b *testing.B) {
	s := newStore(b)
	var evidence bytes.Buffer
	evidence.WriteString("[")
	for i := range 30 {
		if i > 0 {
			evidence.WriteString(",")
		}
		fmt.Fprintf(&evidence, `{"name":"case %d","backend":"ioctl","verdict":"protected","got":{"errno":"EBUSY","forced":0,"messages":1,"id":"999","host":"0"},"ms":%d}`, i, i)
	}
	evidence.WriteString("]")
	// Every file is this one: as in a store, by a hard link, and of the right size.
	file := filepath.Join(filepath.Dir(s.dir), "file")
	if err := os.WriteFile(file, nil, fileMode); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(file, 1<<20); err != nil {
		b.Fatal(err)
	}
	for i := range 10_000 {
		ref := Group{"rhel6/testing", "kernel", fmt.Sprintf("ovzkernel%d.x86_64", i%20)}.At(day.Add(time.Duration(i) * time.Hour))
		m := Manifest{
			Snapshot: ref, Finished: ref.Time, Owner: "ci", Source: Input{"ovzkernel.src.rpm", strings.Repeat("ab", 32)},
			Toolchain: map[string]string{"gcc": "gcc (Debian 12.2.0-14) 12.2.0"}, Options: []string{"--target=x86_64"},
			Verdicts:     []Verdict{{Time: day, Verdict: "protected", Evidence: json.RawMessage(evidence.Bytes())}},
			Verification: &Verification{Time: day, OK: true},
		}
		for f := range 8 {
			m.Files = append(m.Files, File{fmt.Sprintf("ovzkernel-part%d-2.6.32.x86_64.rpm", f), 1 << 20, strings.Repeat("cd", 32)})
		}
		content, err := m.encode()
		if err != nil {
			b.Fatal(err)
		}
		dir := s.path(ref.dir())
		if err := os.MkdirAll(dir, dirMode); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, manifestFile), content, fileMode); err != nil {
			b.Fatal(err)
		}
		for _, f := range m.Files {
			if err := os.Link(file, filepath.Join(dir, f.Name)); err != nil {
				b.Fatal(err)
			}
		}
	}
	before := cpuTime(b)
	for b.Loop() {
		refs, err := s.All()
		if err != nil {
			b.Fatal(err)
		}
		list, err := s.List(b.Context(), refs)
		if err != nil || len(list) != 10_000 || list[0].Verdict != "protected" || list[0].Problem != "" {
			b.Fatal(len(list), err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/10000-snapshots")
	// On a busy machine this says more.
	b.ReportMetric((cpuTime(b)-before).Seconds()/float64(b.N), "cpu-s/10000-snapshots")
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
