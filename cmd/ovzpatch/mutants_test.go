// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/mutant"
	"ovzpatch/internal/patch"
	"ovzpatch/patches"
)

// sameAsPort are the mutants that do what the port does, or differ in what the text cannot
// show, by the beginning of their names, each with the reason. Without a tree it holds for all.
var sameAsPort = []struct{ tree, name, why string }{
	{"", "flag: ", "MNT_FORCE|MNT_EXPIRE in a mask that has both, or taken away where MNT_EXPIRE is known not to be there"},
	{"", "statement doubled: if (override) flags &= ~MNT_FORCE", "taking the flag away twice is taking it away"},
	{"", "statement doubled: flags &= ~MNT_FORCE", "taking the flag away twice is taking it away"},
	{"", "statement doubled: if (ve_forces_lustre", "the second finds no MNT_FORCE any more"},
	{"", "statement doubled: if ((flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", "the second finds no MNT_FORCE any more"},
	{"", "statement doubled: type =", "the same value twice"},
	{"", "statement doubled: override =", "the same value twice"},
	{"", "moved: type = ", "the type is the same wherever it is read behind the lookup"},
	{"", "moved: if (ve_forces_lustre(sb, flags)) { stati before if (", "it stands there already: the test for umount_begin is what comes next"},
	{"", "moved: if ((flags & (MNT_FORCE | MNT_EXPIRE)) = before retval = -EPERM;", "it stands there already"},
	{"", "moved: if ((flags & (MNT_FORCE | MNT_EXPIRE)) = before if (flags & MNT_FORCE && !capable", "an assignment to retval lies between, which the hook leaves alone"},
	{"", "moved: if (override) flags &= ~MNT_FORCE; before ret = can_umount", "it stands there already"},
	{"", "moved: if (!ret && override) pr_warn_ratelimite before if (!ret)", "it stands there already"},
	{"", "statement put in: flags |= MNT_DETACH; before return", "flags is the helper's own copy, and its condition does not ask for MNT_DETACH"},
	{"", "moved: if (ve_forces_lustre(sb, flags)) { stati before retval = security_sb_umount", "the ports of vz7 to mainline write before the security module is asked, too"},
	{"", "moved: if (ve_forces_lustre(path.mnt->mnt_sb, f before retval = -EPERM;", "it stands there already"},
	{"", "moved: if (ve_forces_lustre(path.mnt->mnt_sb, f before if (flags & MNT_FORCE && !capable", "an assignment to retval lies between, which the hook leaves alone"},
	{"", "moved: if (!ret && override) { static DEFINE_RA before if (!ret)", "it stands there already"},
	{"vz7", "moved: if (override) flags &= ~MNT_FORCE; before retval = -E", beforeGate},
	{"vz7", "moved: if (override) flags &= ~MNT_FORCE; before if (path.dentry != path.mnt->mnt_root)", beforeGate},
	{"vz7", "moved: if (override) flags &= ~MNT_FORCE; before if (!check_mnt(mnt))", beforeGate},
	{"vz7", "moved: if (override) flags &= ~MNT_FORCE; before if (mnt->mnt.mnt_flags & MNT_LOCKED)", beforeGate},
	{"vz7", "moved: if (override) flags &= ~MNT_FORCE; before if (flags & MNT_FORCE && !capable", beforeGate},
	{"vz7-2015", "moved: if (override) flags &= ~MNT_FORCE; before ", "this release has no gate, and nothing looks at flags before do_umount"},
	{"vz7", "moved: if (override) pr_warn_ratelimited(\"Force before retval = -EPERM;", "where override is true the gate finds no MNT_FORCE, so it cannot leave behind the message"},
	{"vz7", "moved: if (override) pr_warn_ratelimited(\"Force before if (flags & MNT_FORCE && !capable", "where override is true the gate finds no MNT_FORCE, so it cannot leave behind the message"},
	{"vz7", "moved: if (override) pr_warn_ratelimited(\"Force before retval = do_umount", "it stands there already"},
	{"vz7-2015", "moved: if (override) pr_warn_ratelimited(\"Force before retval = do_umount", "it stands there already"},
}

const beforeGate = "it is before the gate still, and what lies between does not look at flags"

// excused is the reason why a mutant may be found right, or "".
func excused(tree, name string) string {
	for _, s := range sameAsPort {
		if (s.tree == "" || s.tree == tree) && strings.HasPrefix(name, s.name) {
			return s.why
		}
	}
	return ""
}

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

// No mutant of a port is found right: each is refused, or told as unsure, or does the same as
// the port.
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
	if g, err := gate.Check(before, after, names); err != nil {
		t.Fatalf("the port itself: %v, %v", g, err)
	}
	mutants, err := mutant.Generate(wide(t, before, after))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < 60 {
		t.Errorf("%d mutants", len(mutants))
	}
	count := map[gate.Verdict]int{}
	for i, m := range mutants {
		if testing.Short() && i%7 != 0 {
			continue
		}
		source, err := patched(m.Patch, before)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		g, _ := gate.Check(before, source, names)
		count[g.Verdict]++
		if g.Verdict == gate.Reached && excused(tree, m.Name) == "" {
			t.Errorf("passes as right: %s", m.Name)
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

// wide is a port as a diff that shows whole functions, so that its mutants go past every check.
func wide(t *testing.T, before, after []byte) []byte {
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
	c := exec.Command("diff", "-U60", "a/"+gate.File, "b/"+gate.File)
	c.Dir = dir
	out, err := c.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("diff: %v", err)
	}
	return out
}
