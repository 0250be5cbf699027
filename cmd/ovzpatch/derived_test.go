// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"strings"
	"testing"

	"ovzpatch/internal/derive"
	"ovzpatch/internal/gate"
	"ovzpatch/patches"
)

// lineOf are the lines of the reduced trees.
var lineOf = map[string]string{
	"rhel5": "rhel5-2.6.18", "rhel6": "rhel6-2.6.32", "vz7-2015": "vz7-3.10", "vz7": "vz7-3.10", "vz8": "vz8-4.18", "vz9": "vz9-5.14",
	"redhat": "mainline-6.1",
}

// treeFiles are the files of one of the reduced trees. Red Hat's own is vz9's without VEs.
func treeFiles(t *testing.T, tree string) map[string][]byte {
	t.Helper()
	trees := shapes(t)
	if tree != "redhat" {
		return trees[tree]
	}
	files := map[string][]byte{}
	maps.Copy(files, trees["vz9"])
	delete(files, "include/linux/ve.h")
	files["include/linux/pid_namespace.h"] = []byte("struct ns_common {\n\tunsigned int inum;\n};\nstruct pid_namespace {\n\tstruct ns_common ns;\n};\n")
	return files
}

// derivedFor derives the port for a tree, and returns the gate's file without and with it.
func derivedFor(t *testing.T, tree string) (p *derive.Port, before, after []byte, names *gate.Names) {
	t.Helper()
	files := treeFiles(t, tree)
	names = gate.NewNames(files)
	p, err := derive.Derive(t.Context(), derive.Source{Kernel: tree, Files: files}, names)
	if err != nil {
		t.Fatalf("%s: %v", tree, err)
	}
	before = files[gate.File]
	if after, err = patched(p.Patch, before); err != nil {
		t.Fatalf("%s: %v", tree, err)
	}
	return p, before, after, names
}

// The derived port of a line's tree is judged as the shipped one: the same verdict and, but for
// how the id is spelled, the same message.
func TestDerivedPortsJudgeAsShipped(t *testing.T) {
	for tree, line := range lineOf {
		port, before, _, names := derivedFor(t, tree)
		shipped, err := patches.ForLine(line)
		if err != nil {
			t.Fatal(err)
		}
		source, err := patched(shipped.Data, before)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := gate.Check(t.Context(), before, source, names)
		if port.Judged.Verdict != want.Verdict {
			t.Errorf("%s: derived %s, shipped %s", tree, port.Judged.Verdict, want.Verdict)
		}
		plain := strings.NewReplacer("%u", "%", "%d", "%")
		if plain.Replace(port.Judged.Message) != plain.Replace(want.Message) {
			t.Errorf("%s: derived %q, shipped %q", tree, port.Judged.Message, want.Message)
		}
	}
}

// The known ways to get a port wrong, done to a derived one as text: none is found right.
func TestDerivedAndThenBroken(t *testing.T) {
	const drop = "flags &= ~MNT_FORCE;"
	inside := map[bool]string{true: "!ve_is_super(get_exec_env())", false: "task_active_pid_ns(current) != &init_pid_ns"}
	for tree := range lineOf {
		port, before, after, names := derivedFor(t, tree)
		ve := strings.HasPrefix(port.Container, "!ve")
		text := string(after)
		logs := port.Printk
		for _, wrong := range []struct{ name, from, to string }{
			{"the host, too", inside[ve] + " &&\n", "1 &&\n"},
			{"inside and outside swapped", inside[ve], strings.NewReplacer("!ve", "ve", "!=", "==").Replace(inside[ve])},
			{"every file system", `(!strcmp(type, "lustre") || !strcmp(type, "lustre_tgt"))`, "type"},
			{"servers are forgotten", ` || !strcmp(type, "lustre_tgt")`, ""},
			{"what begins alike", `!strcmp(type, "lustre")`, `!strncmp(type, "lustre", 6)`},
			{"with MNT_EXPIRE, too", "(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", "flags & MNT_FORCE"},
			{"MNT_DETACH is lost", drop, "flags &= ~(MNT_FORCE | MNT_DETACH);"},
			{"the flag is kept", drop, ";"},
			{"refused in place of dropped", drop, "return -EPERM;"},
			{"another's id", port.ID + ")", "current->pid)"},
			{"without a message", "Forced umount of lustre fs", "Plain umount"},
			{"a letter of the message", "Overriding", "overriding"},
			{"only the first calls", drop, "{ static int calls; if (calls++ < 10) flags &= ~MNT_FORCE; }"},
			{"only when busy", drop, "if (atomic_read(&current->usage) > 2) flags &= ~MNT_FORCE;"},
			{"at debug level", logs, map[bool]string{true: "printk(KERN_DEBUG ", false: "pr_debug_ratelimited("}[strings.HasPrefix(logs, "ve_")]},
			{"a reference to the mount is leaked", drop, "{ flags &= ~MNT_FORCE; mntget(" + mountOf(port.Function) + "); }"},
			{"it sleeps under namespace_sem", drop, "{ flags &= ~MNT_FORCE; down_write(&namespace_sem); msleep(1); up_write(&namespace_sem); }"},
			{"only pid 1 of the container", inside[ve] + " &&\n", inside[ve] + " && task_pid_vnr(current) == 1 &&\n"},
		} {
			if wrong.name == "with MNT_EXPIRE, too" && port.Gate == "" {
				continue // the hook stands behind the MNT_EXPIRE test there
			}
			if !strings.Contains(text, wrong.from) {
				t.Errorf("%s, %s: no %q in\n%s", tree, wrong.name, wrong.from, text)
				continue
			}
			if g, _ := gate.Check(t.Context(), before, []byte(strings.Replace(text, wrong.from, wrong.to, 1)), names); g.Verdict == gate.Reached {
				t.Errorf("%s, %s: passes as right", tree, wrong.name)
			}
		}
	}
}

// The mutants of derived ports are refused like those of the shipped ones.
func TestMutantsOfDerivedPortsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	for tree := range lineOf {
		t.Run(tree, func(t *testing.T) {
			t.Parallel()
			_, before, after, names := derivedFor(t, tree)
			refuseMutants(t, "derived "+tree, before, after, names)
		})
	}
}

// mountOf is a mount that the function with the hook has at hand.
func mountOf(function string) string {
	switch function {
	case "path_umount":
		return "path->mnt"
	case "do_umount":
		return "mnt"
	}
	return "path.mnt"
}
