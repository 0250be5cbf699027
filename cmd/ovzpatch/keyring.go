// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"
)

// keyFlags say whose signatures count.
type keyFlags struct{ keyring string }

func (f *keyFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.keyring, "keyring", "", "file of OpenPGP public keys, such as RPM-GPG-KEY-*: packages must be signed by one of them")
	c.MarkFlagFilename("keyring")
}
