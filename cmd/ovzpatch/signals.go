// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/command"
)

// stopped is why everything ends after a signal.
type stopped struct{ signal syscall.Signal }

func (s *stopped) Error() string { return "stopped by a signal: " + s.signal.String() }

// die ends this process as if the signal had not been caught: a shell's loop goes on after a
// program that returned.
func (s *stopped) die() {
	signal.Reset(s.signal)
	switch f := unread(); {
	case s.signal == syscall.SIGQUIT: // Go would print what all its threads do, and no user asked for that
	case s.signal == syscall.SIGPIPE && f != nil:
		f.Write([]byte{'\n'}) // Go takes this signal from a write alone
	default:
		syscall.Kill(os.Getpid(), s.signal)
		time.Sleep(time.Second) // it takes a moment
	}
	// The first process of a container cannot kill itself.
	os.Exit(exitCode(s))
}

// obey has the first signal end the work. The second cuts short what is cleared away.
func obey(end context.CancelCauseFunc) {
	caught, piped := make(chan os.Signal, 1), make(chan os.Signal, 1)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		// Shells ignore Ctrl-C for what they start in the background, and nohup hang-ups; so it stays.
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	if !signal.Ignored(syscall.SIGPIPE) {
		signal.Notify(piped, syscall.SIGPIPE)
	}
	go func() {
		by := first(caught, piped)
		end(by)
		<-caught
		command.Hurry()
		time.Sleep(time.Second) // is enough to clear away
		by.die()
	}()
}

// first waits for the signal that counts.
func first(caught, piped <-chan os.Signal) *stopped {
	for {
		select {
		case s := <-caught:
			return &stopped{s.(syscall.Signal)}
		case <-piped:
			// A program that ends before it has read all it is given is that program's matter.
			if unread() != nil {
				return &stopped{syscall.SIGPIPE}
			}
		}
	}
}

// unread returns which of our outputs is a pipe that nobody reads any more, as after | head; nil for none.
func unread() *os.File {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		fds := []unix.PollFd{{Fd: int32(f.Fd())}}
		if n, err := unix.Poll(fds, 0); n == 1 && err == nil && fds[0].Revents&unix.POLLERR != 0 {
			return f
		}
	}
	return nil
}
