// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/job"
)

// The kernel's own program signs, with the hash that the kernel's own modules have.
func TestSign(t *testing.T) {
	tree := t.TempDir()
	module := filepath.Join(t.TempDir(), "m.ko")
	s := Signing{Key: "pkcs11:object=key", Cert: "/etc/cert.pem"}
	if files := s.files(); len(files) != 1 || files[0] != "/etc/cert.pem" {
		t.Errorf("the files are %q", files)
	}
	if err := s.sign(t.Context(), stock, tree, module); !errors.Is(err, job.ErrRequest) || !strings.Contains(err.Error(), "CONFIG_MODULE_SIG") {
		t.Errorf("without sign-file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(tree, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	// It appends its arguments to the module, as the real one does a signature.
	if err := os.WriteFile(filepath.Join(tree, "scripts/sign-file"), []byte("#!/bin/sh\necho \"$1 $2 $3\" >>\"$4\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for c, hash := range map[config]string{stock: "sha256", stock + "CONFIG_MODULE_SIG_HASH=\"sha512\"\n": "sha512", stock + "CONFIG_MODULE_SIG_HASH=\"a b\"\n": "sha256"} {
		got, err := Options{Sign: s}.signed(t.Context(), c, tree, []byte("module "), module)
		if want := "module " + hash + " pkcs11:object=key /etc/cert.pem\n"; err != nil || string(got) != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	if got, err := (Options{}).signed(t.Context(), stock, tree, []byte("module"), module); err != nil || string(got) != "module" {
		t.Errorf("without a key: %q, %v", got, err)
	}
}
