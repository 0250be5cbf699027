// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ovzpatch/internal/cache"
)

func TestPutIsWholeOrNotAtAll(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	broken := errors.New("broken")
	_, err := c.Put("rpms", "k", func(dir string) error {
		os.WriteFile(filepath.Join(dir, "half"), nil, 0o644)
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if _, ok := c.Get("rpms", "k"); ok {
		t.Error("a failed result is there")
	}
	if left, _ := os.ReadDir(filepath.Join(c.Dir, "rpms")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, text := range []string{"first", "second"} {
		if _, err := c.Put("rpms", "k", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o644)
		}); err != nil {
			t.Fatal(err)
		}
	}
	dir, _ := c.Get("rpms", "k")
	if b, _ := os.ReadFile(filepath.Join(dir, "f")); string(b) != "first" {
		t.Errorf("the result that was there first was replaced by %q", b)
	}
	if left, _ := os.ReadDir(filepath.Join(c.Dir, "rpms")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeysKeepValuesApart(t *testing.T) {
	a := cache.NewKey("x").Add("a", "bc").Add("d", "").String()
	b := cache.NewKey("x").Add("ab", "c").Add("d", "").String()
	if a == b {
		t.Error("two different keys are one")
	}
}

func TestPutSweeps(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	for name, tt := range map[string]struct {
		age  time.Duration
		gone bool
	}{
		".new-left-by-a-kill": {2 * time.Hour, true},
		".new-being-made":     {time.Minute, false},
		"in-use":              {24 * time.Hour, false},
		"long-unused":         {60 * 24 * time.Hour, true},
	} {
		dir := filepath.Join(c.Dir, "rpms", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-tt.age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Put("rpms", "k", func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) != tt.gone {
			t.Errorf("%s: stat says %v", name, err)
		}
	}
}

func TestGetKeepsAResultAlive(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	dir, err := c.Put("rpms", "k", func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-60 * 24 * time.Hour)
	if err := os.Chtimes(dir, then, then); err != nil {
		t.Fatal(err)
	}
	c.Get("rpms", "k")
	if _, err := c.Put("rpms", "other", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Get("rpms", "k"); !ok {
		t.Error("a result in use was swept away")
	}
}
