// SPDX-License-Identifier: Apache-2.0

package derive_test

import (
	"errors"
	"strings"
	"testing"

	"ovzpatch/internal/derive"
	"ovzpatch/internal/gate"
)

func TestDerive(t *testing.T) {
	for _, test := range []struct {
		name, text         string
		headers            map[string]string
		function, gate, id string
		lines              []string // which the patch has
		include, notIn     string
	}{
		{
			"no gate, pid namespaces without a number", top + doUmountOld + sysUmountOld, pidReaper, "do_umount", "", "task_active_pid_ns(current)->child_reaper->pid",
			[]string{"+	if (container_forces_lustre(sb, flags)) {", "+		if (printk_ratelimit())", "container (%d)"},
			"linux/pid_namespace.h linux/sched.h", "",
		},
		{
			"no gate, VEs", top + doUmountOld + sysUmountOld, veNumber, "do_umount", "", "VEID(get_exec_env())",
			[]string{"+	if (ve_forces_lustre(sb, flags)) {", "+		static struct vz_rate_info rate = { 10, 5 * HZ };", "+			ve_printk(VE0_LOG, KERN_WARNING"},
			"linux/ve.h linux/vzratelimit.h", "",
		},
		{
			"gate in the system call", top + doUmount + gateInside, pidProc, "sys_umount", "sys_umount", "task_active_pid_ns(current)->proc_inum",
			[]string{"+	if (container_forces_lustre(path.mnt->mnt_sb, flags)) {", "container (%u)"},
			"linux/pid_namespace.h", "override",
		},
		{
			"gate in a function of its own", top + doUmount + gateApart, pidNumber, "path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+	bool override = container_forces_lustre(path->mnt->mnt_sb, flags);", "+	if (!ret && override)"},
			"linux/pid_namespace.h", "",
		},
		{
			"a VE's field", top + doUmount + gateApart, veField, "path_umount", "can_umount", "get_exec_env()->veid",
			[]string{"+	bool override = ve_forces_lustre(path->mnt->mnt_sb, flags);"},
			"linux/ve.h", "",
		},
		{
			"a VE's name", top + doUmount + gateInside, veName, "sys_umount", "sys_umount", "ve_name(get_exec_env())",
			[]string{"container (%s)"},
			"linux/ve.h", "",
		},
		{
			"the header is there", "#include <linux/pid_namespace.h>\n" + top + doUmount + gateApart, pidNumber, "path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			nil, "", "+#include",
		},
		{
			"the header is there by another", top + doUmount + gateApart, with(pidNumber, map[string]string{"include/linux/kernel.h": "#ifndef K\n#define K\n#include <linux/pid_namespace.h>\n" + pidNumber["include/linux/kernel.h"] + "#endif\n"}),
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum", nil, "", "+#include",
		},
		{
			"the header is there only where an option is set", top + doUmount + gateApart, with(pidNumber, map[string]string{"include/linux/kernel.h": "#ifdef CONFIG_X\n#include <linux/pid_namespace.h>\n#endif\n" + pidNumber["include/linux/kernel.h"]}),
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum", nil, "linux/pid_namespace.h", "",
		},
		{
			"a prefix to all messages", "#define pr_fmt(fmt) \"fs: \" fmt\n" + top + doUmount + gateApart, with(pidNumber, map[string]string{"include/linux/kernel.h": "#define printk_ratelimited(fmt, ...) x\n" + pidNumber["include/linux/kernel.h"]}),
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+		printk_ratelimited(KERN_WARNING"},
			"linux/pid_namespace.h", "",
		},
		{
			"a test behind the gate", top + doUmount + strings.Replace(gateInside, "	retval = do_umount(", "	retval = -EBUSY;\n	if (is_busy(mnt))\n		goto dput_and_out;\n	retval = do_umount(", 1), pidProc,
			"sys_umount", "sys_umount", "task_active_pid_ns(current)->proc_inum",
			[]string{"+	override = container_forces_lustre(path.mnt->mnt_sb, flags);", "+	if (override)"},
			"linux/pid_namespace.h", "",
		},
		{
			"gate where umount_begin is called", top + strings.Replace(doUmount, "	if (flags & MNT_FORCE && sb", "	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		return -EPERM;\n	if (flags & MNT_FORCE && sb", 1) +
				strings.Replace(gateInside, "	retval = -EPERM;\n	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		goto dput_and_out;\n", "", 1), pidProc,
			"do_umount", "do_umount", "task_active_pid_ns(current)->proc_inum",
			[]string{"+	if (container_forces_lustre(sb, flags)) {"},
			"linux/pid_namespace.h", "",
		},
		{
			"gate in two conditions", top + doUmount + strings.Replace(gateApart, "	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		return -EPERM;\n", "	if (flags & MNT_FORCE) {\n		if (!capable(CAP_SYS_ADMIN))\n			return -EPERM;\n	}\n", 1), pidNumber,
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+	if (!ret && override)"},
			"linux/pid_namespace.h", "",
		},
		{
			"gate in two conditions, inside", top + doUmount + strings.Replace(gateInside, "	if (flags & MNT_FORCE && !capable(CAP_SYS_ADMIN))\n		goto dput_and_out;\n", "	if (flags & MNT_FORCE)\n		if (!capable(CAP_SYS_ADMIN))\n			goto dput_and_out;\n", 1), pidProc,
			"sys_umount", "sys_umount", "task_active_pid_ns(current)->proc_inum", nil, "linux/pid_namespace.h", "",
		},
		{
			"a caller with another name for the flags", top + doUmount + strings.ReplaceAll(strings.ReplaceAll(gateApart, "int flags", "int how"), "flags", "how"), pidNumber,
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+		how &= ~MNT_FORCE;"},
			"linux/pid_namespace.h", "",
		},
		{
			"a trace point is told the flags before the path is known", top + doUmount + strings.Replace(gateApart, "	ret = user_path_at(", "	trace_android_rvh_ksys_umount(name, flags);\n	ret = user_path_at(", 1), pidNumber,
			"path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum", nil, "linux/pid_namespace.h", "",
		},
		{
			"CR LF", strings.ReplaceAll(top+doUmount+gateApart, "\n", "\r\n"), pidNumber, "path_umount", "can_umount", "task_active_pid_ns(current)->ns.inum",
			[]string{"+	if (!ret && override)\r"},
			"linux/pid_namespace.h", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := source(test.text, test.headers)
			p, err := derive.Derive(t.Context(), src, gate.NewNames(src.Files))
			if err != nil {
				t.Fatal(err)
			}
			goesIn(t, src, p)
			if p.Function != test.function || p.Gate != test.gate || p.ID != test.id {
				t.Errorf("in %s, gate in %q, id %s", p.Function, p.Gate, p.ID)
			}
			for _, l := range append(test.lines, "Derived-for: 5.0.0", "Nobody has tried it") {
				if !strings.Contains(string(p.Patch), l) {
					t.Errorf("no %q in\n%s", l, p.Patch)
				}
			}
			tried := string(derive.Tried(p.Patch, "It was tried: "+strings.Repeat("well ", 20)))
			if strings.Contains(tried, "Nobody") || !strings.Contains(tried, "\n\nIt was tried: well ") || strings.Count(tried, "\n") != strings.Count(string(p.Patch), "\n")+1 {
				t.Errorf("tried:\n%s", tried)
			}
			if test.notIn != "" && strings.Contains(string(p.Patch), test.notIn) {
				t.Errorf("%q in\n%s", test.notIn, p.Patch)
			}
			if strings.Join(p.Includes, " ") != test.include {
				t.Errorf("includes %q", p.Includes)
			}
			for _, d := range p.Decisions {
				for _, l := range d.Lines {
					if l.File == gate.File && (l.Line < 1 || l.Text == "") {
						t.Errorf("%s: %+v", d.What, l)
					}
				}
			}
		})
	}
}

