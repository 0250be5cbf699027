// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
)

// said is what a job says.
type said struct {
	job.Quiet
	mu    sync.Mutex
	lines []string
}

func (s *said) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// A build that is done is done, whatever of the cache cannot be removed.
func TestWhatCannotBePrunedEndsNoBuild(t *testing.T) {
	c := cache.Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	// Nobody opens a directory as a lock file, root neither.
	old := filepath.Join(c.Dir, "objects/old")
	for _, dir := range []string{old, old + ".lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-2 * cache.Standard.Age)
	if err := os.Chtimes(old+".lock", then, then); err != nil {
		t.Fatal(err)
	}
	r := tiny(":")
	var all said
	o := Options{Cache: c, NoDeps: true, Trial: true, Limit: time.Minute, Report: &all}
	res, err := newBuilder(r, o).packages(t.Context())
	if err != nil || len(res.Files()) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	text := strings.Join(all.lines, "\n")
	for _, want := range []string{"the patch: built in", "the cache is not kept to its limits: prune cache: open " + old + ".lock: is a directory; remove it by hand"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}
