// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/runlock"
)

func TestMain(m *testing.M) {
	// Scripts must not meet locks of the machine they run on.
	if dir := os.Getenv("TEST_LOCKS"); dir != "" {
		lockPlace = func() (runlock.Place, error) {
			return runlock.Place{Root: filepath.Join(dir, "locks"), OldMarker: filepath.Join(dir, "old-locking")}, nil
		}
	}
	// Nor need the guest's programs be built, as no script boots one.
	if dir := os.Getenv("TEST_HOME"); dir != "" {
		home = func() string { return dir }
	}
	testscript.Main(m, map[string]func(){
		"ovzpatch": func() { os.Exit(run()) },
		"snapshot": func() { must(makeSnapshot(os.Args[1], os.Args[2:])) },
		"flipbit":  func() { must(flipBit(os.Args[1])) },
	})
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// makeSnapshot is `snapshot REF name=content...`: a finished build without the building.
func makeSnapshot(name string, files []string) error {
	ref, err := datastore.ParseRef(name)
	if err != nil {
		return err
	}
	s, err := openStore(job.Quiet{}, "")
	if err != nil {
		return err
	}
	w, err := s.Create(context.Background(), ref.Group, ref.Time)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		if _, err := w.AddFile(context.Background(), name, strings.NewReader(content)); err != nil {
			return err
		}
	}
	w.Manifest.Owner = "ci"
	w.Manifest.Source = datastore.Input{Name: "ovzkernel.src.rpm", SHA256: strings.Repeat("ab", 32)}
	return w.Commit(context.Background())
}

// flipBit spoils one bit in the middle of a file, past its permissions.
func flipBit(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 4
	return os.WriteFile(path, b, 0)
}

// Every subcommand has its scripts, which are run in-process as a user would type them.
func TestScripts(t *testing.T) {
	// rpm 6.1 calls the tag by another name only.
	tags, err := exec.CommandContext(t.Context(), "rpm", "--querytags").Output()
	if err != nil {
		t.Fatal(err)
	}
	payloadDigest := "PAYLOADDIGEST"
	if !slices.Contains(strings.Fields(string(tags)), payloadDigest) {
		payloadDigest = "PAYLOADSHA256"
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(cond string) (bool, error) {
			if cond != "rpm-empties-builds" {
				return false, fmt.Errorf("unknown condition %s", cond)
			}
			return rpmbuild.Root{}.EmptiesBuildDir(t.Context()), nil
		},
		Setup: func(e *testscript.Env) error {
			// Locks must be on a tmpfs.
			locks, err := os.MkdirTemp("/dev/shm", "ovzpatch")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(locks) })
			e.Setenv("TEST_LOCKS", locks)
			e.Setenv("TEST_HOME", locks)
			for _, name := range []string{"amd64/umounttest", "amd64/uroot.cpio", "386/umounttest", "386/uroot.cpio"} {
				path := filepath.Join(locks, "guest", name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
					return err
				}
			}
			e.Setenv("OVZPATCH_STORE", filepath.Join(e.WorkDir, "store"))
			e.Setenv("GORACE", os.Getenv("GORACE"))
			// For servers that scripts start.
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_, port, err := net.SplitHostPort(l.Addr().String())
			e.Setenv("FREE_PORT", port)
			e.Setenv("PAYLOAD_DIGEST", payloadDigest)
			return errors.Join(err, l.Close())
		},
	})
}
