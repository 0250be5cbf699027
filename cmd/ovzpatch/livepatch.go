// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ovzpatch/internal/job"
	"ovzpatch/internal/livepatch"
	"ovzpatch/internal/terminal"
	"ovzpatch/internal/tool"
	"ovzpatch/internal/trial"
)

// livepatchCommand is what the command line says.
type livepatchCommand struct {
	kernel trial.Choice
	key    keyFlags
	module livepatch.Options
	form   jsonFlag
}

func newLivepatch(*app) *cobra.Command {
	p := &livepatchCommand{}
	c := &cobra.Command{
		Use:   "livepatch [RPM]",
		Short: "Make the port into a module for a kernel that runs, so that no reboot is needed",
		Args:  cobra.MaximumNArgs(1),
		RunE:  p.run,
	}
	c.Flags().StringVar(&p.kernel.Devel, "devel", "", "the kernel's -devel package (default: the one beside RPM)")
	c.Flags().StringVar(&p.kernel.Image, "kernel", "", "make it for this bare kernel image instead of a package; needs --modules")
	c.Flags().StringVar(&p.kernel.Modules, "modules", "", "the bare kernel's /lib/modules/RELEASE, whose build link leads to its headers")
	p.key.register(c)
	c.Flags().StringVarP(&p.module.Output, "output", "o", "", "directory for the module and its RPM")
	c.Flags().IntVar(&p.module.Revision, "revision", 1, "the number in the module's name, and the RPM's version: one higher for each that takes another's place in the same kernel")
	c.Flags().StringVar(&p.module.Sign.Key, "sign-key", "", "sign the module with this private key, by the kernel's scripts/sign-file: a PEM file, or a pkcs11: URI (KBUILD_SIGN_PIN is its PIN)")
	c.Flags().StringVar(&p.module.Sign.Cert, "sign-cert", "", "the certificate of --sign-key, in PEM or DER; the kernel must trust it")
	c.MarkFlagsRequiredTogether("sign-key", "sign-cert")
	p.form.register(c, "write where the module is and which kernel it is for as JSON")
	c.MarkFlagRequired("output")
	c.MarkFlagsRequiredTogether("kernel", "modules")
	c.MarkFlagsMutuallyExclusive("kernel", "devel")
	c.MarkFlagsMutuallyExclusive("kernel", "keyring")
	c.AddCommand(newLivepatchStatus())
	return c
}

// check refuses what no module can be made from, before anything slow.
func (p *livepatchCommand) check(c *cobra.Command, args []string) error {
	if err := chooseKernel(c, &p.kernel, args); err != nil {
		return err
	}
	p.kernel.Keyring, p.module.Sign.PIN = p.key.keyring, os.Getenv("KBUILD_SIGN_PIN") != ""
	if err := errors.Join(p.kernel.Named(false), p.module.Sign.Check()); err != nil {
		return err
	}
	if err := errors.Join(livepatch.CheckRevision(p.module.Revision), checkOutput(p.module.Output)); err != nil {
		return err
	}
	return tool.Need(tool.Livepatch)
}

func (p *livepatchCommand) run(c *cobra.Command, args []string) error {
	if err := p.check(c, args); err != nil {
		return err
	}
	u := newUI(c)
	p.module.Report = u
	m, err := trial.MakeLivepatch(c.Context(), p.kernel, p.module)
	if err != nil {
		return err
	}
	return p.form.print(c, m, func(w io.Writer) error {
		for _, note := range m.Notes {
			u.Say("%s", note)
		}
		return m.Text(w)
	})
}

func newLivepatchStatus() *cobra.Command {
	var out jsonFlag
	c := &cobra.Command{
		Use:   "status",
		Short: "Say whether the livepatch protects this machine, and which threads keep it from doing so",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := livepatch.ReadStatus(livepatch.Here())
			if err != nil {
				return fmt.Errorf("read the livepatch's status: %w", err)
			}
			err = out.print(c, s, func(w io.Writer) error {
				_, err := io.WriteString(w, terminal.Text(s.Text()))
				return err
			})
			if err == nil && !s.Protected {
				err = job.Misbehaved(errors.New("containers are not protected by the livepatch: see the status"))
			}
			return err
		},
	}
	out.register(c, "write the status as JSON")
	return c
}
