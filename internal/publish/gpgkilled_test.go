// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A gpg that is killed while it signs leaves nothing: not in the repository, not among the temporary files. The wrapper kills the
// real one, once it has begun to write.
func TestKilledSigner(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		t.Fatal(err)
	}
	bin, tmp := t.TempDir(), t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
case "$*" in
*-sbo*) echo half >"$TMPDIR/gpg-half"; kill -KILL $$;;
esac
exec %s "$@"
`, gpg)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", tmp)
	for which, want := range map[string]string{"-sbo": "sign packages", "repomd.xml": "sign metadata", "intoto": "write the evidence"} {
		if err := os.WriteFile(filepath.Join(bin, "gpg"), []byte(strings.Replace(script, "-sbo", which, 1)), 0o755); err != nil {
			t.Fatal(err)
		}
		f.refused(want)
		left, err := filepath.Glob(filepath.Join(tmp, "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left %s, %v", which, strings.Join(left, ", "), err)
		}
	}
}
