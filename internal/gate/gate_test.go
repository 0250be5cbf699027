// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// inline is a hook in one piece, for the lines whose order allows it.
const inline = `
	if (flags & MNT_FORCE && !ve_is_super(get_exec_env()) &&
	    (!strcmp(SB->s_type->name, "lustre") || !strcmp(SB->s_type->name, "lustre_tgt"))) {
		if (printk_ratelimit())
			printk(KERN_WARNING "Forced umount of lustre fs is not allowed "
			       "inside container (%u). Overriding MNT_FORCE flag.\n",
			       VEID(get_exec_env()));
		flags &= ~MNT_FORCE;
	}
`

const decision = `
static bool container_forces_lustre(const struct path *path, int flags)
{
	const char *type = path->dentry->d_sb->s_type->name;

	return (flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE &&
	       task_active_pid_ns(current) != &init_pid_ns &&
	       (!strcmp(type, "lustre") || !strcmp(type, "lustre_tgt"));
}
`

const (
	decided = `
	bool override = container_forces_lustre(path, flags);

	if (override)
		flags &= ~MNT_FORCE;
`
	logged = `
	if (!ret && override)
		pr_warn_ratelimited("Forced umount of lustre fs is not allowed inside container (%u). Overriding MNT_FORCE flag.\n",
				    task_active_pid_ns(current)->ns.inum);
`
)

// ahead and behind are the two halves of a hook in one function: the decision where the
// mount is known, the message where nothing refuses any more.
const (
	ahead = `
	const char *type;
	bool override;

	type = path.mnt->mnt_sb->s_type->name;
	override = (flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE &&
		   !ve_is_super(get_exec_env()) &&
		   (!strcmp(type, "lustre") || !strcmp(type, "lustre_tgt"));
	if (override)
		flags &= ~MNT_FORCE;
`
	behind = `
	if (override)
		pr_warn_ratelimited("Forced umount of lustre fs is not allowed inside container (%d). Overriding MNT_FORCE flag.\n",
				    get_exec_env()->veid);
`
)

func on(sb string) string { return strings.ReplaceAll(inline, "SB", sb) }

// someNames are the headers of a source that has what the hooks here use.
var someNames = namesFor("rhel6")

func namesFor(base string) *Names {
	words := "KERN_WARNING MNT_FORCE MNT_EXPIRE MNT_DETACH VEID VE0_LOG VE_LOG VE_LOG_BOTH current get_exec_env init_pid_ns " +
		"pr_warn_ratelimited printk printk_ratelimit strcmp strncmp strlen task_active_pid_ns ve_printk"
	if base != "mainline" {
		words += " ve_is_super"
	}
	return NewNames(map[string][]byte{"include/linux/fs.h": []byte(defined(strings.Fields(words)))})
}

// defined is a header with words, of which those are defined that must be.
func defined(words []string) string {
	var b strings.Builder
	for _, w := range words {
		if hookNames[w] {
			b.WriteString("#define ")
		}
		b.WriteString(w + "\n")
	}
	return b.String()
}

