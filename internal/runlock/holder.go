// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/terminal"
)

// ErrLocked is what errors.Is finds in the error of a lock that others hold.
var ErrLocked = errors.New("locked by others")

// maxCommand is how many bytes of a holder's command line are shown.
const maxCommand = 120

// Holder is a process that holds a lock.
type Holder struct {
	PID     int    `json:"pid"`     // 0 when the process is not visible from here
	Command string `json:"command"` // program and arguments; "" when hidden or gone
	Shared  bool   `json:"shared"`
}

// unseen is what is said of a holder in another pid namespace.
const unseen = "a process that is not visible from here"

func (h Holder) String() string {
	switch {
	case h.PID == os.Getpid():
		return "this process itself"
	case h.PID <= 0:
		return unseen
	case h.Command == "":
		return fmt.Sprintf("pid %d", h.PID)
	}
	return fmt.Sprintf("pid %d (%s)", h.PID, h.Command)
}

// HeldError tells who holds a lock that could not be had.
type HeldError struct {
	Waited  time.Duration
	Holders []Holder // empty when none of them is visible from here
}

func (e *HeldError) Error() string {
	var b strings.Builder
	b.WriteString("held by ")
	for i, h := range e.Holders {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(h.String())
	}
	if len(e.Holders) == 0 {
		b.WriteString(unseen)
	}
	if e.Waited > 0 {
		fmt.Fprintf(&b, ", waited %v", e.Waited)
	}
	return b.String()
}

// Is makes a HeldError an ErrLocked.
func (e *HeldError) Is(target error) bool { return target == ErrLocked }

// parseLock reads a line such as "1: FLOCK  ADVISORY  WRITE 4711 00:17:1234 0 EOF".
// Waiting ones have "->" after the number and hold nothing.
func parseLock(line string) (id inode, h Holder, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || f[1] != "FLOCK" {
		return id, h, false
	}
	n, err := fmt.Sscanf(f[5], "%x:%x:%d", &id.major, &id.minor, &id.ino)
	if err != nil || n != 3 {
		return id, h, false
	}
	h.PID, err = strconv.Atoi(f[4])
	h.Shared = f[3] == "READ"
	return id, h, err == nil
}

// commandOf is a process's command line, fit for a terminal.
func commandOf(pid int) string {
	if pid <= 0 {
		return ""
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	args[0] = filepath.Base(args[0])
	s := terminal.Line(strings.Join(args, " "))
	if len(s) > maxCommand {
		s = strings.ToValidUTF8(s[:maxCommand], "") + "..."
	}
	if s == "." {
		return ""
	}
	return s
}
