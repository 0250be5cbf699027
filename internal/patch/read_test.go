// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

const hello = `@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
`

// wanted is what every form of that patch makes of the file.
var wanted = map[string]string{"fs/a.c": "one\nTWO\nthree\n"}

// Every form in which people have the same change.
func TestFormsOfAPatch(t *testing.T) {
	lf := map[string]string{"fs/a.c": "one\ntwo\nthree\n"}
	for _, test := range []struct {
		name  string
		patch string
		strip int
	}{
		{"git", "diff --git a/fs/a.c b/fs/a.c\nindex 1..2 100644\n--- a/fs/a.c\n+++ b/fs/a.c\n" + hello, 1},
		{"git without a prefix", "diff --git fs/a.c fs/a.c\nindex 1..2 100644\n--- fs/a.c\n+++ fs/a.c\n" + hello, 0},
		{"git in a mail", "From 0123 Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH] x\n\ntext\n---\n fs/a.c | 2 +-\n 1 file changed\n\n" +
			"diff --git a/fs/a.c b/fs/a.c\nindex 1..2 100644\n--- a/fs/a.c\n+++ b/fs/a.c\n" + hello + "-- \n2.39.2\n\n", 1},
		{"plain, with times", "diff -Nru linux-2.6.32.orig/fs/a.c linux-2.6.32/fs/a.c\n--- linux-2.6.32.orig/fs/a.c\t2009-12-03 03:51:21.000000000 +0000\n+++ linux-2.6.32/fs/a.c\t2011-01-01 00:00:00 +0000\n" + hello, 1},
		{"plain, both of the epoch", "--- a/fs/a.c\t1970-01-01 00:00:00.000000000 +0000\n+++ b/fs/a.c\t1970-01-01 00:00:00.000000000 +0000\n" + hello, 1},
		{"plain, with old times behind blanks", "--- a/fs/a.c Thu Dec  3 03:51:21 2009\n+++ b/fs/a.c Sat Jan  1 00:00:00 2011\n" + hello, 1},
		{"plain, of a backup", "--- fs/a.c.orig\n+++ fs/a.c\n" + hello, 0},
		{"quilt -p1", "Index: b/fs/a.c\n===================================================================\n--- a.orig/fs/a.c\n+++ a/fs/a.c\n" + hello, 1},
		{"quilt -p0", "Index: fs/a.c\n===================================================================\n--- fs/a.c.orig\n+++ fs/a.c\n" + hello, 0},
		{"four directories too many", "--- /usr/src/linux/fs/a.c\n+++ /usr/src/linux/fs/a.c\n" + hello, 4},
		{"CR LF", strings.ReplaceAll("diff --git a/fs/a.c b/fs/a.c\n--- a/fs/a.c\n+++ b/fs/a.c\n"+hello, "\n", "\r\n"), 1},
		{"quoted names", "diff --git \"a/fs/a.c\" \"b/fs/a.c\"\n--- \"a/fs/a.c\"\n+++ \"b/fs/a.c\"\n" + hello, 1},
		{"a description that speaks of diffs", "--- this is not a header\n@@ nor is this\n--- a/fs/a.c\n+++ b/fs/a.c\n" + hello, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse(test.name, []byte(test.patch))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := NewPlan(p, inMemory(lf), Options{Strip: -1})
			if err != nil {
				t.Fatal(err)
			}
			if plan.Strip != test.strip {
				t.Errorf("strips %d, want %d", plan.Strip, test.strip)
			}
			after, ok := plan.After("fs/a.c")
			if !ok || string(after.Data) != wanted["fs/a.c"] {
				t.Errorf("the file becomes %+v", after)
			}
		})
	}
}

