// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"path/filepath"
	"testing"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/kernelrpm"
)

// A console that a report names stays what it was when the same kernel boots again.
func TestConsoleOfEachBoot(t *testing.T) {
	of := func(o Options) string {
		t.Helper()
		log, err := (&boot{t: Trial{Kernel: &Kernel{Kernel: &kernelrpm.Kernel{Release: "6.1.1"}}}, o: o}).consoleLog()
		if err != nil {
			t.Fatal(err)
		}
		return log
	}
	kept := Options{Cache: cache.Cache{Dir: t.TempDir()}}
	if a, b := of(kept), of(kept); a == b || filepath.Dir(a) != filepath.Join(kept.Cache.Dir, "consoles") {
		t.Errorf("in the cache: %s, then %s", a, b)
	}
	own := Options{LogDir: filepath.Join(t.TempDir(), "new")}
	if log := of(own); log != filepath.Join(own.LogDir, "console-6.1.1.log") {
		t.Errorf("in a directory of the caller's: %s", log)
	}
}
