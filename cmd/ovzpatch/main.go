// SPDX-License-Identifier: GPL-2.0-only

// Command ovzpatch patches kernel source RPMs so that containers cannot force the
// umount of Lustre, builds them, and proves in a virtual machine that they cannot.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ovzpatch/internal/terminal"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Once the first signal has begun the orderly end, the second one kills.
	context.AfterFunc(ctx, stop)
	err := newRoot().ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ovzpatch:", terminal.Text(err.Error()))
	}
	return exitCode(err)
}
