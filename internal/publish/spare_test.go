// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
)

// spoil changes a file of a snapshot, as a disk or a person does.
func (f *fixture) spoil(ref datastore.Ref, name string, change func(path string) error) {
	f.t.Helper()
	path := filepath.Join(f.store.Dir(), "kernel/kernel-ovz.x86_64", ref.Time.Format("2006-01-02T15:04:05Z"), name)
	if err := change(path); err != nil {
		f.t.Fatal(err)
	}
}

func rot(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)-1] ^= 1
	return os.WriteFile(path, b, 0o444)
}

// One damaged snapshot of a group does not keep the others back: it is left out, and told once. One that is named is an error.
func TestDamagedSnapshotIsLeftOut(t *testing.T) {
	slow(t)
	kernel := "kernel-ovz-6.1.1-2.lustre1.x86_64.rpm"
	for what, damage := range map[string]struct {
		file, want string
		change     func(string) error
	}{
		"manifest cut":       {"index.json", "read manifest", func(p string) error { return os.Truncate(p, 20) }},
		"manifest gone":      {"index.json", "read manifest", os.Remove},
		"a package is gone":  {kernel, "it is missing", os.Remove},
		"a package is cut":   {kernel, "the manifest says", func(p string) error { return os.Truncate(p, 3000) }},
		"bytes of a package": {kernel, "it is not what the manifest says", rot},
		"a head of a package": {kernel, "it is damaged", func(p string) error {
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(make([]byte, 200), 0)
			return err
		}},
		"a link": {"", "symbolic link", func(p string) error {
			if err := os.RemoveAll(p); err != nil {
				return err
			}
			return os.Symlink("/tmp", filepath.Clean(p))
		}},
	} {
		f := newFixture(t)
		f.keep("x86_64", "1", nil)
		bad := f.keep("x86_64", "2", nil)
		f.keep("x86_64", "4", nil) // another test signs the third
		f.o.Latest = 2
		f.spoil(bad, damage.file, damage.change)
		res := f.publish()
		if len(res.Generation.Kernels()) != 2 || len(res.LeftOut) != 1 || res.LeftOut[0].What != bad.String() || !strings.Contains(res.LeftOut[0].Why, damage.want) {
			t.Errorf("%s: %+v", what, res)
		}
		if n := strings.Count(f.said.b.String(), "NOT published: "+bad.String()); n != 1 {
			t.Errorf("%s: told %d times:\n%s", what, n, f.said.b.String())
		}
		f.o.Names = append(f.o.Names, bad.String())
		f.refused(bad.String())
		if damage.want == "it is not what the manifest says" {
			f.o.Names = []string{"kernel/kernel-ovz.x86_64"}
			if res := f.publish(); res.Changed {
				t.Errorf("%s: it changed: %+v", what, res)
			}
		}
	}
}

// A kernel that clients have is not taken from them because its snapshot was damaged.
func TestDamagedSnapshotOfAPublishedKernel(t *testing.T) {
	slow(t)
	f := newFixture(t)
	ref := f.keep("x86_64", "1", nil)
	f.publish()
	f.keep("x86_64", "2", nil)
	f.spoil(ref, "index.json", func(p string) error { return os.Truncate(p, 20) })
	f.refused("its kernel kernel-ovz-6.1.1-1.lustre1.x86_64 is published, and without this snapshot clients would lose it")
	// The way that it says.
	o := f.o
	o.Names = nil
	if _, err := Retire(t.Context(), o, "kernel-ovz-6.1.1-1.lustre1.x86_64", "its snapshot is lost"); err != nil {
		t.Fatal(err)
	}
	if res := f.publish(); len(res.Generation.Kernels()) != 1 || len(res.LeftOut) != 1 {
		t.Errorf("%+v", res)
	}
}
