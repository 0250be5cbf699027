// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/guest"
)

// runHere is `umounttest run`: on a machine that somebody else started.
func runHere(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	asJSON := flags.Bool("json", false, "")
	cases := flags.String("cases", "", "")
	containers := flags.String("container", "", "")
	source := flags.String("mount", "", "")
	hostname := flags.String("this-host-is-a-guest", "", "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return help()
	} else if err != nil || flags.NArg() > 0 {
		return errors.Join(err, errUsage)
	}
	if err := known(*cases, splitNames(*containers)); err != nil {
		return errors.Join(err, errUsage)
	}
	if err := mayRun(*hostname); err != nil {
		return err
	}
	dir, err := privateDir()
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir))
	}()
	s := session{args: args, cases: *cases, backends: splitNames(*containers), dir: dir}
	if *source != "" {
		s.lustre = &lustre{source: *source}
	}
	write := (&ktap{w: os.Stdout}).emit
	if *asJSON {
		write = guest.NewEncoder(os.Stdout).Encode
	}
	var verdict guest.Verdict
	s.emit = func(e guest.Event) error {
		if e.Done != nil {
			verdict = e.Done.Verdict
		}
		return write(e)
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	return judged(verdict)
}

// known refuses names that no machine has: a typing error says nothing of a kernel.
func known(cases string, containers []string) error {
	if _, err := matching(cases); err != nil {
		return err
	}
	for _, name := range containers {
		if _, ok := backends[name]; !ok {
			return fmt.Errorf("make %s container: no such backend; there are %s", name, strings.Join(slices.Sorted(maps.Keys(backends)), ", "))
		}
	}
	return nil
}

// judged is the error of a run that told everything, and no good.
func judged(v guest.Verdict) error {
	switch v {
	case guest.Protected, guest.Vulnerable:
		return nil
	case guest.Faulty:
		return errFaulty
	}
	return errNoVerdict
}

var (
	errFaulty    = errors.New("the kernel behaved as neither a patched nor an unpatched one does")
	errNoVerdict = errors.New("no verdict: some cases could not be run (see the notes and what is not ok), or none of the chosen cases tells the kernels apart")
)

// mayRun refuses where a forced umount could hurt somebody.
func mayRun(hostname string) error {
	if b, err := os.ReadFile("/proc/cmdline"); err == nil && parseWords(string(b)).ours {
		return nil
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("ask for the host's name: %w", err)
	}
	if hostname == name {
		return nil
	}
	return fmt.Errorf("run cases: this machine is not a guest of ovzpatch, and forced umounts take lustre away from everybody on it; if that hurts nobody, use --this-host-is-a-guest=%s", name)
}

// privateDir returns an empty directory whose mounts nobody else gets to see.
func privateDir() (string, error) {
	dir, err := os.MkdirTemp("", "umounttest")
	if err != nil {
		return "", fmt.Errorf("make directory for the mounts: %w", err)
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return "", errors.Join(fmt.Errorf("bind %s: %w (be root)", dir, err), os.Remove(dir))
	}
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		return "", errors.Join(fmt.Errorf("make %s private: %w", dir, err), unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir))
	}
	return dir, nil
}
