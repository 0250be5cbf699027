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
	"time"

	"ovzpatch/internal/command"
	"ovzpatch/internal/report"
)

func main() { os.Exit(run()) }

// stopped is why everything ends after a signal.
type stopped struct{ signal syscall.Signal }

func (s *stopped) Error() string { return "stopped by a signal: " + s.signal.String() }

// die ends this process as if the signal had not been caught: a shell's loop goes on after a
// program that returned.
func (s *stopped) die() {
	signal.Reset(s.signal)
	syscall.Kill(os.Getpid(), s.signal)
	time.Sleep(time.Second) // it takes a moment
	// The first process of a container cannot kill itself.
	os.Exit(exitCode(s))
}

// run returns the exit code, or ends by the signal that ended the work.
func run() int {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	caught := make(chan os.Signal, 1)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		// Shells ignore Ctrl-C for what they start in the background, and nohup hang-ups; so it stays.
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	go func() {
		by := &stopped{(<-caught).(syscall.Signal)}
		end(by)
		<-caught
		command.Hurry()
		time.Sleep(time.Second) // is enough to clear away
		by.die()
	}()
	ci := report.NewWorkflow(os.Getenv, os.Stderr)
	defer ci.On()
	ctx = withWorkflow(ctx, ci)
	root, out := newRoot(), &written{w: os.Stdout}
	root.SetOut(out)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	by, _ := context.Cause(ctx).(*stopped)
	if by != nil && !errors.As(err, new(*stopped)) {
		err = fmt.Errorf("%w: %w", by, err)
	}
	newUI(c).Fail(err)
	err = errors.Join(err, out.failure(c, err))
	if by != nil {
		by.die()
	}
	return exitCode(err)
}
