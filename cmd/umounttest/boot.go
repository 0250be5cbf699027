// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
)

// words are what the kernel command line says to umounttest.
type words struct {
	ours     bool     // there is one
	all      []string // as they stand
	mode     string   // "run", "shell", "empty"
	cases    string
	backends []string
	source   string // of a user's Lustre, "" for the probe
	address  string // in the network with another guest, "" where there is none
	stop     bool   // at the first case that a protected kernel does not show
	skip     string // a case on a backend that is left out: BACKEND/NAME
	patch    string // path of a livepatch on trial, "" for none
	share    string // "ro" or "rw": how the host's directory is mounted, "" for not
}

// parseWords reads the umounttest.KEY=VALUE words of a kernel command line.
func parseWords(cmdline string) words {
	w := words{mode: "run"}
	for word := range strings.FieldsSeq(cmdline) {
		key, value, _ := strings.Cut(word, "=")
		if !strings.HasPrefix(key, "umounttest.") {
			continue
		}
		w.ours = true
		w.all = append(w.all, word)
		switch key {
		case "umounttest.mode":
			w.mode = value
		case "umounttest.cases":
			w.cases = value
		case "umounttest.container":
			w.backends = splitNames(value)
		case "umounttest.stop":
			w.stop = value == "fault"
		case "umounttest.skip":
			w.skip = value
		case "umounttest.livepatch":
			w.patch = value
		case "umounttest.share":
			w.share = value
		case "umounttest.mount":
			w.source = value
		case "umounttest.address":
			w.address = value
		}
	}
	return w
}

// bootGuest is /init. It never returns: whatever happens, the machine goes off, for the
// host waits for that, and a missing done tells it that something was wrong.
func bootGuest() {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "umounttest panics: %v\n%s", p, debug.Stack())
		}
		err := unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
		// The end of process 1 is a kernel panic, which with panic=1 is a reboot too.
		panic(fmt.Sprintf("reboot: %v", err))
	}()
	problems := mountSystem()
	if err := setEnvironment(); err != nil {
		problems = append(problems, err)
	}
	b, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		problems = append(problems, fmt.Errorf("read kernel command line: %w", err))
	}
	w := parseWords(string(b))
	switch w.mode {
	case "empty":
		return
	case "run", "shell":
	default:
		problems = append(problems, fmt.Errorf("umounttest.mode=%s is not known, taken as run", w.mode))
	}
	problems = append(problems, loadModules("/etc/umounttest/modules")...)
	if w.source != "" {
		problems = append(problems, bringUpNetwork(w.address)...)
		problems = append(problems, loadModules(lustreModules)...)
	}
	if w.share != "" {
		if err := mountShare(w.share); err != nil {
			problems = append(problems, err)
		}
	}
	if w.mode == "shell" {
		if err := errors.Join(append(problems, shell(w.source))...); err != nil {
			fmt.Fprintln(os.Stderr, "umounttest:", err)
		}
		return
	}
	if err := runGuest(w, problems); err != nil {
		fmt.Fprintln(os.Stderr, "umounttest:", err)
	}
}

// runGuest tries the cases and tells them on both serial ports.
func runGuest(w words, problems []error) error {
	port, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	defer port.drain()
	enc, console := guest.NewEncoder(port), &ktap{w: os.Stdout}
	s := session{args: w.all, cases: w.cases, backends: w.backends, dir: "/umounttest", unload: w.source == "", stop: w.stop, skip: w.skip}
	if w.patch != "" {
		s.livepatch = newLivepatch(w.patch)
	}
	if w.source != "" {
		s.lustre = &lustre{source: w.source, setup: setupScript}
	}
	for _, p := range problems {
		s.notes = append(s.notes, p.Error())
	}
	s.emit = func(e guest.Event) error {
		// A console that fails is no reason to lose results.
		console.emit(e)
		return enc.Encode(e)
	}
	return guarded(s.emit, func() error { return s.run(context.Background()) })
}

// guarded makes a note of a panic in run, where the host reads it.
func guarded(emit func(guest.Event) error, run func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			text := fmt.Sprintf("umounttest panics: %v\n%s", p, debug.Stack())
			err = errors.Join(errors.New(text), emit(guest.Event{Note: &guest.Note{Text: text}}))
		}
	}()
	return run()
}