func TestCheckGate(t *testing.T) {
	withExpire := func(hook string) string {
		return strings.Replace(hook, "flags & MNT_FORCE", "(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", 1)
	}
	for _, test := range []struct {
		name   string
		base   string
		hooks  map[string]string
		faults []string // parts of the reasons, in order; none when the port is right
	}{
		{"rhel6 right, after the expire block", "rhel6", map[string]string{"after-expire": on("sb")}, nil},
		{
			"rhel6 right, in the system call, leaving MNT_EXPIRE alone", "rhel6",
			map[string]string{"after-permission": withExpire(on("path.mnt->mnt_sb"))},
			nil,
		},
		{"rhel6 right, in a helper with early returns", "rhel6", map[string]string{
			"helper": `
static int lustre_flags(struct super_block *sb, int flags)
{
	if (!(flags & MNT_FORCE) || ve_is_super(get_exec_env()))
		return flags;
	if (strcmp(sb->s_type->name, "lustre") && strcmp(sb->s_type->name, "lustre_tgt"))
		return flags;
	if (printk_ratelimit())
		printk(KERN_WARNING "Forced umount of lustre fs is not allowed inside container (%d). Overriding MNT_FORCE flag.\n", get_exec_env()->veid);
	return flags & ~MNT_FORCE;
}
`,
			"after-expire": "\tflags = lustre_flags(sb, flags);\n",
		}, nil},
		{"rhel6 into both logs by two calls", "rhel6", map[string]string{"after-expire": strings.Replace(on("sb"), "printk(KERN_WARNING",
			`ve_printk(VE_LOG, "Forced umount of lustre fs is not allowed inside container (%u). Overriding MNT_FORCE flag.\n", get_exec_env()->veid);
			ve_printk(VE0_LOG, KERN_WARNING`, 1)}, []string{"container's own log"}},
		{"rhel6 without a hook", "rhel6", nil, []string{"hook is never reached, or is not there"}},
		{
			"rhel6 before the expire test", "rhel6",
			map[string]string{"before-expire": on("sb")},
			[]string{"before the MNT_EXPIRE test, which then", "message comes before the MNT_EXPIRE test"},
		},
		{
			"rhel6 in the system call, forgetting MNT_EXPIRE", "rhel6",
			map[string]string{"after-permission": on("path.mnt->mnt_sb")},
			[]string{"before the MNT_EXPIRE test, which then", "message comes before the MNT_EXPIRE test"},
		},
		{
			"rhel6 before the permission check", "rhel6",
			map[string]string{"before-permission": withExpire(on("path.mnt->mnt_sb"))},
			[]string{"path is read before anything filled it in"},
		},
		{"rhel6 after umount_begin", "rhel6", map[string]string{"after-begin": on("sb")}, []string{"only after umount_begin"}},
		{"rhel6 in a function that umount does not call", "rhel6", map[string]string{"unreached": on("sb")}, []string{"never reached"}},
		{
			"rhel6 on every file system", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), `"lustre"`, `"nfs"`, 1)},
			[]string{"which is not Lustre"},
		},
		{
			"rhel6 on the host too", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "!ve_is_super(get_exec_env()) &&", "", 1)},
			[]string{"stop working on the host"},
		},
		{
			"rhel6 into the container's log only", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "printk(KERN_WARNING", "ve_printk(VE_LOG, KERN_WARNING", 1)},
			[]string{"container's own log"},
		},
		{
			"rhel6 into both logs by one call", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "printk(KERN_WARNING", "ve_printk(VE_LOG_BOTH, KERN_WARNING", 1)},
			[]string{"VE_LOG_BOTH"},
		},
		{
			"rhel6 with a letter changed", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "Overriding", "overriding", 1)},
			[]string{"the message ends"},
		},
		{
			"rhel6 with a blank lost between literals", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), `allowed "`, `allowed"`, 1)},
			[]string{"the message starts"},
		},
		{
			"rhel6 with the id written out", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "(%u)", "(VE %u)", 1)},
			[]string{"the container's id"},
		},
		{
			"rhel6 with the process id as the container's", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "VEID(get_exec_env()));", "current->pid);", 1)},
			[]string{"not the container's id"},
		},
		{
			"rhel6 taking MNT_DETACH too", "rhel6",
			map[string]string{"after-expire": strings.Replace(on("sb"), "~MNT_FORCE", "~(MNT_FORCE | MNT_DETACH)", 1)},
			[]string{"takes MNT_DETACH away"},
		},
		{"rhel6 commented out", "rhel6", map[string]string{"after-expire": "/*" + on("sb") + "*/"}, []string{"never reached"}},
		{"rhel6 compiled out", "rhel6", map[string]string{"after-expire": "#if 0" + on("sb") + "#endif\n"}, []string{"never reached"}},
		{"rhel6 under CONFIG_VE", "rhel6", map[string]string{"after-expire": "#ifdef CONFIG_VE" + on("sb") + "#else\n\tflags = 0;\n#endif\n"}, nil},

		{"vz7 right, before the gate", "vz7", map[string]string{"before-gate": withExpire(on("path.mnt->mnt_sb"))}, nil},
		{"vz7 behind the gate", "vz7", map[string]string{"after-gate": withExpire(on("path.mnt->mnt_sb"))}, []string{"behind the MNT_FORCE gate"}},
		{"vz7 in do_umount", "vz7", map[string]string{"after-expire": on("sb")}, []string{"behind the MNT_FORCE gate"}},
		{
			"vz7 right, deciding before the gate and logging behind it", "vz7",
			map[string]string{"before-gate": ahead, "after-gate": behind},
			nil,
		},
		{
			"vz7 deciding before the gate, whatever the type", "vz7",
			map[string]string{"before-gate": strings.ReplaceAll(ahead, `"lustre`, `"nfs`), "after-gate": behind},
			[]string{"which is not Lustre"},
		},
		{
			"vz7 dropping the flag for everybody", "vz7",
			map[string]string{"before-gate": strings.Replace(ahead, "override)", "flags & MNT_FORCE)", 1), "after-gate": behind},
			[]string{"before the MNT_EXPIRE test, which then", "which is not Lustre", "stop working on the host"},
		},
		{
			"mainline right, deciding first and logging last", "mainline",
			map[string]string{"helper": decision, "before-can": decided, "after-can": logged},
			nil,
		},
		{
			"mainline logging whatever can_umount says", "mainline",
			map[string]string{"helper": decision, "before-can": decided, "after-can": strings.Replace(logged, "!ret && ", "", 1)},
			[]string{"does not depend on what the permission check said"},
		},
		{
			"mainline logging first", "mainline",
			map[string]string{"helper": decision, "before-can": decided + strings.Replace(logged, "!ret && ", "", 1)},
			[]string{"the permission check"},
		},
		{
			"mainline forgetting MNT_EXPIRE", "mainline",
			map[string]string{"helper": strings.Replace(decision, "(flags & (MNT_FORCE | MNT_EXPIRE)) == MNT_FORCE", "flags & MNT_FORCE", 1), "before-can": decided, "after-can": logged},
			[]string{"before the MNT_EXPIRE test, which then", "message comes before the MNT_EXPIRE test"},
		},
		{
			"mainline behind can_umount", "mainline",
			map[string]string{"helper": decision, "after-can": decided + logged},
			[]string{"behind the MNT_FORCE gate"},
		},
		{
			"mainline with a prefix to all messages", "mainline",
			map[string]string{"top": "#define pr_fmt(fmt) \"namespace: \" fmt\n", "helper": decision, "before-can": decided, "after-can": logged},
			[]string{"pr_fmt"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := withHooks(t, test.base, test.hooks)
			gate, err := Check(t.Context(), []byte(withHooks(t, test.base, nil)), []byte(src), namesFor(test.base))
			if len(test.faults) == 0 && err != nil {
				t.Errorf("refused: %v\nsteps: %v", err, gate.Steps)
			}
			var refused *Error
			if len(test.faults) > 0 && !errors.As(err, &refused) {
				t.Fatalf("accepted: %v", gate.Steps)
			}
			found := slices.Concat(gate.Faults, gate.Doubts)
			for _, want := range test.faults {
				if !slices.ContainsFunc(found, func(f Fault) bool { return strings.Contains(f.Reason, want) }) {
					t.Errorf("no %q among %v", want, found)
				}
			}
			for _, f := range found {
				for _, n := range f.Lines {
					if n < 1 || n > strings.Count(src, "\n") {
						t.Errorf("fault %q names line %d", f.Reason, n)
					}
				}
			}
		})
	}
}

