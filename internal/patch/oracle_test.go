// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// difference is a way in which this package may differ from GNU patch. docs/patch.md
// lists them all; a test fails on any other.
type difference string

const (
	none        difference = "none"
	ambiguous   difference = "refused as ambiguous"
	inFunction  difference = "refused for the function"
	applied     difference = "told as already applied"
	beyondEnd   difference = "refused as beyond the end of the file"
	misordered  difference = "placed where GNU patch gives up on misordered hunks"
	unexplained difference = "unexplained"
)

// trial is a tree and a patch for it, which GNU patch and this package are given both.
type trial struct {
	files   map[string]string
	patch   string
	fuzz    int
	reverse bool
}

// gnu runs GNU patch over a copy of the trial's tree and returns the tree afterwards; ok
// is whether every hunk went in.
func gnu(t *testing.T, tr trial) (files map[string]string, ok bool, says string) {
	t.Helper()
	dir := t.TempDir()
	writeTree(t, dir, tr.files)
	args := []string{"-p1", "-f", "-s", "--no-backup-if-mismatch", "-r", "-", "-F", strconv.Itoa(tr.fuzz), "-d", dir}
	if tr.reverse {
		args = append(args, "-R")
	}
	cmd := exec.Command("patch", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(tr.patch)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run GNU patch, the oracle of this test: %v", err)
	}
	return readTree(t, dir), err == nil, string(out)
}

func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, data := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func readTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(full)
		name, _ := filepath.Rel(dir, full)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// inMemory is a Files over a map.
func inMemory(files map[string]string) Files {
	return func(name string) (Content, error) {
		data, ok := files[name]
		if !ok {
			return Content{}, fs.ErrNotExist
		}
		return Content{Data: []byte(data), Mode: 0o644}, nil
	}
}

// ours does the same with this package.
func ours(tr trial) (files map[string]string, plan *Plan, err error) {
	p, err := Parse("trial.patch", []byte(tr.patch))
	if err != nil {
		return nil, nil, err
	}
	plan, err = NewPlan(p, inMemory(tr.files), Options{Strip: 1, Fuzz: tr.fuzz, Reverse: tr.reverse})
	if err != nil {
		return nil, nil, err
	}
	files = maps.Clone(tr.files)
	for _, c := range plan.Changes {
		if c.After == nil {
			delete(files, c.Name)
		} else {
			files[c.Name] = string(c.After.Data)
		}
	}
	return files, plan, nil
}

// compareWithGNU runs both and says in which documented way they differ.
func compareWithGNU(t *testing.T, tr trial) (difference, string) {
	t.Helper()
	theirs, theyDid, says := gnu(t, tr)
	mine, plan, err := ours(tr)
	var no *NotApplicable
	switch {
	case err == nil && plan.Applied:
		return applied, ""
	case err == nil && strings.Contains(says, "misordered hunks"):
		return misordered, ""
	case err == nil && theyDid && maps.Equal(theirs, mine):
		return none, ""
	case err != nil && !theyDid:
		return none, ""
	case errors.As(err, &no):
		for _, p := range no.Problems {
			switch p.Reason {
			case Ambiguous:
				return ambiguous, ""
			case OtherFunction:
				return inFunction, ""
			case NoMatch:
				if strings.Contains(p.Detail, "beyond the end") {
					return beyondEnd, ""
				}
			}
		}
	}
	return unexplained, fmt.Sprintf("GNU patch: %v %s\n%q\nours: %v\n%q", theyDid, says, theirs, err, mine)
}

// TestGNUPatchIsTheOracle returns thousands of made-up patches to both.
func TestGNUPatchIsTheOracle(t *testing.T) {
	trials := 8000
	if testing.Short() {
		trials = 300
	}
	counts := make(map[difference]int)
	var mu sync.Mutex
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for n := range trials {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			tr := newTrial(rand.New(rand.NewPCG(uint64(n), 1)))
			how, detail := compareWithGNU(t, tr)
			mu.Lock()
			defer mu.Unlock()
			if counts[how]++; how == unexplained && counts[how] <= 5 {
				t.Errorf("trial %d (fuzz %d, reverse %v) differs\n%s\nfiles: %q\npatch:\n%s", n, tr.fuzz, tr.reverse, detail, tr.files, tr.patch)
			}
		})
	}
	wait.Wait()
	for _, how := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%6d %s", counts[how], how)
	}
	if n := counts[unexplained]; n > 0 {
		t.Errorf("%d of %d trials differ from GNU patch in a way that is not documented", n, trials)
	}
	if counts[none] < trials/2 {
		t.Errorf("only %d of %d trials are alike: the trials are not what they should be", counts[none], trials)
	}
}
