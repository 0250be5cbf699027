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

// instead puts a script in the place of a program; $REAL is the program.
func instead(t *testing.T, name, script string) {
	t.Helper()
	real, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, "#!/bin/bash\nREAL=%s\n%s\n", real, script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// The payload is verified by rpmsign only. So what rpmsign did not verify, or left as something else, is not published.
func TestWhatRpmsignLeaves(t *testing.T) {
	slow(t)
	for name, c := range map[string]struct{ rpmsign, want string }{
		"another payload": {`$REAL "$@" || exit; for rpm; do :; done; truncate -s -1 "$rpm" && echo -n X >>"$rpm"`, "header and payload of"},
		"no signature":    {`exit 0`, "verify signatures as a client does"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.keep("x86_64", "1", nil)
			instead(t, "rpmsign", "[ $1 = --version ] && exec $REAL $1\n"+c.rpmsign)
			f.refused(c.want)
		})
	}
}

// A manifest can say the truth of a package whose own digests lie.
func TestPackageThatLiesOfItsPayload(t *testing.T) {
	slow(t)
	f := newFixture(t)
	dir := packages(t, "x86_64", "5") // no other test has it
	rpms, err := filepath.Glob(filepath.Join(dir, "kernel-ovz-6*x86_64.rpm"))
	if err != nil || len(rpms) != 1 {
		t.Fatalf("%q, %v", rpms, err)
	}
	if err := rot(rpms[0]); err != nil {
		t.Fatal(err)
	}
	f.keep("x86_64", "5", nil)
	f.refused("not signing corrupt package")
}

// A signature over the payload is verified, too: packages of old rpm have no other protection there. The others are read
// by their headers.
func TestWhatRpmkeysReads(t *testing.T) {
	slow(t)
	for option, headers := range map[string]bool{"": true, "--rpmv3": false} {
		t.Run(option, func(t *testing.T) {
			f := newFixture(t)
			f.keep("x86_64", "1", nil)
			said := filepath.Join(t.TempDir(), "said")
			instead(t, "rpmkeys", `echo "$@" >>`+said+`; exec $REAL "$@"`)
			instead(t, "rpmsign", `exec $REAL `+option+` "$@"`)
			f.publish()
			if got := strings.Contains(read(t, said), "_pkgverify_flags 2"); got != headers {
				t.Errorf("rpmkeys got:\n%s", read(t, said))
			}
			f.whole(1)
		})
	}
}

func TestRpmsignVerifiesSince(t *testing.T) {
	for version, want := range map[string]bool{
		"RPM version 4.14.3\n": false, "RPM version 4.15.0-alpha": true, "RPM version 4.18.0": true, "RPM version 6.1.0": true, "RPM version 3.9": false, "": false,
	} {
		if got := verifiesFirst(version); got != want {
			t.Errorf("%q: %t", version, got)
		}
	}
}
