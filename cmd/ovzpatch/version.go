// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ovzpatch/internal/trial"
	"ovzpatch/internal/version"
)

func newVersion(a *app) *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "version",
		Short: "Which release this is, from which commit, and with which guest programs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			guest, err := trial.Installed(a.home)
			if err != nil {
				return err
			}
			all := struct {
				version.Version
				// Guest are the programs that guests are made of, and their SHA-256.
				Guest []trial.Program `json:"guest"`
			}{version.This(), guest}
			return out.print(c, all, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, all.Version)
				for _, g := range guest {
					fmt.Fprintf(w, "%s  %s\n", g.SHA256, g.Path)
				}
				return err
			})
		},
	}
	out.register(c, "write it as JSON")
	return c
}
