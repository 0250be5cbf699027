// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

func TestNoInputIsReplaced(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.MkdirAll(in("tree/fs"), 0o700), os.Mkdir(in("tree2"), 0o700), os.Symlink("tree", in("way")), os.WriteFile(in("linux.tar"), nil, 0o600), os.Link(in("linux.tar"), in("same.tar")),
		os.WriteFile(in("tree/fs/namespace.c"), []byte("int x;\n"), 0o600), os.WriteFile(in("tree2/x"), nil, 0o600),
		os.WriteFile(in("tree/my.patch"), []byte("Derived by ovzpatch port\n"), 0o600), os.WriteFile(in("tree/r.tap"), []byte("TAP version 13\n1..0\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(in("tree/fs"))
	for _, tt := range []struct{ out, input, want string }{
		{in("linux.tar"), in("linux.tar"), "would replace what it is made from"},
		{in("same.tar"), in("linux.tar"), "would replace what it is made from"},
		{"../../linux.tar", in("linux.tar"), "would replace what it is made from"},
		{in("tree/fs/namespace.c"), in("tree"), "would replace a file of "},
		{"namespace.c", "..", "would replace a file of .."},
		{"namespace.c", ".", "would replace a file of ."},
		{in("tree/fs/namespace.c"), in("way"), "would replace a file of "},
		{in("way/fs/namespace.c"), in("tree"), "would replace a file of "},
		{in("tree2/x"), in("tree"), ""},
		{in("tree/new.patch"), in("tree"), ""},
		{in("tree/my.patch"), in("tree"), ""},
		{in("tree/r.tap"), in("tree"), ""},
		{in("linux.tar"), in("no"), ""},
		{in("tree/fs"), in("tree"), ""},
	} {
		err := Replaced("output", tt.out, []string{tt.input})
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s of %s: %v", tt.out, tt.input, err)
		case tt.want != "" && (!errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s of %s: %v, want %q", tt.out, tt.input, err, tt.want)
		}
	}
}
