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

// catchIgnored makes programs start with default signals, also where this one was told to
// ignore some, as nohup does with SIGHUP and shells do with SIGINT in the background. A
// program inherits what is ignored, but not what is caught: so such signals are caught
// here, and nothing is done about them.
var catchIgnored = sync.OnceFunc(func() {
	for _, s := range ignored() {
		signal.Notify(make(chan os.Signal, 1), s)
	}
})

// ignored are the signals that this process ignores. The kernel is asked, as
// signal.Ignored knows of a few only. SIGCONT and SIGSTOP cannot matter.
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
