// SPDX-License-Identifier: Apache-2.0

// Package keyring verifies who signed a package, for a user who has the signers' keys, and
// says that nobody did for one who has not.
package keyring

import (
	"context"
	"slices"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/tool"
)

// Verify verifies the signatures of an open package, which is called path, by the keys in the
// file keyring; with "" it says that nobody did. Digests are verified whenever a package is
// read.
func Verify(ctx context.Context, u job.Reporter, pkg *rpmfile.File, path, keyring string) error {
	if keyring == "" {
		signed, err := pkg.Signed()
		switch {
		case err != nil:
			return err
		case signed:
			u.Say("the signature of %s was not verified: pass the signers' keys with --keyring", path)
		default:
			u.Say("%s is not signed: its digests show damage, not who made it", path)
		}
		return nil
	}
	if err := tool.Need(tool.Signatures); err != nil {
		return err
	}
	report, err := pkg.Verify(ctx, keyring)
	if err != nil {
		return err
	}
	for _, s := range ofSignatures(report) {
		u.Say("%s: %s", path, s)
	}
	return nil
}

// ofSignatures is what a report says of the package's signatures: which are good, and which
// could not be verified beside them.
func ofSignatures(report rpmfile.Report) (list []string) {
	for _, s := range slices.Concat(report.Verified, report.Unverified) {
		if strings.Contains(s, "signature over") {
			list = append(list, s)
		}
	}
	return list
}

// VerifyFile is Verify for a package that is not open.
func VerifyFile(ctx context.Context, u job.Reporter, path, keyring string) error {
	pkg, err := rpmfile.Open(ctx, path)
	if err != nil {
		return err
	}
	defer pkg.Close()
	return Verify(ctx, u, pkg, path, keyring)
}
