// SPDX-License-Identifier: Apache-2.0

package srpm

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"ovzpatch/internal/spec"
)

func TestBuildRefuses(t *testing.T) {
	text := []byte(specOfParts("1", "", "%autosetup -p1"))
	good := spec.Read("kernel.spec", text)
	for name, in := range map[string]Inputs{
		"spec name":   {Spec: spec.Read("kernel", text), Date: shapeDate},
		"no date":     {Spec: good},
		"source name": {Spec: good, Date: shapeDate, Texts: map[string][]byte{"a/b": nil}},
		"no source":   {Spec: good, Date: shapeDate},
	} {
		out := t.TempDir()
		if _, err := Build(t.Context(), in, out); err == nil {
			t.Errorf("%s: passed", name)
		}
		if list, _ := os.ReadDir(out); len(list) > 0 {
			t.Errorf("%s: left %v", name, list)
		}
	}
}

func TestMail(t *testing.T) {
	const text = "Why.\n\n--- a/x\n+++ b/x\n"
	ours := []string{"From: A Tester <tester@example.com>", "Date: Tue, 20 Jan 2026 12:00:00 +0000", "Subject: [PATCH] umount"}
	for name, test := range map[string]struct {
		head string
		want []string
	}{
		"none":                {"", ours},
		"no address":          {"From: the ovzpatch authors\n\n", ours},
		"no name":             {"From: other@example.com\n\n", ours},
		"a sender":            {"From: N Other <other@example.com>\n\n", []string{"From: N Other <other@example.com>", ours[1], ours[2]}},
		"no date":             {"\ndate: yesterday\n\n", ours},
		"a date":              {"Date: Mon, 19 Jan 2026 01:00:00 +0100\n\n", []string{ours[0], "Date: Mon, 19 Jan 2026 00:00:00 +0000", ours[2]}},
		"a subject":           {"Subject: [PATCH 1/2] fs: x\n\n", []string{ours[0], ours[1], "Subject: [PATCH 1/2] fs: x"}},
		"a subject of lines":  {"Subject: fs:\n\tx\n y\n\n", []string{ours[0], ours[1], "Subject: fs: x y"}},
		"all, and one behind": {"From: nobody\nSubject: fs: x\n\nDate: never\n", []string{ours[0], ours[1], "Subject: fs: x"}},
	} {
		got := mail([]byte(test.head+text), "A Tester <tester@example.com>", "umount", shapeDate)
		want := "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n" + strings.Join(test.want, "\n") + "\n\n" + text
		if string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if again := mail(got, "B", "other", shapeDate); !bytes.Equal(again, got) {
			t.Errorf("%s: a mail was wrapped again:\n%s", name, again)
		}
	}
}
