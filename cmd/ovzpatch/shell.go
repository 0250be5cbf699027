// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ovzpatch/internal/qemu"
	"ovzpatch/internal/scratch"
)

func newShell(a *app) *cobra.Command {
	var kernel kernelFlags
	c := &cobra.Command{
		Use:   "shell RPM",
		Short: "An interactive guest with the same kernel and initramfs",
		Long: `shell boots the kernel of RPM as ovzpatch test does, with the probe or your own Lustre, but gives
you a shell on its console. Leave it with exit, or with the keys it names.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, u := c.Context(), newUI(c.ErrOrStderr())
			if err := kernel.check(c, args); err != nil {
				return err
			}
			if err := kernel.ready(args, false); err != nil {
				return err
			}
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return errors.New("a guest's console wants a file as standard input")
			}
			accel, err := a.accelerator(ctx, u)
			if err != nil {
				return err
			}
			dir, remove, err := scratch.New("", "kernel")
			if err != nil {
				return fmt.Errorf("unpack kernel: %w", err)
			}
			defer remove()
			parts, err := kernel.parts(ctx, u, a, args, dir)
			if err != nil {
				return err
			}
			m, err := a.machine(ctx, parts, accel)
			if err != nil {
				return err
			}
			m.Append = append(m.Append, "umounttest.mode=shell", "quiet")
			u.Say("booting %s; %s leaves it whatever it does", parts.Release, qemu.LeaveKeys)
			return m.Interact(ctx, in, c.OutOrStdout())
		},
	}
	kernel.register(c)
	return c
}
