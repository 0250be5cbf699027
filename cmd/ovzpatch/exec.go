// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/terminal"
)

func newExec(a *app) *cobra.Command {
	var f guestFlags
	c := &cobra.Command{
		Use:   "exec [RPM] -- COMMAND [ARG...]",
		Short: "Run one command in a guest with that kernel, and return its exit status",
		Long: `exec boots the kernel of RPM as ovzpatch shell does, with the probe or your own Lustre, runs
COMMAND there, and ends with its exit status. What the command prints goes to standard
output; lines of the kernel's log may appear among it, because both use one console. If the
guest ends before the command does, the exit code is 1 and the end of the console goes to
standard error.

The guest has u-root's commands, its shell gosh, and umounttest, which is /init. Of this machine it has
the directory of --share, at /mnt/share. What the command writes elsewhere is lost.`,
		Example: `  ovzpatch exec kernel-ovz-6.1.192-1.lustre1.x86_64.rpm -- uname -r
  ovzpatch exec kernel-ovz-6.1.192-1.lustre1.x86_64.rpm --memory=2G --cpus=2 -- cat /proc/meminfo
  ovzpatch exec kernel-ovz-6.1.192-1.lustre1.x86_64.rpm --share . --rw -- gosh /mnt/share/test.sh
  ovzpatch exec kernel-ovz-6.1.192-1.lustre1.x86_64.rpm -- gosh -c 'umount -f /mnt/lustre; dmesg | tail -n 3'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			at := c.ArgsLenAtDash()
			if at < 0 || at == len(args) {
				return usage(fmt.Errorf("name a command after --, as %s RPM -- uname -r", c.CommandPath()))
			}
			if at > 1 {
				return usage(fmt.Errorf("%q is one argument too many before --; the command stands after it", args[1]))
			}
			if err := f.check(c, args[:at]); err != nil {
				return err
			}
			shown, err := f.shell().Command(c.Context(), args[at:], c.OutOrStdout(), a.trial(newUI(c)))
			if shown != "" {
				fmt.Fprintln(c.ErrOrStderr(), terminal.Text(strings.ReplaceAll(shown, "\r\n", "\n")))
			}
			return err
		},
	}
	f.register(c)
	return c
}
