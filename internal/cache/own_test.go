// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyADirectoryOfOnesOwn(t *testing.T) {
	base := t.TempDir()
	make := func(name string, mode os.FileMode) string {
		t.Helper()
		dir := filepath.Join(base, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link := func(name, to string) string {
		t.Helper()
		path := filepath.Join(base, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := make("foreign", 0o755)
	open := make("open", 0o777)
	make("open/below", 0o755)
	own := make("own", 0o755)
	tests := map[string]struct{ dir, says string }{
		"ours":                        {own, ""},
		"not there":                   {filepath.Join(own, "a/b"), ""},
		"a link to ours":              {link("good", own), ""},
		"everybody's":                 {open, "others can write to"},
		"a group's":                   {make("group", 0o775), "others can write to"},
		"below everybody's":           {filepath.Join(open, "below"), "everybody can write to"},
		"not there, below":            {filepath.Join(open, "new"), "everybody can write to"},
		"below one with a sticky bit": {filepath.Join(make("sticky", 0o777|os.ModeSticky), "new"), ""},
		"a link to everybody's":       {link("bad", open), "others can write to"},
		"a file":                      {file, "is not a directory"},
		"below a file":                {filepath.Join(file, "new"), "not a directory"},
		"a link to nothing":           {link("dangling", filepath.Join(own, "nothing")), "is a link to nothing"},
		"a link to itself":            {link("loop", filepath.Join(base, "loop")), "too many links"},
		"below a link to everybody's": {filepath.Join(base, "bad", "new"), "everybody can write to"},
		"relative":                    {"rel", "must be absolute"},
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(foreign, 65534, -1); err != nil {
			t.Fatal(err)
		}
		tests["another's"] = struct{ dir, says string }{foreign, "belongs to user 65534"}
		tests["below another's"] = struct{ dir, says string }{filepath.Join(foreign, "new"), "belongs to user 65534"}
		tests["a link to another's"] = struct{ dir, says string }{link("theirs", foreign), "belongs to user 65534"}
		tests["not there, below a link to another's"] = struct{ dir, says string }{filepath.Join(base, "theirs", "a/b"), "belongs to user 65534"}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Cache{Dir: tt.dir}
			err := c.Check()
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
			if tt.says == "" {
				return
			}
			if _, err := c.Put("k", "v", func(string) error { return nil }); err == nil {
				t.Error("a result was put there")
			}
			if _, err := c.Work(t.Context(), "k", "v", func() {}); err == nil {
				t.Error("there is work in it")
			}
			if _, ok := c.Get("k", "v"); ok {
				t.Error("a result was taken from there")
			}
		})
	}
}
