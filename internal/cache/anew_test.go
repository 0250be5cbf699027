// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Of several that find the same result damaged, none takes away what another made anew.
func TestADamagedResultIsMadeAnewByMany(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	make := func() (string, error) {
		return c.Put("probe", "key", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "file"), []byte("right"), 0o644)
		})
	}
	dir, err := make()
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Repeat("wrong", 4<<20) // takes longer to read than what is right takes to be made
	for range 3 {
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte(wrong), 0o644); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 3 * time.Millisecond)
				got, ok := c.Get("probe", "key")
				if !ok {
					var err error
					if got, err = make(); err != nil {
						t.Error(err)
						return
					}
				}
				if text, err := os.ReadFile(filepath.Join(got, "file")); string(text) != "right" {
					t.Errorf("%.9q, %v", text, err)
				}
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
	}
}

// What is removed is what was looked at.
func TestWhatCameInItsPlaceStays(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	put := func() string {
		dir, err := c.Put("probe", "key", func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), nil, 0o644) })
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := put()
	seen, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.Open(dir) // so that no other gets its number
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put()
	if gone, err := discard(dir, seen); gone || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	if _, ok := c.Get("probe", "key"); !ok {
		t.Fatal("the new one is gone")
	}
	c.Reject("probe", "key")
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("the one that was got: %v", err)
	}
	c.Reject("probe", "key")
	put()
	c.Reject("probe", "other")
	if _, ok := c.Get("probe", "key"); !ok {
		t.Error("another one is gone")
	}
}
