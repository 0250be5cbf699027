// SPDX-License-Identifier: Apache-2.0

// Command umounttest tries umount2(2) on lustre inside and outside of containers and
// tells what the running kernel did. In a guest it is /init; see docs/events.md for
// what it reads and writes there.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"ovzpatch/internal/umount"
)

func init() {
	// Threads that changed their namespaces are thrown away after use. The main thread
	// cannot be, and /proc/self shows its namespaces: nothing else may run on it.
	runtime.LockOSThread()
}

func main() {
	if os.Getpid() == 1 && !isCommand(os.Args[1:]) {
		bootGuest()
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "umounttest:", err)
		stop()
		os.Exit(exitCode(err))
	}
}

// exitCode is the number of an error, the same as ovzpatch's.
func exitCode(err error) int {
	switch {
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, errFaulty):
		return 4
	case errors.Is(err, errNoVerdict):
		return 5
	}
	return 1
}

// isCommand tells what was asked for from what the kernel hands to /init: the words of its
// command line that it does not know.
func isCommand(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"list", "run", umount.AgentWord, umount.UmountWord}, args[0])
}

const usage = `usage: umounttest list [--json]
       umounttest run [--json] [--cases=REGEXP] [--container=NAME,...]
                      [--mount=SOURCE] [--this-host-is-a-guest=HOSTNAME]
list shows the cases. run tries them: it mounts, makes containers, and forces umounts of
the probe's filesystem, or with --mount of Lustre from SOURCE, in a guest; be root, and
load lustreprobe.ko or Lustre's modules.
Exit codes: 0 protected or vulnerable, 1 the run failed, 2 usage, 4 faulty, 5 no verdict.`

var errUsage = errors.New(usage) //nolint:staticcheck // ST1005: the text is the whole usage, in sentences

func help() error {
	_, err := fmt.Println(usage)
	return err
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return help()
	case "list":
		return listCases(args[1:])
	case "run":
		return runHere(ctx, args[1:])
	case umount.AgentWord:
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return umount.Agent(self, os.NewFile(3, "requests"), os.NewFile(4, "replies"))
	case umount.UmountWord:
		return umount.Once(args[1:], os.Stdout)
	}
	return errUsage
}
