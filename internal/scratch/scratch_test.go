// SPDX-License-Identifier: Apache-2.0

package scratch_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/scratch"
)

// What a killed process left goes, and what a running one has stays.
func TestLeftoversOfTheKilledGo(t *testing.T) {
	parent := t.TempDir()
	if os.Getenv("SCRATCH_TEST_PARENT") != "" {
		dir, _, err := scratch.New(os.Getenv("SCRATCH_TEST_PARENT"), "kernel")
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(dir, "vmlinuz"), []byte("x"), 0o600)
		os.Stdout.WriteString(dir + "\n")
		time.Sleep(time.Minute)
	}
	c := exec.Command(os.Args[0], "-test.run=TestLeftoversOfTheKilledGo")
	c.Env = append(os.Environ(), "SCRATCH_TEST_PARENT="+parent)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1024)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimSpace(string(b[:n]))
	other := filepath.Join(parent, "ovzpatch-run-link")
	outside := t.TempDir()
	if err := os.Symlink(outside, other); err != nil {
		t.Fatal(err)
	}
	next := func() {
		t.Helper()
		dir, remove, err := scratch.New(parent, "source")
		if err != nil {
			t.Fatal(err)
		}
		remove()
		if _, err := os.Stat(filepath.Dir(dir)); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
	next()
	if _, err := os.Stat(filepath.Join(path, "vmlinuz")); err != nil {
		t.Fatalf("a running process lost its directory: %v", err)
	}
	c.Process.Kill()
	c.Wait()
	next()
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Errorf("%s of a killed process stays", path)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// Who makes a directory while others sweep has one in the end.
func TestNewBesideSweepers(t *testing.T) {
	parent := t.TempDir()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				dir, remove, err := scratch.New(parent, "x")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
					t.Errorf("it was swept: %v", err)
				}
				remove()
			}
		})
	}
	all.Wait()
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// Who named no file there is told what to do.
func TestAFullDiskIsExplained(t *testing.T) {
	parent := t.TempDir()
	dir, remove, err := scratch.New(parent, "source")
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	full := &fs.PathError{Op: "write", Path: filepath.Join(dir, "f"), Err: syscall.ENOSPC}
	const hint = "; $TMPDIR can name another place"
	once := scratch.Explain(fmt.Errorf("unpack: %w", full))
	for _, tt := range []struct {
		err    error
		hinted int
	}{
		{once, 1},
		{scratch.Explain(once), 1},
		{scratch.Explain(&fs.PathError{Op: "write", Path: "/mnt/f", Err: syscall.ENOSPC}), 0},
		{scratch.Explain(&fs.PathError{Op: "open", Path: full.Path, Err: syscall.ENOENT}), 0},
	} {
		if strings.Count(tt.err.Error(), hint) != tt.hinted {
			t.Errorf("%v, want %d hints", tt.err, tt.hinted)
		}
	}
	if !errors.Is(once, syscall.ENOSPC) || scratch.Explain(nil) != nil {
		t.Error(once)
	}
}
