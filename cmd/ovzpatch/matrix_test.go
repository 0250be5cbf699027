// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/runlock"
	"ovzpatch/internal/testutil"
)

// slowSource writes a tarball of a few megabytes which has a file of gibibytes of zeros before the
// kernel, so that a check of it takes some seconds. No line fits its kernel: it is a misfit.
func slowSource(t *testing.T, path string, gibibytes int64) {
	t.Helper()
	var b bytes.Buffer
	member := func(write func(w *gzip.Writer)) []byte {
		var m bytes.Buffer
		z := gzip.NewWriter(&m)
		write(z)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return m.Bytes()
	}
	header := func(h *tar.Header) []byte {
		var raw bytes.Buffer
		if err := tar.NewWriter(&raw).WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		return raw.Bytes()
	}
	const chunk = 64 << 20
	b.Write(member(func(w *gzip.Writer) {
		w.Write(header(&tar.Header{Name: "linux/zeros", Mode: 0o644, Size: gibibytes << 30}))
	}))
	zeros := member(func(w *gzip.Writer) { w.Write(make([]byte, chunk)) })
	for range (gibibytes << 30) / chunk {
		b.Write(zeros)
	}
	makefile := "VERSION = 4\nPATCHLEVEL = 4\nSUBLEVEL = 1\nEXTRAVERSION =\n# " + filepath.Base(path) + "\n"
	b.Write(member(func(w *gzip.Writer) {
		w.Write(header(&tar.Header{Name: "linux/Makefile", Mode: 0o644, Size: int64(len(makefile))}))
		w.Write(append([]byte(makefile), make([]byte, 512-len(makefile)+1024)...))
	}))
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// slowMatrix is a file with cells that are checks of slow sources; each is a misfit, as is expected.
func slowMatrix(t *testing.T, cells int, gibibytes int64, more string) string {
	t.Helper()
	dir := t.TempDir()
	slowSource(t, filepath.Join(dir, "slow0.tar.gz"), gibibytes)
	for i := 1; i < cells; i++ {
		data, err := os.ReadFile(filepath.Join(dir, "slow0.tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		// What follows the end of an archive is not read, and makes it another file.
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("slow%d.tar.gz", i)), append(data, byte(i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "m.toml")
	text := "axes = { variants = [\"check\"] }\n" + more + "\n[source.slow]\nglob = \"slow*.tar.gz\"\n[expect]\n\"*\" = \"misfit\"\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// count is how many files a pattern matches.
func count(t *testing.T, pattern ...string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// eventually waits until something is so.
func eventually(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// processesWith counts the processes whose environment has a text.
func processesWith(text string) (n int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && bytes.Contains(data, []byte(text)) {
			n++
		}
	}
	return n
}

// A matrix that was stopped in the middle, in order or not, leaves nothing running, and the next call does
// the rest and no more.
func TestMatrixGoesOnAfterItWasStopped(t *testing.T) {
	long(t)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			file := slowMatrix(t, 3, 3, "")
			work := strings.TrimSuffix(file, ".toml") + ".results"
			temp := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "../../bin/ovzpatch", "matrix", file, "--jobs=1", "--cache-dir="+t.TempDir())
			cmd.Env = append(os.Environ(), "TMPDIR="+temp)
			var out bytes.Buffer
			cmd.Stderr = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, time.Minute, "one cell done and the next begun", func() bool {
				return count(t, work, "results", "*.json") == 1 && count(t, work, "attempts", "*", "*") == 2
			})
			cmd.Process.Signal(signal)
			cmd.Wait()
			if ended := cmd.ProcessState.Sys().(syscall.WaitStatus); !ended.Signaled() || ended.Signal() != signal {
				t.Errorf("it did not end by the signal: %v\n%s", cmd.ProcessState, out.String())
			}
			eventually(t, 10*time.Second, "nothing runs any more", func() bool { return processesWith("TMPDIR="+temp) == 0 })
			if n := count(t, work, "results", "*.json"); n != 1 {
				t.Fatalf("%d results\n%s", n, out.String())
			}
			if signal == syscall.SIGTERM && (count(t, temp, "*") != 0 || count(t, work, "attempts", "*", "*") != 1) {
				t.Error("something was left behind")
			}
			stdout, stderr, code := ovzpatchIn(t, []string{"env", "TMPDIR=" + temp}, "matrix", file)
			if n := count(t, temp, "*"); n != 0 {
				t.Errorf("%d temporary directories are left after the next call", n)
			}
			if code != 0 || !strings.Contains(stdout, "3 of 3 cells as expected, 1 done before") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			if n := count(t, work, "attempts", "*", "*"); n != 3 {
				t.Errorf("%d tries are there, of 3 cells", n)
			}
		})
	}
}

// A time limit of a cell, and two calls in one directory.
func TestMatrixLimits(t *testing.T) {
	long(t)
	file := slowMatrix(t, 1, 8, "limits = { time = \"2s\" }")
	cmd := exec.CommandContext(t.Context(), "../../bin/ovzpatch", "matrix", file, "--cache-dir="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "a cell is begun", func() bool { return count(t, filepath.Dir(file), "m.results", "attempts", "*", "*") == 1 })
	if _, stderr, code := ovzpatch(t, "matrix", file); code != 1 || !strings.Contains(stderr, "another ovzpatch matrix works in ") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "no end within 2s") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}