// A patch whose lines all end in CR LF, as mailers and checkouts leave them, fits files of
// either kind and keeps each as it is.
func TestLineEnds(t *testing.T) {
	const lf = "--- a/f\n+++ b/f\n" + hello
	crlf := strings.ReplaceAll(lf, "\n", "\r\n")
	// What git makes of a file with CR LF: headers with LF, lines with CR LF.
	inside := "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\r\n-two\r\n+TWO\r\n three\r\n"
	for _, test := range []struct{ name, patch, file, want string }{
		{"CR LF patch, LF file", crlf, "one\ntwo\nthree\n", "one\nTWO\nthree\n"},
		{"CR LF patch, CR LF file", crlf, "one\r\ntwo\r\nthree\r\n", "one\r\nTWO\r\nthree\r\n"},
		{"CR LF in the lines alone, CR LF file", inside, "one\r\ntwo\r\nthree\r\n", "one\r\nTWO\r\nthree\r\n"},
		{"LF patch, CR LF file", lf, "one\r\ntwo\r\nthree\r\n", ""},
	} {
		p, err := Parse("p", []byte(test.patch))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(p, inMemory(map[string]string{"f": test.file}), Options{Strip: -1})
		if test.want == "" {
			if err == nil {
				t.Errorf("%s: it went in", test.name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if after, _ := plan.After("f"); string(after.Data) != test.want {
			t.Errorf("%s: the file becomes %q", test.name, after.Data)
		}
	}
}

func TestCompressedPatches(t *testing.T) {
	text := []byte("--- a/fs/a.c\n+++ b/fs/a.c\n" + hello)
	packed := map[string][]byte{}
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	packed["gzip"] = gz.Bytes()
	for _, program := range []string{"bzip2", "xz", "zstd"} {
		cmd := exec.Command(program, "-c")
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.Output()
		if err != nil {
			if errors.Is(err, exec.ErrNotFound) && testing.Short() {
				continue
			}
			t.Fatalf("pack with %s: %v", program, err)
		}
		packed[program] = out
	}
	for how, data := range packed {
		p, err := Parse(how, data)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		if len(p.Files) != 1 || p.Files[0].NewName != "b/fs/a.c" {
			t.Errorf("%s: read as %+v", how, p.Files)
		}
		if _, err := Parse(how, data[:len(data)*2/3]); err == nil {
			t.Errorf("%s: half a file is read without an error", how)
		}
	}
}

// What is no patch, or only part of one, is refused with the line and a sentence.
func TestRefusedTexts(t *testing.T) {
	for _, test := range []struct {
		name, text string
		line       int
		says       string
	}{
		{"empty", "", 1, "no unified diff"},
		{"prose", "Dear all,\nplease apply.\n", 1, "no unified diff"},
		{"context diff", "*** a/f\t2009\n--- b/f\t2009\n***************\n*** 1,3 ****\n  one\n! two\n--- 1,3 ----\n  one\n! TWO\n", 1, "context diff"},
		{"ed script", "3,4c\nx\n.\n", 1, "ed script"},
		{"normal diff", "2c2\n< two\n---\n> TWO\n", 1, "without context"},
		{"hunk without a header", "hello\n" + hello, 2, "has no file header"},
		{"cut off", "--- a/f\n+++ b/f\n@@ -1,9 +1,9 @@\n one\n-two\n", 6, "ends inside a hunk"},
		{"wrapped by a mailer", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n one\n-two and\nmore\n+TWO\n three\n", 6, "wrapped"},
		{"counts too few lines", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n three\n", 7, "counts its lines wrongly"},
		{"counts too many of one kind", "--- a/f\n+++ b/f\n@@ -1,2 +1,5 @@\n one\n-two\n-three\n+TWO\n", 6, "counts its lines wrongly"},
		{"bad range", "--- a/f\n+++ b/f\n@@ -1,x +1,5 @@\n one\n", 3, "does not have the form"},
		{"absurd range", "--- a/f\n+++ b/f\n@@ -99999999999999999999,3 +1,5 @@\n one\n", 3, "does not have the form"},
		{"binary without bytes", "diff --git a/f b/f\nindex 1..2 100644\nBinary files a/f and b/f differ\n", 3, "git diff --binary"},
		{"both /dev/null", "--- /dev/null\n+++ /dev/null\n" + hello, 1, "both names"},
		{"new with old lines", "--- /dev/null\n+++ b/f\n" + hello, 1, "the file is new"},
		{"names that cannot be told apart", "diff --git a/x y b/z\nold mode 100644\nnew mode 100755\n", 1, "told apart"},
		{"set-id", "diff --git a/f b/f\nold mode 100644\nnew mode 104755\n", 3, "mode 104755 is none that git writes"},
		{"a group may write", "diff --git a/f b/f\ndeleted file mode 100664\n", 2, "mode 100664 is none"},
		{"a device", "diff --git a/f b/f\nnew file mode 020644\n", 2, "mode 020644 is none"},
		{"a mode of an index line", "diff --git a/f b/f\nindex 1..2 100777\n--- a/f\n+++ b/f\n" + hello, 2, "mode 100777 is none"},
		{"no mode", "diff --git a/f b/f\nnew file mode \n", 2, "mode  is none"},
		{"nothing changed", "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n two\n", 1, "no changes"},
		{"an empty line without a newline", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n+\n\\ No newline at end of file\n", 6, "empty line"},
		{"broken xz", "\xfd7zXZ\x00broken", 0, "decompress"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("x.patch", []byte(test.text))
			var bad *ParseError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v", err)
			}
			if bad.Line != test.line || !strings.Contains(bad.Error(), test.says) {
				t.Errorf("line %d, %q; want line %d and %q", bad.Line, bad, test.line, test.says)
			}
		})
	}
}

// Blank lines at the end of a patch, and blanks at the start of lines, get lost in mails;
// GNU patch puts them back, and so does this.
func TestEatenBlanks(t *testing.T) {
	for name, text := range map[string]string{
		"blank context lines at the end": "--- a/f\n+++ b/f\n@@ -1,5 +1,5 @@\n-one\n+ONE\n \ttwo\n three\n",
		"blanks of empty lines":          "--- a/f\n+++ b/f\n@@ -1,5 +1,5 @@\n-one\n+ONE\n \ttwo\n three\n\n\n",
		"blank before a tab":             "--- a/f\n+++ b/f\n@@ -1,5 +1,5 @@\n-one\n+ONE\n\ttwo\n three\n \n \n",
	} {
		tr := trial{files: map[string]string{"f": "one\n\ttwo\nthree\n\n\n"}, patch: text}
		after, _, err := ours(tr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := "ONE\n\ttwo\nthree\n\n\n"; after["f"] != want {
			t.Errorf("%s: the file becomes %q", name, after["f"])
		}
		if how, detail := compareWithGNU(t, tr); how != none {
			t.Errorf("%s: %s %s", name, how, detail)
		}
	}
}

// FuzzParse: whatever a text holds, reading and placing it ends, writes nothing, and what
// comes out undoes again or is told as no fit.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everything), []byte("one\ntwo\nthree\n"), 1)
	f.Add([]byte("--- a/changed\r\n+++ b/changed\r\n@@ -1 +1 @@\r\n-one\r\n+two\r\n"), []byte("one\r\n"), 3)
	f.Add([]byte("diff --git a/changed b/changed\nGIT binary patch\ndelta 5\nMc${Nk-~5#y0000\n\ndelta 5\nMc${Nk-~5#y0000\n\n"), []byte("x"), 0)
	f.Add([]byte("--- a/changed\n+++ b/changed\n@@ -1,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n"), []byte("one"), -1)
	f.Fuzz(func(t *testing.T, text, file []byte, fuzz int) {
		if len(text) > 1<<16 || len(file) > 1<<16 {
			return
		}
		p, err := Parse("fuzz", text)
		if err != nil {
			return
		}
		files := inMemory(map[string]string{"changed": string(file), "sub/gone": "all there is\n", "old-name": "first\nsecond\n"})
		for _, reverse := range []bool{false, true} {
			plan, err := NewPlan(p, files, Options{Strip: -1, Fuzz: fuzz % 10, Reverse: reverse})
			if err != nil {
				if no, ok := errors.AsType[*NotApplicable](err); ok {
					no.Rejects()
				}
				continue
			}
			for _, c := range plan.Changes {
				if strings.HasPrefix(c.Name, "/") || strings.Contains("/"+c.Name+"/", "/../") {
					t.Fatalf("the plan changes %q", c.Name)
				}
			}
		}
	})
}

// FuzzApply: no patch touches a file outside of its tree, and one that is refused
// touches nothing at all.
func FuzzApply(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("--- a/../outside/secret\n+++ b/../outside/secret\n@@ -1 +1 @@\n-secret\n+x\n"))
	f.Add([]byte("--- a/dirlink/secret\n+++ b/dirlink/secret\n@@ -1 +1 @@\n-secret\n+x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<14 {
			return
		}
		top := t.TempDir()
		writeTree(t, top, map[string]string{
			"outside/secret": "secret\n", "tree/changed": "one\ntwo\nthree\n", "tree/sub/gone": "all there is\n",
			"tree/old-name": "first\nsecond\n", "tree/script": "#!/bin/sh\n", "tree/place": "makes room for a directory\n",
		})
		link(t, "../outside", top+"/tree/dirlink")
		link(t, "../outside/secret", top+"/tree/filelink")
		outside, inside := shape(t, top+"/outside"), shape(t, top+"/tree")
		err := applyText(t.Context(), top+"/tree", string(text), Options{Strip: -1})
		sameShape(t, "outside", shape(t, top+"/outside"), outside)
		if err != nil {
			sameShape(t, "inside", shape(t, top+"/tree"), inside)
		}
	})
}
