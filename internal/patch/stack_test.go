// SPDX-License-Identifier: Apache-2.0

package patch

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// stackOf makes a stack over one file of ten numbered lines.
func stackOf(names ...string) *Stack {
	base := func(name string) (Content, error) {
		if name != "fs/a.c" {
			return Content{}, fs.ErrNotExist
		}
		return Content{Data: []byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n")}, nil
	}
	return NewStack(base, names)
}

const (
	onTop     = "--- a/fs/a.c\n+++ b/fs/a.c\n@@ -1,3 +1,4 @@\n+new\n 1\n 2\n 3\n"
	elsewhere = "--- a/drivers/fs/a.c\n+++ b/drivers/fs/a.c\n@@ -1,3 +1,2 @@\n-x\n y\n z\n"
)

// Of a patch only the changes of the files that count are read, put in one upon another,
// and what is wrong with the rest does not matter.
func TestStack(t *testing.T) {
	for name, c := range map[string]struct {
		patches []string
		opt     Options
		changed []string // by the last one
		want    string   // how the file begins
		err     string
	}{
		"one":              {patches: []string{onTop}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n1\n"},
		"two, moved":       {patches: []string{onTop, "--- a/fs/a.c\n+++ b/fs/a.c\n@@ -2,3 +2,3 @@\n 2\n-3\n+drei\n 4\n"}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n1\n2\ndrei\n"},
		"another file":     {patches: []string{elsewhere}, opt: Options{Strip: 1}, want: "1\n"},
		"another level":    {patches: []string{elsewhere}, opt: Options{Strip: 2}, changed: nil, want: "1\n", err: "does not match"},
		"among others":     {patches: []string{elsewhere + onTop + elsewhere}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n"},
		"unread binary":    {patches: []string{"diff --git a/x.gif b/x.gif\nindex 1..2\nBinary files a/x.gif and b/x.gif differ\n" + onTop}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n"},
		"unread context":   {patches: []string{"*** a/x.c\n--- b/x.c\n***************\n*** 1 ****\n--- 1 ----\n" + onTop}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n"},
		"unread hunk":      {patches: []string{"--- a/x.c\n+++ b/x.c\n@@ -1,9 +1,9 @@\n cut short\n" + onTop}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n"},
		"context":          {patches: []string{"*** a/fs/a.c\n--- b/fs/a.c\n***************\n*** 1 ****\n--- 1 ----\n"}, opt: Options{Strip: 1}, want: "1\n", err: "context diff"},
		"in prose":         {patches: []string{"--- about fs/a.c\n" + elsewhere}, opt: Options{Strip: 1}, want: "1\n"},
		"twice":            {patches: []string{onTop, onTop}, opt: Options{Strip: 1}, want: "new\n1\n", err: "already"},
		"in already":       {patches: []string{"--- a/fs/a.c\n+++ b/fs/a.c\n@@ -1,2 +1,2 @@\n-eins\n+1\n 2\n"}, opt: Options{Strip: 1}, want: "1\n", err: "already"},
		"deleted":          {patches: []string{"--- a/fs/a.c\n+++ /dev/null\n@@ -1,10 +0,0 @@\n-1\n-2\n-3\n-4\n-5\n-6\n-7\n-8\n-9\n-10\n"}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}},
		"with fuzz":        {patches: []string{strings.Replace(onTop, " 3\n", " x\n", 1)}, opt: Options{Strip: 1, Fuzz: 1}, changed: []string{"fs/a.c"}, want: "new\n1\n"},
		"without that":     {patches: []string{strings.Replace(onTop, " 3\n", " x\n", 1)}, opt: Options{Strip: 1}, want: "1\n", err: "does not match"},
		"name in quotes":   {patches: []string{"--- \"a/fs/a.c\"\n+++ \"b/fs/a.c\"\n@@ -1,2 +1,3 @@\n+new\n 1\n 2\n"}, opt: Options{Strip: 1}, changed: []string{"fs/a.c"}, want: "new\n"},
		"no patch at all":  {patches: []string{"hello\n"}, opt: Options{Strip: 1}, want: "1\n"},
		"an empty patch":   {patches: []string{""}, opt: Options{Strip: 1}, want: "1\n"},
		"name and no hunk": {patches: []string{"--- a/fs/a.c\n+++ b/fs/a.c\n"}, opt: Options{Strip: 1}, want: "1\n"},
	} {
		s := stackOf("fs/a.c")
		var changed []string
		var err error
		for i, p := range c.patches {
			text, e := ReadText("p", []byte(p))
			if e != nil {
				t.Fatal(e)
			}
			if changed, err = s.Apply(text, c.opt); err != nil && i < len(c.patches)-1 {
				t.Errorf("%s: patch %d: %v", name, i, err)
			}
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got error %v, want %q", name, err, c.err)
		}
		now, err := s.File("fs/a.c")
		if c.want == "" && !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(string(now.Data), c.want) || !slices.Equal(changed, c.changed) {
			t.Errorf("%s: changed %q, it is now %q, %v", name, changed, now.Data, err)
		}
	}
}

// A clone goes its own way.
func TestStackClone(t *testing.T) {
	s := stackOf("fs/a.c")
	text, err := ReadText("p", []byte(onTop))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Clone().Apply(text, Options{Strip: 1}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.File("fs/a.c"); err != nil || !strings.HasPrefix(string(c.Data), "1\n") {
		t.Errorf("the original has %q, %v", c.Data, err)
	}
}
