// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/source"
	"ovzpatch/internal/tool"
)

// keyFlags say whose signatures count.
type keyFlags struct{ keyring string }

func (f *keyFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.keyring, "keyring", "", "file of OpenPGP public keys, as RPM-GPG-KEY-*: packages that are read must be signed by one of them")
	c.MarkFlagFilename("keyring")
}

// verify verifies the signatures of a package, where there is a keyring; where there is
// none it says that nobody did. Digests are verified whenever a package is read.
func (f keyFlags) verify(ctx context.Context, u job.Reporter, path string) error {
	pkg, err := rpmfile.Open(ctx, path)
	if err != nil {
		return err
	}
	defer pkg.Close()
	if f.keyring == "" {
		signed, err := pkg.Signed()
		switch {
		case err != nil:
			return err
		case signed:
			u.Say("the signature of %s is not verified: give the signers' keys with --keyring", path)
		default:
			u.Say("%s is not signed: its digests tell damage, not who made it", path)
		}
		return nil
	}
	if err := tool.Need(tool.Signatures); err != nil {
		return err
	}
	report, err := pkg.Verify(ctx, f.keyring)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w; take the package from a place you trust, or do without --keyring", err)
	}
	for _, s := range report.Verified {
		if strings.Contains(s, "signature") {
			u.Say("%s: %s", path, s)
		}
	}
	return nil
}

// verifySource is verify for a source, of which only source RPMs can be signed.
func (f keyFlags) verifySource(ctx context.Context, u job.Reporter, path string) error {
	src, err := source.Open(path)
	if err != nil {
		return nil // the next one to open it says why
	}
	if src.Kind == source.RPM {
		return f.verify(ctx, u, path)
	}
	if f.keyring != "" {
		return job.BadRequest(errors.New("--keyring is for source RPMs; verify a tarball's signature with gpgv before"))
	}
	return nil
}
