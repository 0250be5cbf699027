// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"strings"
	"testing"
)

// hostile are bodies of a function that take much to read for their size. told is what is said of them, "" where they
// are read.
var hostile = map[string]struct{ body, told string }{
	"brackets":        {"x = " + nested("(", "1", ")") + ";", "brackets in each other"},
	"open brackets":   {"x = " + strings.Repeat("(", 200000), "brackets in each other"},
	"calls":           {nested("f(", "1", ")") + ";", "brackets in each other"},
	"indexes":         {"x = " + nested("a[", "1", "]") + ";", "brackets in each other"},
	"blocks":          {nested("{", ";", "}"), "brackets in each other"},
	"else if":         {strings.Repeat("if (x) y(); else ", 20000) + "z();", "statements in each other"},
	"if":              {strings.Repeat("if (x) ", 20000) + "z();", "statements in each other"},
	"while":           {strings.Repeat("while (x) ", 20000) + "z();", "statements in each other"},
	"labels":          {strings.Repeat("l: ", 10000) + ";", ""},
	"labels of an if": {"if (x) " + strings.Repeat("l: ", 10000) + ";", "statements in each other"},
	"#if":             {strings.Repeat("\n#if A\nx();", 10000) + strings.Repeat("\n#endif", 10000) + "\n", "conditions of the preprocessor in each other"},
	"#elif":           {"\n#if A" + strings.Repeat("\n#elif B\nx();", 10000) + "\n#endif\n", "conditions of the preprocessor in each other"},
	"minus":           {"x = " + strings.Repeat("- ", 100000) + "1;", ""},
	"not":             {"if (" + strings.Repeat("!", 100000) + "x) return 1;", ""},
	"choices":         {"x = " + strings.Repeat("a ? b : ", 100000) + "c;", ""},
	"assignments":     {strings.Repeat("a = ", 100000) + "c;", ""},
	"one line":        {strings.Repeat("x(); ", 20000), ""},
	"marks":           {"x " + strings.Repeat("# ", 100000), ""},
}

func nested(open, in, end string) string {
	return strings.Repeat(open, 20000) + in + strings.Repeat(end, 50000)
}

func TestHostileSources(t *testing.T) {
	before := withHooks(t, "mainline", nil)
	for name, test := range hostile {
		t.Run(name, func(t *testing.T) {
			src := before + "\nstatic int hostile(int x)\n{\n" + test.body + "\n}\n"
			g, _ := Check([]byte(src), []byte(src), nil)
			told := fmt.Sprint(g.Doubts)
			if deep := strings.Contains(told, "and is not read"); !strings.Contains(told, test.told) || deep != (test.told != "") {
				t.Errorf("told %.300s, want %q", told, test.told)
			}
			if o := ReadOutline([]byte(src)); (o.Deep != nil) != (test.told != "") {
				t.Errorf("the outline says %v", o.Deep)
			}
		})
	}
}

// A value is known by its text, which grows with each operator.
func TestHostileValues(t *testing.T) {
	before := withHooks(t, "mainline", nil)
	for name, grows := range map[string]string{
		"doubled": "\tint x = current->ptrace;\n" + strings.Repeat("\tx = x + x;\n", 40),
		"a sum":   "\tint x = current->ptrace;\n\tx = " + strings.Repeat("x + ", 50000) + "x;\n",
	} {
		src := strings.Replace(before, "\tret = can_umount(", grows+"\tret = can_umount(", 1)
		g, _ := Check([]byte(before), []byte(src), nil)
		if src == before || g.Verdict != Unsure || !strings.Contains(fmt.Sprint(g.Doubts), "made of more than is followed") {
			t.Errorf("%s: %s, %.300s", name, g.Verdict, fmt.Sprint(g.Doubts, g.Faults))
		}
	}
}
