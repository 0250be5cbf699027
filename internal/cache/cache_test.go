// SPDX-License-Identifier: GPL-2.0-only

package cache_test

import (
	"context"
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

func TestWorkIsExclusive(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	_, release, err := c.Work(t.Context(), "kbuild", "k", func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	waited := false
	if _, _, err := c.Work(ctx, "kbuild", "k", func() { waited = true }); !errors.Is(err, context.DeadlineExceeded) || !waited {
		t.Errorf("second lock: %v, waited %v", err, waited)
	}
	release()
	_, release, err = c.Work(t.Context(), "kbuild", "k", func() {})
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestPutSweepsWhatKilledMakersLeft(t *testing.T) {
	c := cache.Cache{Dir: t.TempDir()}
	old := filepath.Join(c.Dir, "rpms", ".new-old")
	young := filepath.Join(c.Dir, "rpms", ".new-young")
	for _, dir := range []string{old, young} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put("rpms", "k", func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young one is gone: %v", err)
	}
}
