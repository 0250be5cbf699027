// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/terminal"
)

// execBegins is a line that the script of exec prints first: what came before is the boot's.
const execBegins = "ovzpatch: the command begins"

func newExec(a *app) *cobra.Command {
	var (
		kernel  kernelFlags
		machine machineFlags
	)
	c := &cobra.Command{
		Use:   "exec [RPM] -- COMMAND [ARG...]",
		Short: "Run one command in a guest with that kernel; its exit status arrives",
		Long: `exec boots the kernel of RPM as ovzpatch shell does, with the probe or your own Lustre, runs
COMMAND there, and ends with its exit status. What the command prints goes to standard
output; lines of the kernel's log may stand between, for both use one console. Where the
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
			s := shellSession{app: a, kernel: &kernel, machine: &machine}
			if err := s.check(c, args[:at]); err != nil {
				return err
			}
			script := []byte("echo '" + execBegins + "'\n" + quote(args[at:]) + "\n")
			if len(script) > maxScript {
				return usage(fmt.Errorf("the command has more than %d KiB; write a shorter one", maxScript>>10))
			}
			in, err := os.Open(os.DevNull)
			if err != nil {
				return fmt.Errorf("connect console: %w", err)
			}
			defer in.Close()
			out := execOutput{w: c.OutOrStdout()}
			end := shellEnd{w: &out}
			if err := s.boot(c, in, &end, script); err != nil {
				return err
			}
			err = end.error(true)
			if err != nil && !out.over {
				fmt.Fprintln(c.ErrOrStderr(), terminal.Text(strings.ReplaceAll(string(end.tail), "\r\n", "\n")))
			}
			return err
		},
	}
	kernel.register(c)
	machine.register(c)
	return c
}

// quote writes words such that a shell reads them as they are.
func quote(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}

// execOutput passes on what a console has between the begin of the command and its end.
type execOutput struct {
	w        io.Writer
	on, over bool
	blank    bool   // a blank line is held back: it may be the one before the end
	line     []byte // not ended yet
}

func (o *execOutput) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		o.line = append(o.line, part...)
		const limit = 1 << 20 // a guest may never end its line
		if !ended && len(o.line) < limit {
			break
		}
		line := string(bytes.TrimRight(o.line, "\r"))
		o.line = o.line[:0]
		if err := o.take(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (o *execOutput) take(line string) error {
	switch {
	case !o.on:
		o.on = line == execBegins
	case o.over:
	case strings.HasPrefix(line, guest.ShellEnded):
		o.over = true
	default:
		text := line + "\n"
		if o.blank {
			text = "\n" + text
		}
		if o.blank = line == ""; o.blank {
			text = strings.TrimSuffix(text, "\n")
		}
		_, err := io.WriteString(o.w, text)
		return err
	}
	return nil
}
