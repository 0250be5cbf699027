// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/mutant"
	"ovzpatch/internal/patch"
	"ovzpatch/patches"
)

// shapes are the reduced trees that the ports are checked on.
func shapes(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	a, err := txtar.ParseFile("testdata/script/ports.txtar")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string][]byte{}
	for _, f := range a.Files {
		top, name, below := strings.Cut(f.Name, "/")
		if !below {
			continue
		}
		if all[top] == nil {
			all[top] = map[string][]byte{}
		}
		all[top][name] = f.Data
	}
	return all
}

// No mutant of a port is found right: each is refused, or told as unsure, or is listed with the
// reason why it does the same as the port.
func TestMutantsAreRefused(t *testing.T) {
	for tree, line := range lineOf {
		t.Run(tree+" "+line, func(t *testing.T) {
			t.Parallel()
			files := treeFiles(t, tree)
			before := files[gate.File]
			port, err := patches.ForLine(line)
			if err != nil {
				t.Fatal(err)
			}
			after, err := patched(port.Data, before)
			if err != nil {
				t.Fatal(err)
			}
			refuseMutants(t, tree, before, after, gate.NewNames(files))
		})
	}
}

// refuseMutants holds the mutants of a port against the gate check.
func refuseMutants(t *testing.T, tree string, before, after []byte, names *gate.Names) {
	t.Helper()
	if g, err := gate.Check(t.Context(), before, after, names); err != nil {
		t.Fatalf("the port itself: %v, %v", g, err)
	}
	mutants, err := mutant.Generate(wide(t, before, after, 60))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < 60 {
		t.Errorf("%d mutants", len(mutants))
	}
	same, count := survivors(t, "testdata/mutants/text.txt"), map[gate.Verdict]int{}
	for i, m := range mutants {
		if testing.Short() && i%7 != 0 {
			continue
		}
		source, err := patched(m.Patch, before)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		g, _ := gate.Check(t.Context(), before, source, names)
		count[g.Verdict]++
		reason, listed := same[tree+": "+m.Name]
		if of, derived := strings.CutPrefix(tree, "derived "); derived && !listed {
			reason, listed = same[of+": "+m.Name]
		}
		switch {
		case g.Verdict == gate.Reached && !listed:
			t.Errorf("passes as right: %s: %s", tree, m.Name)
		case g.Verdict != gate.Reached && listed:
			t.Errorf("is listed as right (%s), and is not found so: %s: %s", reason, tree, m.Name)
		}
	}
	t.Logf("%d mutants: %v", len(mutants), count)
}

// patched puts a patch of fs/namespace.c in.
func patched(data, before []byte) ([]byte, error) {
	p, err := patch.Parse("mutant.patch", data)
	if err != nil {
		return nil, err
	}
	plan, err := patch.NewPlan(p, func(name string) (patch.Content, error) {
		if name != gate.File {
			return patch.Content{}, os.ErrNotExist
		}
		return patch.Content{Data: before, Mode: 0o644}, nil
	}, patch.Options{Strip: 1})
	if err != nil {
		return nil, err
	}
	after, ok := plan.After(gate.File)
	if !ok {
		return nil, errors.New("the patch changes nothing")
	}
	return after.Data, nil
}

// wide is a port as a diff that shows so many lines around it. With whole functions its mutants go past
// every check.
func wide(t *testing.T, before, after []byte, lines int) []byte {
	t.Helper()
	dir := t.TempDir()
	for top, data := range map[string][]byte{"a": before, "b": after} {
		if err := os.MkdirAll(filepath.Join(dir, top, "fs"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, top, gate.File), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("diff", "-U", strconv.Itoa(lines), "--label", "a/"+gate.File, "--label", "b/"+gate.File, "a/"+gate.File, "b/"+gate.File)
	c.Dir = dir
	out, err := c.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("diff: %v", err)
	}
	return out
}