// What is not sure is a question, which says what to answer.
func TestQuestions(t *testing.T) {
	whole := top + doUmount + gateApart
	for _, test := range []struct {
		name, text string
		headers    map[string]string
		asks       string
	}{
		{"no system call", top + doUmount, pidNumber, "no umount system call"},
		{"nothing at all", "\n", pidNumber, "no umount system call"},
		{"no umount_begin", strings.ReplaceAll(whole, "umount_begin", "umount_start"), pidNumber, "no call of umount_begin"},
		{"no containers", whole, map[string]string{"include/linux/fs.h": "int strcmp(void);\n"}, "what is a container here"},
		{"no headers, a distributor's", whole, nil, "no headers"},
		{"VEs by half", whole, with(pidNumber, map[string]string{"include/linux/ve.h": "#define get_exec_env() x\n"}), "get_exec_env() and ve_is_super()"},
		{"VEs without a number", whole, with(pidNumber, map[string]string{"include/linux/ve.h": "#define get_exec_env() x\n#define ve_is_super(e) x\n"}), "what is their number"},
		{"Linux-VServer", whole, with(pidNumber, map[string]string{"include/linux/vs_context.h": "#define vx_current_xid() x\n"}), "Linux-VServer"},
		{"pid namespaces without anything", whole, with(pidNumber, map[string]string{"include/linux/pid_namespace.h": "extern struct pid_namespace init_pid_ns;\nextern struct pid_namespace *task_active_pid_ns(int);\n"}), "what is to be the container's id"},
		{"no rate limit", whole, with(pidNumber, map[string]string{"include/linux/kernel.h": "#define KERN_WARNING\n"}), "flooding the host's log"},
		{"a port is in", strings.Replace(whole, "	ret = can_umount", "	if (!strcmp(path->mnt->mnt_sb->s_type->name, \"lustre\"))\n		flags &= ~MNT_FORCE;\n	ret = can_umount", 1), pidNumber, "speaks of lustre already"},
		{"mixed ends of lines", strings.Replace(whole, "\n", "\r\n", 3), pidNumber, "which is meant"},
		{"two ways", top + doUmount + strings.Replace(gateApart, "	return path_umount(&path, flags);", "	if (flags)\n		return path_umount(&path, flags);\n	return do_umount(real_mount(path.mnt), flags);", 1), pidNumber, "more than one way"},
		{"another function that umounts", top + doUmount + gateInside + "\nint path_umount(struct path *path, int flags)\n{\n	return do_umount(real_mount(path->mnt), flags);\n}\n", pidProc, "path_umount() comes to it without the hook"},
		{"a trace point that may change the flags", strings.Replace(whole, "	ret = user_path_at(", "	trace_android_rvh_ksys_umount(name, &flags);\n	ret = user_path_at(", 1), pidNumber, "not known to be right"},
		{"a function told the flags that is no trace point", strings.Replace(whole, "	ret = user_path_at(", "	vendor_umount(name, flags);\n	ret = user_path_at(", 1), pidNumber, "not known to be right"},
		{"flags that cannot be written to", top + doUmount + strings.Replace(gateApart, "*path, int flags)\n{\n	struct mount *mnt = real_mount(path->mnt);\n	int ret;", "*path, const int flags)\n{\n	struct mount *mnt = real_mount(path->mnt);\n	int ret;", 1), pidNumber, "flags is const"},
		{"the gate's answer is asked where it is declared", strings.Replace(whole, "	int ret;\n\n	ret = can_umount", "	int ret = can_umount", 1), pidNumber, "where does the hook belong"},
		{"the gate is hidden in a variable", strings.Replace(strings.Replace(whole, "	if (!may_mount())\n", "	bool force = flags & MNT_FORCE;\n\n	if (!may_mount())\n", 1), "if (flags & MNT_FORCE && !capable", "if (force && !capable", 1), pidNumber, "not known to be right"},
		{"flags from elsewhere", strings.Replace(whole, "can_umount(path, flags);", "can_umount(path, flags | extra);", 1), pidNumber, "which variable holds the flags"},
		{"an expire test behind", top + strings.Replace(strings.Replace(doUmountOld, "	if (flags & MNT_EXPIRE) {", "	if (flags & MNT_DETACH) {", 1), "	return umount_rest", "	if (flags & MNT_EXPIRE)\n		return -EINVAL;\n	return umount_rest", 1) + sysUmountOld, pidReaper, "no MNT_EXPIRE test before"},
		{"a variable override", strings.Replace(whole, "	int ret;\n\n	ret = can", "	int ret, override;\n\n	ret = can", 1), pidNumber, "has a variable override"},
		{"too many brackets", strings.Replace(whole, "can_umount(path, flags);", strings.Repeat("(", 9000)+"can_umount(path, flags)"+strings.Repeat(")", 9000)+";", 1), pidNumber, "more than 500 brackets in each other, and is not read (fs/namespace.c:"},
		{"a path by number", strings.ReplaceAll(strings.Replace(whole, "	struct mount *mnt = real_mount(path->mnt);\n	int ret;\n\n	ret", "	struct mount *mnt = find_mount(number);\n	int ret;\n\n	ret", 1), "path_umount(const struct path *path,", "path_umount(int number,"), pidNumber, "by what is the superblock known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := source(test.text, test.headers)
			p, err := derive.Derive(t.Context(), src, gate.NewNames(src.Files))
			var q *derive.Question
			if !errors.As(err, &q) {
				t.Fatalf("error %v, port\n%+v", err, p)
			}
			if !strings.Contains(q.Error(), test.asks) {
				t.Errorf("asks %q", q.Error())
			}
		})
	}
}