// The finished kernels of a datastore are booted, and their verdicts are noted there.
func TestMatrixOfADatastore(t *testing.T) {
	long(t)
	dir := t.TempDir()
	// Locks must be on a tmpfs.
	locks, err := os.MkdirTemp("/dev/shm", "ovzpatch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(locks) })
	store, err := datastore.Init(filepath.Join(dir, "store"), "", runlock.Place{Root: filepath.Join(locks, "locks"), OldMarker: filepath.Join(locks, "old-locking")})
	if err != nil {
		t.Fatal(err)
	}
	packages := kernelPackagesOf(t, "../../bin/test")
	group := datastore.Group{Type: "kernel", ID: "kernel-ovz.x86_64"}
	w, err := store.Create(t.Context(), group, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for _, p := range packages {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.AddFile(context.Background(), filepath.Base(p), f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Manifest.Port = datastore.Input{Name: "ovz-kernel-lustre-umount.patch", SHA256: strings.Repeat("ab", 32)}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "m.toml")
	text := "[source.kept]\nstore = \"store\"\nsnapshots = \"kernel/*\"\n"
	// publish would take the verdict by one case as a proof.
	if err := os.WriteFile(file, []byte("options.cases = \"^force-idle$\"\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := ovzpatchIn(t, ownLocks, "matrix", file); code != 2 || !strings.Contains(stderr, "it must come from all cases in all containers") {
		t.Errorf("exit code %d with some cases only\n%s", code, stderr)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := ovzpatchIn(t, ownLocks, "matrix", file, "--json")
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	r := parseReport(t, stdout)
	if len(r.Cells) != 1 || r.Cells[0].Outcome != "protected" || len(r.Cells[0].Report.Kernels) != 1 {
		t.Fatalf("%s", stdout)
	}
	k := r.Cells[0].Report.Kernels[0]
	if k.Verdict != guest.Protected || !strings.HasPrefix(k.Console, filepath.Join(dir, "m.results", "attempts")) {
		t.Errorf("%s, with the console in %s", k.Verdict, k.Console)
	}
	if console, err := os.ReadFile(k.Console); err != nil || !bytes.Contains(console, []byte("Forced umount of lustre fs")) {
		t.Errorf("the console is no evidence (%v)", err)
	}
	list, stderr, code := ovzpatchIn(t, ownLocks, "store", "list", "--json", "--store", filepath.Join(dir, "store"))
	if code != 0 || !strings.Contains(list, `"verdict": "protected"`) {
		t.Errorf("the datastore does not know the verdict: %d\n%s%s", code, list, stderr)
	}
}

// kernelPackagesOf are the packages in a directory but the source package.
func kernelPackagesOf(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.x86_64.rpm"))
	if err != nil || len(all) < 2 {
		t.Fatalf("%s has no packages (%v): make bin/test/bzImage", dir, err)
	}
	return all
}

// On a terminal each cell has its line as long as the matrix goes, and none after Ctrl-C.
func TestMatrixOnATerminal(t *testing.T) {
	long(t)
	file := slowMatrix(t, 3, 6, "")
	user, tty := testutil.Terminal(t)
	size := func(rows uint16) {
		t.Helper()
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 100, Row: rows}); err != nil {
			t.Fatal(err)
		}
	}
	size(24)
	cmd := exec.CommandContext(t.Context(), "../../bin/ovzpatch", "matrix", file, "--jobs=1", "--cache-dir="+t.TempDir())
	cmd.Env = append(os.Environ(), "TERM=vt100", "NO_COLOR=1")
	cmd.Stdout, cmd.Stderr = tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := testutil.NewScreen()
	go io.Copy(s, user)
	for _, want := range []string{
		"0 of 3 cells done, 1 running\r\n  slow:slow0.tar.gz/x86_64/check  0:0",
		"\r\n  slow:slow1.tar.gz/x86_64/check  waits\r\n  slow:slow2.tar.gz/x86_64/check  waits\x1b[3A\r\x1b[J",
		"1 of 3 cells done, 1 running, about 0:",
		"\r\n  slow:slow0.tar.gz/x86_64/check  misfit, 0:",
		"\r\n  slow:slow2.tar.gz/x86_64/check  waits, may take 0:",
	} {
		if err := s.Await(want, 1); err != nil {
			t.Fatal(err)
		}
	}
	size(4) // no room for all
	if err := s.Await("left\r\n  slow:slow1.tar.gz/x86_64/check  0:", 1); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if ended := cmd.ProcessState.Sys().(syscall.WaitStatus); !ended.Signaled() || ended.Signal() != os.Interrupt {
		t.Errorf("it did not end by the signal: %v", cmd.ProcessState)
	}
	if err := s.Await("ovzpatch: stopped by a signal", 1); err != nil {
		t.Fatal(err)
	}
	text := s.String()
	if last := text[strings.LastIndex(text, "\x1b[J"):]; strings.Contains(last, "running") {
		t.Errorf("the lines are still there: %q", last)
	}
	if regexp.MustCompile(`\x1b\[[0-9;]*m`).MatchString(text) {
		t.Errorf("it has colours: %q", text)
	}
}
