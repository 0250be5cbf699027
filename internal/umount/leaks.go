// SPDX-License-Identifier: Apache-2.0

package umount

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Leaks is kmemleak, which finds memory of the kernel that nothing points to any more.
type Leaks struct {
	f   *os.File
	age time.Duration // the least age of what it reports
}

// leakAge is the least age of what kmemleak reports; its own limit is 5 seconds.
const leakAge = 6 * time.Second

// OpenLeaks opens kmemleak and clears what it found before any case. It returns nil if the kernel lacks kmemleak or
// has it switched off. dir is where it mounts debugfs meanwhile.
func OpenLeaks(dir string) (_ *Leaks, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("look for kmemleak: %w", err)
	}
	defer os.Remove(dir)
	if err := unix.Mount("none", dir, "debugfs", 0, ""); errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPERM) {
		return nil, nil // not in the kernel, or switched off (debugfs=off)
	} else if err != nil {
		return nil, fmt.Errorf("look for kmemleak: mount debugfs: %w", err)
	}
	f, err := os.OpenFile(dir+"/kmemleak", os.O_RDWR, 0)
	// The file stays open, and no case sees the mount.
	err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for kmemleak: %w", err)
	}
	l := &Leaks{f, leakAge}
	_, err = l.scan()
	if errors.Is(err, unix.EPERM) {
		return nil, f.Close() // switched off (kmemleak=off, or as vendors build it)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, l.tell("clear")
}

func (l *Leaks) tell(word string) error {
	if _, err := l.f.WriteString(word); err != nil {
		return fmt.Errorf("tell kmemleak to %s: %w", word, err)
	}
	return nil
}

// leakLines is how many lines of kmemleak's report are shown: one object, and where it was allocated.
const leakLines = 12

// scan has kmemleak look twice, because it reports only what did not change in between, and returns the first lines
// of its report.
func (l *Leaks) scan() ([]string, error) {
	for range 2 {
		time.Sleep(l.age)
		if err := l.tell("scan"); err != nil {
			return nil, err
		}
	}
	if _, err := l.f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read what kmemleak found: %w", err)
	}
	b, err := io.ReadAll(l.f)
	if err != nil {
		return nil, fmt.Errorf("read what kmemleak found: %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if len(lines) < leakLines {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, nil
}
