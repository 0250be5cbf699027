// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/testutil"
)

// A real guest: Ctrl-C ends what runs there, a loop too, and not the shell.
func TestShellKeys(t *testing.T) {
	long(t)
	kernel := testKernel(t, "kernel-ovz-")
	user, tty := testutil.Terminal(t)
	// A shell that misses its exit waits for ever.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../bin/ovzpatch", "shell", kernel)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := testutil.NewScreen()
	go io.Copy(s, user)
	// What is typed appears too, so each answer is in a form that nobody typed. Of a command that Ctrl-C ends the
	// shell says "canceled" or its status 130, whichever it hears of first.
	for _, step := range []struct{ keys, answer string }{
		{"", "goes off.\r\n$ "},
		{"echo a''b; sleep 9999\r", "ab"},
		{"\x03", "\r\n$ "},
		{"echo c''d; sleep 9999; echo the r''est\r", "cd"},
		{"\x03", "\r\n$ "},
		{"while true; do echo e''f; sleep 1; done\r", "ef"},
		{"\x03", "\r\n$ "},
		{"echo g''h\r", "gh\r\n$ "},
		// A command reads what is typed as on any terminal; what it does not read is for the shell.
		{"cat\r", "cat\r\n"},
		{"he said\r", "he said\r\nhe said\r\n"},
		{"\x04", "\r\n$ "},
		{"sleep 2; echo i''j\recho k''l\r", "ij\r\n$ kl\r\n$ "},
	} {
		if step.keys == "\x03" || step.keys == "he said\r" {
			time.Sleep(3 * time.Second) // for the command to begin
		}
		n := strings.Count(s.String(), step.answer)
		io.WriteString(user, step.keys)
		if err := s.Await(step.answer, n+1); err != nil {
			t.Error(err)
			io.WriteString(user, "\x01x")
			break
		}
	}
	io.WriteString(user, "exit\r")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, s)
	}
	if strings.Contains(s.String(), "the rest") {
		t.Errorf("what stood behind a command that Ctrl-C ended was run:\n%s", s)
	}
}

// Real guests: a script arrives whole, its status comes back, and no end of input hangs.
func TestShellScript(t *testing.T) {
	long(t)
	kernel := testKernel(t, "kernel-ovz-")
	comments := strings.Repeat("# a comment\n", 2000) // more than a terminal takes at once
	for name, tt := range map[string]struct {
		in   io.Reader // nil is /dev/null
		want string
		code int
	}{
		"nothing":  {nil, "status 0", 0},
		"no exit":  {strings.NewReader("echo he\"\"llo"), "hello", 0},
		"exit 7":   {strings.NewReader("echo he\"\"llo\ncat\n" + comments + "exit 7\necho unreached\n"), "hello", 7},
		"no shell": {strings.NewReader("if then\n"), "must be followed by", 1},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "../../bin/ovzpatch", "shell", kernel)
			cmd.Stdin = tt.in
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("%v, want exit code %d\n%s", err, tt.code, out)
			}
			if text := string(out); !strings.Contains(text, tt.want) || strings.Contains(text, "unreached") {
				t.Errorf("the console lacks %q, or goes on after exit:\n%s", tt.want, text)
			}
		})
	}
}

// Real guests: a directory of the host can be read, and written to only where that was asked for.
func TestShellShare(t *testing.T) {
	long(t)
	kernel := testKernel(t, "kernel-ovz-")
	dir := filepath.Join(t.TempDir(), "a, b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("he said\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const command = "cat /mnt/share/in && echo she said >/mnt/share/out"
	out := filepath.Join(dir, "out")
	stdout, stderr, code := ovzpatch(t, "exec", kernel, "--share", dir, "--", "gosh", "-c", command)
	if _, err := os.Stat(out); code == 0 || err == nil || !strings.Contains(stdout, "he said\n") || !strings.Contains(stdout, "read-only") {
		t.Errorf("for reading: exit code %d, %v\n%s\n%s", code, err, stdout, stderr)
	}
	stdout, stderr, code = ovzpatch(t, "exec", kernel, "--share", dir, "--rw", "--", "gosh", "-c", command)
	if b, err := os.ReadFile(out); code != 0 || err != nil || string(b) != "she said\n" {
		t.Errorf("for writing: exit code %d, %q, %v\n%s\n%s", code, b, err, stdout, stderr)
	}
	// A program of this machine, on the kernel under test.
	stdout, stderr, code = ovzpatch(t, "exec", kernel, "--share", "/", "--", "chroot", "/mnt/share", "/bin/sh", "-c", "cat /etc/os-release")
	if want, err := os.ReadFile("/etc/os-release"); code != 0 || err != nil || !strings.Contains(stdout, string(want)) {
		t.Errorf("this machine's shell: exit code %d, %v\n%s\n%s", code, err, stdout, stderr)
	}
}
