// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ovzpatch/internal/cache"
)

const day = 24 * time.Hour

// aged makes a result, or a work directory, that nobody in this process holds.
func aged(t *testing.T, c cache.Cache, kind, key string, age time.Duration, size int) string {
	t.Helper()
	dir := filepath.Join(c.Dir, kind, key)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-age)
	if kind == "objects" {
		if err := os.WriteFile(dir+".lock", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir+".lock", then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(dir, then, then); err != nil {
		t.Fatal(err)
	}
	return dir
}

func names(list []cache.Entry) []string {
	var all []string
	for _, e := range list {
		all = append(all, e.Kind+"/"+e.Name)
	}
	slices.Sort(all)
	return all
}

func TestPruneByAgeAndSize(t *testing.T) {
	const mib = 1 << 20
	for name, tt := range map[string]struct {
		limits  cache.Limits
		removed []string
	}{
		"nothing":  {cache.Limits{Age: 99 * day, Size: 100 * mib}, nil},
		"age":      {cache.Limits{Age: 5 * day, Size: 100 * mib}, []string{"objects/old", "packages/older"}},
		"size":     {cache.Limits{Age: 99 * day, Size: 7 * mib}, []string{"packages/older"}},
		"more":     {cache.Limits{Age: 99 * day, Size: 4 * mib}, []string{"objects/old", "packages/older"}},
		"all":      {cache.Limits{}, []string{"consoles/a.log", "initramfs/new", "objects/old", "packages/older"}},
		"the lock": {cache.Limits{Age: 9 * day, Size: 100 * mib}, []string{"packages/older"}},
	} {
		c := cache.Cache{Dir: t.TempDir()}
		aged(t, c, "packages", "older", 10*day, 3*mib)
		aged(t, c, "objects", "old", 8*day, 3*mib)
		aged(t, c, "initramfs", "new", time.Hour, 2*mib)
		log := filepath.Join(c.Dir, "consoles", "a.log")
		if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(log, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(log, then, then); err != nil {
			t.Fatal(err)
		}
		p, err := c.Prune(t.Context(), tt.limits)
		if err != nil || !slices.Equal(names(p.Removed), tt.removed) || len(p.Kept) > 0 {
			t.Errorf("%s: %v: removed %q, kept %q; want %q", name, err, names(p.Removed), names(p.Kept), tt.removed)
		}
		left, err := c.Entries(t.Context())
		if err != nil || len(left)+len(tt.removed) != 4 {
			t.Errorf("%s: %v, left are %q", name, err, names(left))
		}
		var size int64
		for _, e := range left {
			size += e.Size
		}
		if size != p.Left {
			t.Errorf("%s: %d bytes are left, Prune says %d", name, size, p.Left)
		}
		if _, err := os.Stat(filepath.Join(c.Dir, "objects", "old.lock")); err != nil {
			t.Errorf("%s: the lock file is gone: two processes could lock two files of that name", name)
		}
	}
}

// What a job got, or works in, stays until its process ends: this one, another one, or a program that a
// killed one left behind.
func TestPruneLeavesAloneWhatIsInUse(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	got := aged(t, c, "packages", "got", 10*day, 10)
	if err := os.WriteFile(filepath.Join(got, "digests.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	aged(t, c, "packages", "others", 10*day, 10)
	aged(t, c, "packages", "free", 10*day, 10)
	if _, err := c.Put("packages", "put", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Get("packages", "got"); !ok {
		t.Fatal("it is not there")
	}
	other := exec.Command("flock", "--shared", filepath.Join(c.Dir, "packages", "others"), "sh", "-c", "echo locked; exec sleep 600")
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Process.Kill(); other.Wait() })
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	w := open(t, c)
	if err := os.WriteFile(filepath.Join(w.Dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want := []string{"kbuild/k", "packages/got", "packages/others", "packages/put"}
	p, err := c.Prune(t.Context(), cache.Limits{})
	if err != nil || !slices.Equal(names(p.Removed), []string{"packages/free"}) || !slices.Equal(names(p.Kept), want) {
		t.Errorf("%v: removed %q, kept %q", err, names(p.Removed), names(p.Kept))
	}
	left := sleeper(t, w.Hold, true)
	// What a SIGKILL does to the process that has both locks.
	hold := w.Hold
	w.Hold = nil
	w.Release()
	hold.Close()
	if p, err := c.Prune(t.Context(), cache.Limits{}); err != nil || !slices.Equal(names(p.Kept), want) {
		t.Errorf("%v: a program that is left behind: kept %q", err, names(p.Kept))
	}
	left.Process.Kill()
	left.Wait()
	if p, err := c.Prune(t.Context(), cache.Limits{}); err != nil || !slices.Equal(names(p.Removed), []string{"kbuild/k"}) {
		t.Errorf("%v: removed %q", err, names(p.Removed))
	}
	w = open(t, c) // whose directory was removed
	if _, err := os.Stat(w.Dir); err != nil {
		t.Error(err)
	}
	w.Release()
}

func TestEntriesOfNoCache(t *testing.T) {
	c := cache.Cache{Dir: filepath.Join(t.TempDir(), "none")}
	list, err := c.Entries(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("%v, %v", err, list)
	}
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prune(t.Context(), cache.Limits{}); err == nil {
		t.Error("a directory that others can write to was pruned")
	}
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 20 << 30: "20.0 GiB", 3 << 40: "3.0 TiB"} {
		if got := cache.Size(bytes); got != want {
			t.Errorf("%d: %q, want %q", bytes, got, want)
		}
	}
}
