// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ovzpatch/internal/command"
)

func TestRunKeepsLogLinesAndTail(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	var lines []string
	err := command.Run(t.Context(), command.Cmd{
		Args: []string{"sh", "-c", "echo one; echo two >&2; printf three; exit 7"},
		Log:  log,
		Line: func(s string) { lines = append(lines, s) },
	})
	var ce *command.Error
	if !errors.As(err, &ce) {
		t.Fatalf("got %v, want a *command.Error", err)
	}
	if ce.ExitCode != 7 || ce.Tail != "one\ntwo\nthree" || ce.LogPath != log {
		t.Errorf("got %+v", ce)
	}
	if want := []string{"one", "two", "three"}; !slices.Equal(lines, want) {
		t.Errorf("lines %q, want %q", lines, want)
	}
	if b, _ := os.ReadFile(log); string(b) != "one\ntwo\nthree" {
		t.Errorf("log %q", b)
	}
	for _, want := range []string{"run sh:", "three", log} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestOutputIsStdoutAlone(t *testing.T) {
	b, err := command.Output(t.Context(), command.Cmd{Args: []string{"sh", "-c", "echo out; echo err >&2"}})
	if err != nil || string(b) != "out\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestMissingProgram(t *testing.T) {
	err := command.Run(t.Context(), command.Cmd{Args: []string{"no-such-program-here"}})
	var ce *command.Error
	if !errors.As(err, &ce) || ce.ExitCode != -1 {
		t.Errorf("got %v", err)
	}
}

// A cancelled run must take the program's own children with it.
func TestCancelEndsTheWholeGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pidFile := filepath.Join(t.TempDir(), "pid")
	go func() {
		for {
			if b, _ := os.ReadFile(pidFile); strings.HasSuffix(string(b), "\n") {
				cancel()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	err := command.Run(ctx, command.Cmd{
		Args: []string{"sh", "-c", "sleep 1000 & echo $! > " + pidFile + "; wait"},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	b, _ := os.ReadFile(pidFile)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if state(pid) == "gone" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("child %d outlived its cancelled parent", pid)
}

func TestCancelIsNoSuccessEvenWithExitCode0(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := command.Run(ctx, command.Cmd{
		Args: []string{"sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"},
		Line: func(string) { cancel() },
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// Of a program that signals do not reach, here as it ignores them, the terminal hangs up.
func TestCancelHangsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var lines []string
	start := time.Now()
	err := command.Run(ctx, command.Cmd{
		Args: []string{"sh", "-c", "trap '' TERM; trap 'echo hung up; exit 0' HUP; echo ready; while :; do sleep 0.01; done"},
		Line: func(s string) { lines = append(lines, s); cancel() }, Hangup: true,
	})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
		t.Errorf("got %v after %v, want context.Canceled", err, time.Since(start))
	}
	if want := []string{"ready", "hung up"}; !slices.Equal(lines, want) {
		t.Errorf("lines %q, want %q", lines, want)
	}
}

// What the shell ignored for this program, as nohup does, its programs do not ignore.
func TestProgramsStartWithDefaultSignals(t *testing.T) {
	if os.Getenv("COMMAND_TEST_INNER") != "" {
		out, err := command.Output(t.Context(), command.Cmd{Args: []string{"grep", "^SigIgn:", "/proc/self/status"}})
		mask, perr := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(string(out), "SigIgn:")), 16, 64)
		// 32, 33 and 34 are the C library's own, which Go leaves as they are: a CI was seen to ignore 32.
		if mask &^= 7 << 31; err != nil || perr != nil || mask != 0 {
			t.Errorf("signals that a program ignores: %#x, %v, %v", mask, err, perr)
		}
		// Nobody told this one to let go of them: it goes on.
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
			if err := syscall.Kill(os.Getpid(), s); err != nil {
				t.Error(err)
			}
		}
		TestCancelHangsUp(t)
		return
	}
	cmd := exec.Command("sh", "-c", `trap '' HUP INT QUIT PIPE TSTP TTIN USR1; exec "$0" -test.run=TestProgramsStartWithDefaultSignals -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "COMMAND_TEST_INNER=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A build may start an agent that stays, with the build's output open.
func TestADaemonThatIsLeftIsNoFailure(t *testing.T) {
	start := time.Now()
	out, err := command.Output(t.Context(), command.Cmd{Args: []string{"sh", "-c", "setsid sleep 30 & echo built"}})
	if err != nil || string(out) != "built\n" || time.Since(start) > 25*time.Second {
		t.Errorf("%q, %v after %v", out, err, time.Since(start))
	}
}

func TestLimit(t *testing.T) {
	start := time.Now()
	err := command.Run(t.Context(), command.Cmd{Args: []string{"sleep", "1000"}, Limit: 50 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "run sleep: no end within 50ms") || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// state tells whether a process runs; a zombie nobody reaped yet counts as gone.
func state(pid int) string {
	if syscall.Kill(pid, 0) != nil {
		return "gone"
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil || strings.Contains(string(b), ") Z ") {
		return "gone"
	}
	return "running"
}
