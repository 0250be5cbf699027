// SPDX-License-Identifier: Apache-2.0

// Package testutil holds what the tests of several packages need: a terminal, a browser, a mount
// namespace. No program imports it.
package testutil

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Alone begins a command line that is run in a mount namespace of its own.
func Alone() []string {
	propagation := "private"
	// In a chroot whose / is no mount point unshare cannot set the propagation.
	if exec.Command("mountpoint", "-q", "/").Run() != nil {
		propagation = "unchanged"
	}
	return []string{"unshare", "--mount", "--propagation", propagation}
}

// RunAlone runs a test once more, as a child that alone sees what it mounts on dir.
func RunAlone(t *testing.T, test func(t *testing.T, dir string)) {
	t.Helper()
	const variable = "OVZPATCH_TEST_ALONE"
	if dir := os.Getenv(variable); dir != "" {
		test(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	args := append(Alone(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), variable+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Memory makes a directory on a tmpfs for a whole test program, and removes those that killed ones
// left: locks must be on a tmpfs, and nothing clears that before the next boot.
func Memory(prefix string) (dir string, remove func(), err error) {
	left, err := filepath.Glob(filepath.Join("/dev/shm", prefix+"[0-9]*"))
	if err != nil {
		return "", nil, err
	}
	for _, d := range left {
		// A fresh one may be about to be locked.
		if st, err := os.Stat(d); err != nil || time.Since(st.ModTime()) < time.Minute {
			continue
		}
		if f, err := lockDir(d); err == nil {
			os.RemoveAll(d)
			f.Close()
		}
	}
	if dir, err = os.MkdirTemp("/dev/shm", prefix); err != nil {
		return "", nil, err
	}
	f, err := lockDir(dir)
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		os.RemoveAll(dir)
		f.Close()
	}, nil
}

// lockDir locks a directory as long as the file is open: in no program that is started meanwhile.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Terminal returns both ends of a pseudo terminal: the person's, and the program's.
func Terminal(t testing.TB) (user, tty *os.File) {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	user = open("/dev/ptmx")
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return user, open(fmt.Sprintf("/dev/pts/%d", n))
}

// Screen is what a person sees; typed answers follow what appears on it.
type Screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

// NewScreen returns an empty one.
func NewScreen() *Screen { return &Screen{more: make(chan struct{}, 1)} }

func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Await waits, minutes at most, until text has appeared n times.
func (s *Screen) Await(text string, n int) error {
	deadline := time.After(2 * time.Minute)
	for strings.Count(s.String(), text) < n {
		select {
		case <-s.more:
		case <-deadline:
			return fmt.Errorf("%q did not appear %d times on:\n%s", text, n, s)
		}
	}
	return nil
}

// Browse lays out a page in Debian's chromium, in a window of that size, and returns what the
// browser prints, with --dump-dom the document as it was then.
func Browse(t testing.TB, page []byte, width, height int, dark bool, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "index.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := "1"
	if dark {
		scheme = "0"
	}
	args = append([]string{
		"--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--user-data-dir=" + filepath.Join(dir, "profile"),
		fmt.Sprintf("--window-size=%d,%d", width, height), "--blink-settings=preferredColorScheme=" + scheme,
	}, args...)
	cmd := exec.CommandContext(t.Context(), "chromium-headless-shell", append(args, "file://"+path)...)
	cmd.Env = append(cmd.Environ(), "HOME="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: install chromium-headless-shell (`make deps` does)\n%s", err, stderr.String())
	}
	return string(out)
}
