// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
)

// A patch that is cut off inside a line is refused, whatever the line is, as git refuses
// it; GNU patch does so but for a line of context.
func TestCutOff(t *testing.T) {
	const head = "--- a/f\n+++ b/f\n"
	for name, text := range map[string]string{
		"added":       head + "@@ -1,2 +1,3 @@\n one\n two\n+thr",
		"context":     head + "@@ -1,2 +1,3 @@\n+zero\n one\n two",
		"removed":     head + "@@ -1,2 +1 @@\n one\n-two",
		"sign alone":  head + "@@ -1,2 +1,3 @@\n one\n two\n+",
		"new file":    "--- /dev/null\n+++ b/n\n@@ -0,0 +1,2 @@\n+a\n+b",
		"git":         "diff --git a/f b/f\n" + head + "@@ -1,2 +1,3 @@\n one\n two\n+thr",
		"rename":      "diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g",
		"second file": head + "@@ -1,2 +1,3 @@\n one\n two\n+x\n" + "--- a/g\n+++ b/g\n@@ -1 +1,2 @@\n one\n+thr",
		"header":      head + "@@ -1,2 +1,3",
	} {
		crlf := strings.ReplaceAll(text, "\n", "\r\n")
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write([]byte(text))
		w.Close()
		for form, data := range map[string]string{"": text, ", CR LF": crlf, ", CR": crlf + "\r", ", gzip": packed.String()} {
			var e *ParseError
			if _, err := Parse("cut.patch", []byte(data)); !errors.As(err, &e) {
				t.Errorf("%s%s: %v", name, form, err)
			}
		}
	}
	for name, text := range map[string]string{
		"whole":         head + "@@ -1,2 +1,3 @@\n one\n two\n+x\n",
		"marker":        head + "@@ -1,2 +1,3 @@\n one\n two\n+x\n\\ No newline at end of file",
		"signature":     head + "@@ -1,2 +1,3 @@\n one\n two\n+x\n-- \n2.39",
		"empty context": head + "@@ -1,2 +1,3 @@\n+x\n one\n ",
	} {
		if _, err := Parse("whole.patch", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that is gone has the time of the epoch, which is written in many ways. GNU patch
// is asked for each.
func TestDeletionByTime(t *testing.T) {
	for _, when := range []string{
		"1970-01-01 00:00:00.000000000 +0000", "1970-01-01 05:30:00.000000000 +0530", "1969-12-31 16:00:00 -0800",
		"1970-01-01 00:00:00", "1970-01-01 01:00:00", "1970-01-01", "1970-01-01 00:00", "1970/01/01 00:00:00",
		"1970-01-01T00:00:00Z", "1970-01-01 00:00:00 Z", "1970-01-01 00:00:00 GMT",
		"Thu Jan  1 00:00:00 1970", "Thu Jan 01 01:00:00 1970", "Wed Dec 31 19:00:00 1969", "Thu Jan  1 00:00:00 UTC 1970",
		"Thu, 1 Jan 1970 00:00:00 +0000",
		"2024-03-21 11:29:11", "Thu Mar 21 12:34:45 2024", "1970-01-03 00:00:00", "1971-01-01 00:00:00 +0000", "whenever",
	} {
		for _, reverse := range []bool{false, true} {
			text := "--- a/old.txt\t2024-03-21 11:29:11\n+++ b/old.txt\t" + when + "\n@@ -1 +0,0 @@\n-gone\n"
			if reverse {
				text = "--- a/old.txt\t" + when + "\n+++ b/old.txt\t2024-03-21 11:29:11\n@@ -0,0 +1 @@\n+gone\n"
			}
			how, detail := compareWithGNU(t, trial{files: map[string]string{"old.txt": "gone\n"}, patch: text, reverse: reverse})
			if how != none {
				t.Errorf("%s, reverse %v: %s %s", when, reverse, how, detail)
			}
		}
	}
}

// A refusal that is only about the ends of lines says so.
func TestLineEndsAreNamed(t *testing.T) {
	const lf = "--- a/f\n+++ b/f\n" + hello
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	header, body, _ := strings.Cut(lf, "@@")
	bodyCRLF := header + "@@" + strings.Replace(crlf(body), "\r\n", "\n", 1) // as diff makes it of files with CR LF
	for name, c := range map[string]struct{ patch, file, want string }{
		"LF on CR LF":      {lf, crlf("one\ntwo\nthree\n"), "the patch has LF, but the file has CR LF from line 1 on"},
		"CR LF on LF":      {bodyCRLF, "one\ntwo\nthree\n", "the patch has CR LF, but the file has LF from line 1 on"},
		"LF on mixed":      {lf, "zero\none\ntwo\r\nthree\n", "the patch has LF, but the file has mixed line ends from line 2 on"},
		"CR LF on mixed":   {bodyCRLF, "one\ntwo\r\nthree\n", "the patch has CR LF, but the file has mixed line ends from line 1 on"},
		"mixed on mixed":   {strings.Replace(lf, " one\n", " one\r\n", 1), "one\ntwo\r\nthree\n", "mixed line ends, but the file has different ones on different lines from line 1 on"},
		"no newline there": {lf, "one\ntwo\nthree", "only the end of the file differs"},
		"other text":       {lf, crlf("one\n2\nthree\n"), ""},
	} {
		p, err := Parse("p", []byte(c.patch))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = NewPlan(p, inMemory(map[string]string{"f": c.file}), Options{Strip: 1})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.want == "" && strings.Contains(err.Error(), "only the") {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && err != nil && strings.Contains(err.Error(), "are the same") {
			t.Errorf("%s: says two things: %v", name, err)
		}
	}
}
