// SPDX-License-Identifier: Apache-2.0

// Command ovzpatch patches kernel source RPMs so that containers cannot force the
// umount of Lustre, builds them, and proves in a virtual machine that they cannot.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ovzpatch/internal/terminal"
)

func main() { os.Exit(run()) }

func run() int {
	signals := []os.Signal{syscall.SIGTERM}
	// Shells ignore Ctrl-C for what they start in the background; so it stays.
	if !signal.Ignored(os.Interrupt) {
		signals = append(signals, os.Interrupt)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	// Once the first signal has begun the orderly end, the second one kills.
	context.AfterFunc(ctx, stop)
	root, out := newRoot(), &written{w: os.Stdout}
	root.SetOut(out)
	c, err := root.ExecuteContextC(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ovzpatch:", terminal.Text(err.Error()))
		err = errors.Join(err, out.failure(c, err))
	}
	return exitCode(err)
}
