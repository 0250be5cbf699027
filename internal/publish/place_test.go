// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ovzpatch/internal/testutil"
)

// Whatever --to names, the error says what to do next, and nothing is made.
func TestStrangePlaces(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	if err := os.MkdirAll(at("deep/er"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"dangling": "nowhere", "round": "round", "open-link": "open/below", "far": at("open-link"), "good-link": "good", "deep/er/up": "../../open/below", "through": "deep/er"} {
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"open/below", "good"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at("open"), 0o777); err != nil {
		t.Fatal(err)
	}
	before := listing(t, top)
	t.Chdir(top)
	for to, want := range map[string]string{
		"":                               "name with --to the directory that your web server exports",
		"s3://bucket/kernels":            "publish into one, and copy that to the server",
		"ftp://example.org/kernels":      "publish into one, and copy that to the server",
		"file:///srv/kernels":            "name it without file://",
		at("file"):                       "file is not a directory: name the one that your web server exports",
		"file":                           at("file") + " is not a directory: name the one",
		at("file/below"):                 "what is above it is not a directory; name one below a directory",
		"/dev/null":                      "/dev/null is not a directory: name the one",
		at("a\nb"):                       `a\nb": there is a line break or another control character in it; name one without`,
		"\x1b[31mred":                    `--to="\x1b[31mred": there is`,
		at("dangling"):                   "which is not there: make that directory, or name another",
		at("dangling/below"):             "which is not there: make that directory, or name another",
		at("round"):                      "links lead to each other; name a directory",
		at("open-link"):                  "others can write to " + at("open") + " (mode 0777)",
		at("through/up"):                 "others can write to " + at("open") + " (mode 0777)",
		at("far"):                        "others can write to " + at("open") + " (mode 0777)",
		at("far/new"):                    "others can write to " + at("open") + " (mode 0777)",
		at(strings.Repeat("long", 1100)): "is too long: name a shorter one",
	} {
		err := checkPlace(to)
		if err == nil {
			_, err = checkTarget(to)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", to, err, want)
		}
	}
	for _, to := range []string{"good", "./good/", at("good-link"), at("good-link/new"), at("http:"), at("a b,#%$é")} {
		if _, err := checkTarget(to); err != nil {
			t.Errorf("%q: %v", to, err)
		}
	}
	if after := listing(t, top); after != before {
		t.Errorf("it changed\n%s\nwas\n%s", after, before)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	return run(t, nil, "find", dir, "-printf", "%P %y %m %l\n")
}

// What cannot be written to is told before the work: a read-only filesystem, a directory that may not change, another's link.
func TestPlacesThatCannotBeWritten(t *testing.T) { testutil.RunAlone(t, readOnly) }

func readOnly(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,mode=755"); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(dir, "theirs")
	for _, d := range []string{"repo", "user", "user/x"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("repo", theirs); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(theirs, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	refused := func(to, want string) {
		t.Helper()
		if _, err := checkTarget(to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", to, err, want)
		}
	}
	refused(theirs, "belongs to uid 1234, who could change what is published; name the directory that it leads to")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	refused(filepath.Join(dir, "repo"), "is mounted read-only: mount it to be written to")
	refused(filepath.Join(dir, "new/below"), dir+" is on a filesystem that is mounted read-only")
}

// What a web server exports is the repository, and neither keys nor the datastore, by whatever way these are named.
func TestNothingElseIsExported(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	for _, dir := range []string{"repo/keys", "repo/store", "store/repo", "keys"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"keys-link": "repo/keys", "repo-link": "repo", "store-link": "repo/store"} {
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		to, store, home, own, want string
	}{
		{to: "repo", store: "store", home: "keys"},
		{to: "new", store: "store", own: "keys"},
		{to: "repo", store: "store", home: "repo/keys", want: "gpg's keys"},
		{to: "repo", store: "store", own: "repo/keys", want: "gpg's keys"},
		{to: "repo-link", store: "store", home: "repo/keys", want: "gpg's keys"},
		{to: "repo", store: "store", home: "keys-link", want: "gpg's keys"},
		{to: "repo/keys", store: "store", home: "repo/keys", want: "gpg's keys"},
		{to: "repo", store: "repo/store", want: "is within the directory, which a web server exports"},
		{to: "repo-link", store: "store-link", want: "is within the directory, which a web server exports"},
		{to: "store/repo", store: "store", want: "is within the datastore"},
		{to: "store/not/there", store: "store", want: "is within the datastore"},
	} {
		o := Options{}
		if c.home != "" {
			o.GPGHome = at(c.home)
		}
		if c.own != "" {
			o.OwnGPGHome = at(c.own)
		}
		err := errors.Join(apart(at(c.to), at(c.store)), o.keysApart(at(c.to)))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
