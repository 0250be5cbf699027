// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
)

// catchIgnored makes programs start with default signals, even if this process was started with
// some ignored: nohup ignores SIGHUP, shells ignore SIGINT for background jobs. A program
// inherits ignored signals but not caught ones. So we catch such signals here, and do nothing
// about them.
var catchIgnored = sync.OnceFunc(func() {
	for _, s := range ignored() {
		signal.Notify(make(chan os.Signal, 1), s)
	}
})

// ignored returns the signals that this process ignores. It asks the kernel, because
// signal.Ignored knows only a few. SIGCONT and SIGSTOP do not matter.
func ignored() []os.Signal {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	_, after, _ := bytes.Cut(status, []byte("\nSigIgn:\t"))
	mask, _, _ := bytes.Cut(after, []byte("\n"))
	set, err := strconv.ParseUint(string(mask), 16, 64)
	if err != nil {
		return nil
	}
	var list []os.Signal
	for s := syscall.Signal(1); s <= 64; s++ {
		if set&(1<<(s-1)) != 0 {
			list = append(list, s)
		}
	}
	return list
}
