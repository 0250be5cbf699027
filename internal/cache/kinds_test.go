// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/cache"
)

func TestParseLimits(t *testing.T) {
	for _, tt := range []struct {
		age, size string
		want      cache.Limits
		err       string // "" for none
	}{
		{"30d", "20G", cache.Limits{Age: 30 * cache.Day, Size: 20 << 30}, ""},
		{"12h", "0", cache.Limits{Age: 12 * time.Hour}, ""},
		{"0d", "7K", cache.Limits{Size: 7 << 10}, ""},
		{"d", "1M", cache.Limits{}, "--age=d: "},
		{"-1h", "1M", cache.Limits{}, "--age=-1h: "},
		{"99999d", "1M", cache.Limits{}, "--age=99999d: "},
		{"1d", "20", cache.Limits{}, "--size=20: it must be a number with K, M or G"},
		{"1d", "-1G", cache.Limits{}, "--size=-1G: "},
		{"1d", "G", cache.Limits{}, "--size=G: "},
	} {
		got, err := cache.ParseLimits(tt.age, tt.size)
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%s, %s: %+v, %v", tt.age, tt.size, got, err)
		case tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)):
			t.Errorf("%s, %s: %v, want %q", tt.age, tt.size, err, tt.err)
		}
	}
}

func TestKinds(t *testing.T) {
	c := cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	if kinds, err := c.Kinds(t.Context()); err != nil || !slices.Equal(kinds, []cache.Kind{{Kind: "all"}}) {
		t.Errorf("nothing: %+v, %v", kinds, err)
	}
	for _, key := range []string{"a", "b"} {
		_, err := c.Put("probe", cache.NewKey("probe").Add("name", key).String(), func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "file"), make([]byte, 4096), 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	kinds, err := c.Kinds(t.Context())
	if err != nil || len(kinds) != 2 || kinds[0].Kind != "probe" || kinds[0].Entries != 2 || kinds[1].Entries != 2 || kinds[1].Size != kinds[0].Size || kinds[0].Size < 8192 {
		t.Errorf("%+v, %v", kinds, err)
	}
}
