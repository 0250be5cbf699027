// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"slices"
	"testing"

	"ovzpatch/internal/rpmfile"
)

// A signature that cannot be verified is told beside one that is good.
func TestOfSignatures(t *testing.T) {
	good := "the signature over the header is good, by key 1234 A Signer"
	other := "a signature over the header was not verified: it has OpenPGP version 6, which gpgv cannot read"
	got := ofSignatures(rpmfile.Report{
		Verified:   []string{"the header's SHA-256 digest is correct", good},
		Unverified: []string{other, "2 files have no digest of their own"},
	})
	if !slices.Equal(got, []string{good, other}) {
		t.Errorf("got %q", got)
	}
}