// Where a plain kernel's headers are not at hand its version says what it has.
func TestByVersion(t *testing.T) {
	for version, want := range map[[3]int]string{
		{6, 1, 0}:  "task_active_pid_ns(current)->ns.inum",
		{3, 19, 0}: "task_active_pid_ns(current)->ns.inum",
		{3, 18, 0}: "task_active_pid_ns(current)->proc_inum",
		{3, 8, 0}:  "task_active_pid_ns(current)->proc_inum",
		{3, 7, 0}:  "task_active_pid_ns(current)->child_reaper->pid",
		{2, 6, 23}: "",
		{2, 6, 32}: "task_active_pid_ns(current)->child_reaper->pid",
	} {
		src := source(top+doUmount+gateApart, nil)
		src.Plain, src.Version = true, version
		p, err := derive.Derive(t.Context(), src, nil)
		switch {
		case want == "":
			if _, ok := errors.AsType[*derive.Question](err); !ok {
				t.Errorf("%v: error %v", version, err)
			}
		case err != nil:
			t.Errorf("%v: %v", version, err)
		case p.ID != want || !strings.Contains(string(p.Patch), "The headers were not at hand"):
			t.Errorf("%v: id %s", version, p.ID)
		}
	}
}

// FuzzDerive: whatever the text holds, deriving ends, and what comes of it goes in.
func FuzzDerive(f *testing.F) {
	for _, text := range []string{top + doUmount + gateApart, top + doUmount + gateInside, top + doUmountOld + sysUmountOld} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		src := source(string(text), pidNumber)
		p, err := derive.Derive(t.Context(), src, gate.NewNames(src.Files))
		var q *derive.Question
		switch {
		case err == nil:
			goesIn(t, src, p)
		case !errors.As(err, &q):
			t.Error(err)
		}
	})
}

// The name of OpenVZ's kernels says that there are VEs. Where the headers at hand have none, a
// pid namespace would be a guess.
func TestOpenVZWithoutItsHeaders(t *testing.T) {
	src := source(top+doUmount+gateApart, pidNumber)
	src.OpenVZ = true
	_, err := derive.Derive(t.Context(), src, gate.NewNames(src.Files))
	var q *derive.Question
	if !errors.As(err, &q) || !strings.Contains(q.Error(), "one of OpenVZ's") {
		t.Errorf("error %v", err)
	}
}
