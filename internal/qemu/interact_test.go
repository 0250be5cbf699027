// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is what a user sees; typed answers follow what appears on it.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until text has appeared n times.
func (s *screen) await(text string, n int) error {
	deadline := time.After(2 * time.Minute)
	for strings.Count(s.String(), text) < n {
		select {
		case <-s.more:
		case <-deadline:
			return fmt.Errorf("%q did not appear %d times on:\n%s", text, n, s)
		}
	}
	return nil
}

func TestInteractPipe(t *testing.T) {
	m := testMachine(t, "shell")
	in, keys, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := newScreen()
	go func() {
		defer keys.Close()
		for i, word := range []string{"hello", "bye"} {
			if err := s.await("init> ", i+1); err != nil {
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

// openPTY returns both ends of a terminal.
func openPTY(t *testing.T) (user, tty *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return user, tty
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
			user, tty := openPTY(t)
			before := termios(t, tty)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := newScreen()
			go io.Copy(s, user)
			done := make(chan error, 1)
			go func() { done <- m.Interact(ctx, tty, tty) }()
			if err := s.await("init> ", 1); err != nil {
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
	_, tty := openPTY(t)
	before := termios(t, tty)
	err := m.Interact(t.Context(), tty, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "/no/such/kernel") {
		t.Errorf("got %v", err)
	}
	if termios(t, tty) != before {
		t.Error("the terminal was left changed")
	}
}
