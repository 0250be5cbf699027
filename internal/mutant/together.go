// SPDX-License-Identifier: Apache-2.0

package mutant

import (
	"fmt"
	"regexp"
	"strings"
)

// Together puts mutants into one kernel, so that only one has to be built: each becomes a
// copy of the functions it changes, and the kernel parameter Parameter chooses among them.
// It is never shipped.
type Together struct {
	Source  []byte   // the whole file
	Names   []string // of the mutants, by the number that chooses one; 0 is the port itself
	Outside []string // mutants that change what is not copied, and are not there
	from    []int    // by number: the first line of its copy
	end     int      // the first line behind the last copy
}

// Parameter is what the kernel command line chooses a mutant with.
const Parameter = "ovz_mutant"

// copied are the functions of mainline that a port's hook is in, in their order; the last
// one is where it all begins.
var copied = []string{"can_umount", "container_forces_lustre", "path_umount"}

// PutTogether makes one file of a port and its mutants. All must be diffs of the one file,
// with the whole of it as context. leaveOut are names of mutants that do not compile.
func PutTogether(port []byte, mutants []Mutant, leaveOut map[string]bool) (*Together, error) {
	whole := result(port)
	start, end, err := block(whole)
	if err != nil {
		return nil, err
	}
	before, own, after := whole[:start], whole[start:end], whole[end:]
	t := &Together{Names: []string{"the port itself"}}
	bodies := []string{own}
	for _, m := range mutants {
		if leaveOut[m.Name] {
			continue
		}
		text := result(m.Patch)
		if !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) || len(text) < len(before)+len(after) {
			t.Outside = append(t.Outside, m.Name)
			continue
		}
		t.Names = append(t.Names, m.Name)
		bodies = append(bodies, text[len(before):len(text)-len(after)])
	}
	var b strings.Builder
	b.WriteString(before)
	b.WriteString("#include <linux/delay.h>\n#include <linux/moduleparam.h>\n#include <linux/sched/signal.h>\n#include <linux/sched/task.h>\n#include <linux/slab.h>\n")
	var choose strings.Builder
	for i, body := range bodies {
		t.from = append(t.from, strings.Count(b.String(), "\n")+1)
		for _, name := range copied {
			body = regexp.MustCompile(`\b`+name+`\(`).ReplaceAllString(body, fmt.Sprintf("%s_%d(", name, i))
		}
		body = strings.Replace(body, "\nint path_umount_", "\nstatic int path_umount_", 1)
		b.WriteString(body + "\n")
		fmt.Fprintf(&choose, "\tcase %d: return path_umount_%d(path, flags);\n", i, i)
	}
	t.end = strings.Count(b.String(), "\n") + 1
	// Whether it compiles is tried as a module.
	fmt.Fprintf(&b, "static int %s;\n#ifdef MODULE\nmodule_param(%[1]s, int, 0444);\n#else\ncore_param(%[1]s, %[1]s, int, 0444);\n#endif\n\nint path_umount(struct path *path, int flags)\n{\n\tswitch (%[1]s) {\n%s\t}\n\treturn -ENOSYS;\n}\n", Parameter, choose.String())
	b.WriteString(after)
	t.Source = []byte(b.String())
	return t, nil
}

// At names the mutant that a line of Source belongs to, "" for none.
func (t *Together) At(line int) string {
	for i := len(t.from) - 1; i > 0; i-- {
		if line >= t.from[i] && line < t.end {
			return t.Names[i]
		}
	}
	return ""
}

// result is the file that a patch with all of it as context makes.
func result(patch []byte) string {
	var b strings.Builder
	in := false
	for l := range strings.Lines(string(patch)) {
		switch {
		case strings.HasPrefix(l, "@@ "):
			in = true
		case in && l == "\n":
			b.WriteString(l)
		case in && (l[0] == ' ' || l[0] == '+'):
			b.WriteString(l[1:])
		}
	}
	return b.String()
}

// block finds where the copied functions begin and end.
func block(whole string) (start, end int, err error) {
	start = strings.Index(whole, "static int "+copied[0]+"(")
	last := strings.Index(whole, "int "+copied[len(copied)-1]+"(struct path")
	if start < 0 || last < start {
		return 0, 0, fmt.Errorf("put mutants together: the file has no %s, or it comes behind %s", copied[0], copied[len(copied)-1])
	}
	n := strings.Index(whole[last:], "\n}\n")
	if n < 0 {
		return 0, 0, fmt.Errorf("put mutants together: %s has no end", copied[len(copied)-1])
	}
	return start, last + n + len("\n}\n"), nil
}
