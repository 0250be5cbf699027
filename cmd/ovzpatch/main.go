// SPDX-License-Identifier: Apache-2.0

// Command ovzpatch patches kernel source RPMs so that containers cannot force the
// umount of Lustre, builds them, and proves in a virtual machine that they cannot.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"ovzpatch/internal/report"
)

func main() { os.Exit(run()) }

// run returns the exit code, or ends by the signal that ended the work.
func run() int {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	obey(end)
	absoluteTemp()
	ci := report.NewWorkflow(os.Getenv, os.Stderr)
	defer ci.On()
	ctx = withWorkflow(ctx, ci)
	root, out := newRoot(), &written{w: os.Stdout}
	root.SetOut(out)
	c, err := root.ExecuteContextC(ctx)
	if out.err != nil && !errors.Is(err, out.err) {
		err = errors.Join(err, out.err)
	}
	if err == nil {
		return 0
	}
	by, _ := context.Cause(ctx).(*stopped)
	if by == nil && errors.Is(err, syscall.EPIPE) && unread() != nil { // the signal is on its way
		by = &stopped{syscall.SIGPIPE}
	}
	if by != nil && !errors.As(err, new(*stopped)) {
		err = fmt.Errorf("%w: %w", by, err)
	}
	if by == nil || by.signal != syscall.SIGPIPE { // else nobody reads
		newUI(c).Fail(err)
		err = errors.Join(err, out.failure(c, err))
	}
	if by != nil {
		by.die()
	}
	return exitCode(err)
}

// absoluteTemp makes a relative TMPDIR absolute: programs that are started in other directories read it, too.
func absoluteTemp() {
	dir := os.Getenv("TMPDIR")
	if dir == "" || filepath.IsAbs(dir) {
		return
	}
	if abs, err := filepath.Abs(dir); err == nil {
		os.Setenv("TMPDIR", abs)
	}
}
