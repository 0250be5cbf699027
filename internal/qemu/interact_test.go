// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"ovzpatch/internal/testutil"

	"golang.org/x/sys/unix"
)

func TestInteractPipe(t *testing.T) {
	m := testMachine(t, "shell")
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := testutil.NewScreen()
	go func() {
		defer keys.Close()
		for i, word := range []string{"hello", "bye"} {
			if err := s.Await("init> ", i+1); err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintln(keys, word)
		}
	}()
	if err := m.Interact(t.Context(), in, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`you said "hello"`, `you said "bye"`} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("the screen lacks %s:\n%s", want, s)
		}
	}
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	tio, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *tio
}

// The terminal is raw while the guest runs and as before afterwards, however it ends.
func TestInteractTerminal(t *testing.T) {
	tests := map[string]struct {
		answer func(user io.Writer, cancel func()) // once the guest asks
		want   error
	}{
		"guest powers off": {func(user io.Writer, _ func()) { io.WriteString(user, "bye\r") }, nil},
		"leave keys":       {func(user io.Writer, _ func()) { io.WriteString(user, "\x01x") }, nil},
		"cancelled":        {func(_ io.Writer, cancel func()) { cancel() }, context.Canceled},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := testMachine(t, "shell")
			user, tty := testutil.Terminal(t)
			before := termios(t, tty)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := testutil.NewScreen()
			go io.Copy(s, user)
			done := make(chan error, 1)
			go func() { done <- m.Interact(ctx, tty, tty) }()
			if err := s.Await("init> ", 1); err != nil {
				t.Fatal(err)
			}
			if l := termios(t, tty).Lflag; l&(unix.ISIG|unix.ICANON|unix.ECHO) != 0 {
				t.Errorf("the terminal is not raw: %#x", l)
			}
			tt.answer(user, cancel)
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if after := termios(t, tty); after != before {
				t.Errorf("the terminal was left as %+v, it was %+v", after, before)
			}
			if pid := qemuWith(t, m.Initrd); pid != "" {
				t.Errorf("QEMU %s is left", pid)
			}
			// The next reader of the terminal must get the next key.
			io.WriteString(user, "after\n")
			b := make([]byte, 16)
			if n, err := tty.Read(b); err != nil || string(b[:n]) != "after\n" {
				t.Errorf("read %q, %v", b[:n], err)
			}
		})
	}
}

func TestInteractRefused(t *testing.T) {
	m := testMachine(t, "shell")
	m.Kernel = "/no/such/kernel"
	_, tty := testutil.Terminal(t)
	before := termios(t, tty)
	err := m.Interact(t.Context(), tty, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "/no/such/kernel") {
		t.Errorf("got %v", err)
	}
	if termios(t, tty) != before {
		t.Error("the terminal was left changed")
	}
}