var hookLine = regexp.MustCompile(`(?m)^@([a-z-]+)@\n`)

// withHooks puts hooks into one of the reduced files.
func withHooks(t *testing.T, base string, hooks map[string]string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", base+".c"))
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	src := hookLine.ReplaceAllStringFunc(string(data), func(line string) string {
		hook, ok := hooks[hookLine.FindStringSubmatch(line)[1]]
		if ok {
			used++
		}
		return hook
	})
	if used != len(hooks) {
		t.Fatalf("%d of %d hooks have their line in %s.c", used, len(hooks), base)
	}
	return src
}

// The order of the steps and their lines are what the command shows.
func TestGateStepsInOrder(t *testing.T) {
	src := withHooks(t, "mainline", map[string]string{"helper": decision, "before-can": decided, "after-can": logged})
	gate, err := Check(t.Context(), []byte(withHooks(t, "mainline", nil)), []byte(src), namesFor("mainline"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(src, "\n")
	want := []struct {
		kind     Kind
		function string
		on       string // what stands on the line
	}{
		{FlagDrop, "path_umount", "flags &= ~MNT_FORCE;"},
		{Permission, "can_umount", "if (!may_mount())"},
		{ForceGate, "can_umount", "if (flags & MNT_FORCE && !ns_capable"},
		{Message, "path_umount", "pr_warn_ratelimited("},
		{ExpireTest, "do_umount", "if (flags & MNT_EXPIRE) {"},
		{UmountBegin, "do_umount", "sb->s_op->umount_begin(sb);"},
		{Permission, "do_umount", "if (!ns_capable(sb->s_user_ns"},
	}
	if len(gate.Steps) != len(want) {
		t.Fatalf("%d steps: %v", len(gate.Steps), gate.Steps)
	}
	for i, w := range want {
		s := gate.Steps[i]
		if s.Kind != w.kind || s.Function != w.function || !strings.Contains(lines[s.Line-1], w.on) {
			t.Errorf("step %d is %s in %s at line %d %q, want %s in %s at %q", i, s.Kind, s.Function, s.Line, lines[s.Line-1], w.kind, w.function, w.on)
		}
	}
}

// FuzzCheck: whatever the source holds, reading it ends and breaks nothing.
func FuzzCheck(f *testing.F) {
	for _, base := range []string{"rhel6", "vz7", "mainline"} {
		data, err := os.ReadFile(filepath.Join("testdata", base+".c"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	f.Add([]byte("int sys_umount(x){if(a){sys_umount(b)}else while(1)do;}"), []byte("int sys_umount(char*n,int flags){if(flags&=~1)x:goto x;}"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		gate, err := Check(t.Context(), before, after, nil)
		if (err == nil) != (len(gate.Faults)+len(gate.Doubts) == 0) {
			t.Errorf("error %v with %+v", err, gate)
		}
	})
}
