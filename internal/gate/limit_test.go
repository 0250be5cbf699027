// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
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
	"choices":         {"x = " + strings.Repeat("a ? b : ", 50000) + "c;", ""},
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
			g, _ := Check(t.Context(), []byte(src), []byte(src), nil)
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
		g, _ := Check(t.Context(), []byte(before), []byte(src), nil)
		if src == before || g.Verdict != Unsure || !strings.Contains(fmt.Sprint(g.Doubts), "made of more than is followed") {
			t.Errorf("%s: %s, %.300s", name, g.Verdict, fmt.Sprint(g.Doubts, g.Faults))
		}
	}
}

// costly are sources that stay below each limit by itself: what the function on the way has more, and what stands before it.
var costly = map[string]struct{ inside, outside, hook, told string }{
	"a condition after the other": {numbered(40, "\tif (vendor_a(%d))\n\t\tvendor_b();\n"), "", "", "too many ways to follow"},
	"long values": {"\tint x = current->ptrace;\n" + strings.Repeat("\tx = x + x;\n", 5) + numbered(2000, "\tvendor_a(x, x, %d);\n") +
		numbered(40, "\tif (vendor_a(%d))\n\t\tvendor_b();\n"), "", "", "too many ways to follow"},
	"functions that call the next twice": {
		numbered(40, "\tif (vendor_a(%d))\n\t\tvendor_b();\n") + "\tret = lot_11(MNT_FORCE);\n",
		"static int lot_0(int x)\n{\n\treturn MNT_FORCE & x;\n}\n" + lots(11), "", "too many ways to follow",
	},
	"loops in each other": {"", "", "static int spin(int x)\n{\n\tint i, k;\n\tfor (i = 0; i < 39; i++)\n\t\tfor (k = 0; k < 39; k++)\n" +
		"\t\t\tif (vendor(x, i, k))\n\t\t\t\tx++;\n\treturn x;\n}\n", "too many ways to follow"},
	"names that nothing declares":    {"", "", "static int w(int x)\n{\n" + numbered(20000, "\tw_%d();\n") + "}\n", "is read of it"},
	"functions that a chain reaches": {"", numbered(5000, "int z_%[1]d(int x)\n{\n\tz_1%[1]d(x);\n}\n") + chain(5000), "", "is read of it"},
	"a long list of functions":       {"", "static void *list[] = {" + strings.Repeat("do_umount, ", 40000) + "};\n", "", "who uses this comes to it"},
	"conditions around each line":    {"", "static int c(int x)\n{\n" + strings.Repeat("\n#if A", 400) + strings.Repeat("\n#if ABC\nx();\n#endif", 20000) + strings.Repeat("\n#endif", 400) + "\n}\n", "", "more conditions"},
	"too many bytes":                 {"", strings.Repeat("/* nothing */\n", 40000), "", "bytes, and is not read"},
	"cases that do not end":          {"", "static int c(int x)\n{\n" + strings.Repeat("case; ", 60000) + "\n}\n", "", ""},
	"parts of a literal":             {"\tvendor(" + strings.Repeat(`"a" `, 60000) + ");\n", "", "", "made of more than is followed"},
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func lots(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "static int lot_%d(int x)\n{\n\treturn lot_%d(x) + lot_%d(x);\n}\n", i+1, i, i)
	}
	return b.String()
}

func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "int y_%d(int x)\n{\n\ty_%d(x);\n}\n", i, i+1)
	}
	return b.String() + fmt.Sprintf("int y_%d(int x)\n{\n\tx->umount_begin();\n}\n", n)
}

// costlySource is the right hook of mainline in a source that takes much to read.
func costlySource(t *testing.T, name string) (before, after []byte) {
	is := costly[name]
	edit := func(s string) []byte {
		const head, call = "// caller is responsible", "\tret = can_umount("
		return []byte(strings.Replace(strings.Replace(s, head, is.outside+head, 1), call, is.inside+call, 1))
	}
	decided := decided
	if strings.Contains(is.hook, "spin(") {
		decided += "\tflags = spin(flags);\n"
	}
	return edit(withHooks(t, "mainline", nil)), edit(withHooks(t, "mainline", map[string]string{"helper": decision + is.hook, "before-can": decided, "after-can": logged}))
}

// What each limit lets pass may come often. A check has an end all the same, and says where.
func TestWhatACheckMayCost(t *testing.T) {
	for name, is := range costly {
		t.Run(name, func(t *testing.T) {
			before, after := costlySource(t, name)
			start := time.Now()
			g, err := Check(t.Context(), before, after, namesFor("mainline"))
			t.Logf("%s: %.1f s, %s", name, time.Since(start).Seconds(), g.Verdict)
			if is.told == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			i := slices.IndexFunc(g.Doubts, func(f Fault) bool { return strings.Contains(f.Reason, is.told) })
			if g.Verdict == Reached || i < 0 {
				t.Fatalf("%s: %.300s", g.Verdict, fmt.Sprint(g.Doubts, g.Faults))
			}
			if strings.Contains(is.told, "too many ways") && len(g.Doubts[i].Lines) == 0 {
				t.Errorf("no line: %v", g.Doubts[i])
			}
		})
	}
}

// A check ends with its context, whatever it is at.
func TestACheckEndsWithItsContext(t *testing.T) {
	ended := errors.New("ended")
	for name := range costly {
		before, after := costlySource(t, name)
		for _, in := range []time.Duration{0, 50 * time.Millisecond} {
			ctx, cancel := context.WithCancelCause(t.Context())
			var at time.Time
			timer := time.AfterFunc(in, func() { at = time.Now(); cancel(ended) })
			g, err := Check(ctx, before, after, namesFor("mainline"))
			if took := time.Since(at); !timer.Stop() && (g != nil || !errors.Is(err, ended) || took > 10*time.Second) {
				t.Errorf("%s: ended %s later with %v, %.300v", name, took, g, err)
			}
			cancel(nil)
		}
	}
}
