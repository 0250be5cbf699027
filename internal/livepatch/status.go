// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Status is what the kernel that runs says of the livepatch.
type Status struct {
	Loaded     bool     `json:"loaded"`     // the module is there
	Enabled    bool     `json:"enabled"`    // it is in effect, or comes into it
	Transition bool     `json:"transition"` // not for all tasks yet, or still for some
	Waiting    []Task   `json:"waiting"`    // tasks that keep the transition from its end
	Others     []string `json:"others"`     // other livepatches that are enabled
}

// Task is a thread.
type Task struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Protected tells whether the livepatch is in effect for every task.
func (s *Status) Protected() bool { return s.Loaded && s.Enabled && !s.Transition }

// Text is the status in a few lines.
func (s *Status) Text() string {
	var b strings.Builder
	switch {
	case s.Protected():
		b.WriteString(Name + " is in effect for every task: containers are protected\n")
	case s.Enabled:
		b.WriteString(Name + " comes into effect: tasks that sleep in the old function are not protected\n")
	case s.Transition:
		b.WriteString(Name + " was disabled, and goes out of effect: containers are not protected\n")
	case s.Loaded:
		b.WriteString(Name + " is loaded, but disabled: containers are not protected; to enable it again: rmmod, insmod\n")
	default:
		b.WriteString(Name + " is not loaded\n")
	}
	for _, t := range s.Waiting {
		fmt.Fprintf(&b, "  waits for thread %d (%s): /proc/%d/stack shows where it sleeps\n", t.ID, t.Name, t.ID)
	}
	if s.Transition && s.Waiting == nil {
		b.WriteString("  waits for tasks that could not be named: they ended just now, or you are not root\n")
	}
	if s.Others != nil {
		fmt.Fprintf(&b, "other livepatches: %s; one that replaces others takes this one out of effect\n", strings.Join(s.Others, ", "))
	}
	return b.String()
}

// ReadStatus reads the status from /sys and /proc, which are in root.
func ReadStatus(root fs.FS) (*Status, error) {
	if _, err := fs.Stat(root, "sys/module"); err != nil {
		return nil, fmt.Errorf("%w (is /sys mounted?)", err)
	}
	s := &Status{}
	if _, err := fs.Stat(root, "sys/module/"+Name); err == nil {
		s.Loaded = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	const dir = "sys/kernel/livepatch"
	patches, err := fs.ReadDir(root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil // a kernel without livepatches, or none was ever loaded
	}
	if err != nil {
		return nil, err
	}
	for _, p := range patches {
		enabled, err := read(root, path.Join(dir, p.Name(), "enabled"))
		if err != nil {
			return nil, err
		}
		if p.Name() != Name {
			if enabled == "1" {
				s.Others = append(s.Others, p.Name())
			}
			continue
		}
		transition, err := read(root, path.Join(dir, p.Name(), "transition"))
		if err != nil {
			return nil, err
		}
		s.Enabled, s.Transition = enabled == "1", transition == "1"
	}
	if s.Transition {
		s.Waiting, err = waiting(root, s.Enabled)
	}
	return s, err
}

// read reads a file of one line. One that has just gone is empty.
func read(root fs.FS, name string) (string, error) {
	b, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// waiting finds the threads that are not yet where the transition leads. A thread that ends, or
// may not be looked at, is left out.
func waiting(root fs.FS, enabled bool) ([]Task, error) {
	behind := "1"
	if enabled {
		behind = "0"
	}
	files, err := fs.Glob(root, "proc/[0-9]*/task/[0-9]*/patch_state")
	if err != nil {
		return nil, err
	}
	var tasks []Task
	for _, file := range files {
		if state, err := read(root, file); err != nil || state != behind {
			continue
		}
		id, err := strconv.Atoi(path.Base(path.Dir(file)))
		if err != nil {
			continue
		}
		name, err := read(root, path.Join(path.Dir(file), "comm"))
		if err == nil {
			tasks = append(tasks, Task{id, name})
		}
	}
	slices.SortFunc(tasks, func(a, b Task) int { return cmp.Compare(a.ID, b.ID) })
	return tasks, nil
}

// Here is the root of the machine that this runs on.
func Here() fs.FS { return os.DirFS("/") }
