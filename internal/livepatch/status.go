// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Status is what the kernel that runs says of our livepatch.
type Status struct {
	Protected bool     `json:"protected"` // one of Modules is in effect for every task
	Modules   []Loaded `json:"modules"`   // ours: two while one takes the other's place
	Waiting   []Task   `json:"waiting"`   // tasks that keep a transition from its end
	Others    []string `json:"others"`    // other livepatches that are enabled
}

// Loaded is a module of ours in the kernel.
type Loaded struct {
	Name       string `json:"name"`
	Enabled    bool   `json:"enabled"`    // it is in effect, or comes into it
	Transition bool   `json:"transition"` // not for all tasks yet, or still for some
}

// Task is a thread.
type Task struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Text is the status in a few lines.
func (s *Status) Text() string {
	var b strings.Builder
	if len(s.Modules) == 0 {
		b.WriteString(prefix + " is not loaded: containers are not protected by it\n")
	}
	moving := false
	for _, m := range s.Modules {
		moving = moving || m.Transition
		switch {
		case m.Enabled && !m.Transition:
			b.WriteString(m.Name + " is in effect for every task: containers are protected\n")
		case m.Enabled && s.Protected:
			b.WriteString(m.Name + " comes into effect\n")
		case m.Enabled:
			b.WriteString(m.Name + " is coming into effect: tasks that sleep in the old function are not protected\n")
		case m.Transition:
			b.WriteString(m.Name + " was disabled, and is going out of effect\n")
		default:
			b.WriteString(m.Name + " is loaded, but disabled; to enable it again: rmmod, insmod\n")
		}
	}
	if len(s.Modules) > 0 && !s.Protected {
		b.WriteString("containers are not protected\n")
	}
	for _, t := range s.Waiting {
		fmt.Fprintf(&b, "  waits for thread %d (%s): /proc/%d/stack shows where it sleeps\n", t.ID, t.Name, t.ID)
	}
	if moving && len(s.Waiting) == 0 {
		b.WriteString("  waits for tasks that could not be named: they ended just now, or you are not root\n")
	}
	if len(s.Others) > 0 {
		fmt.Fprintf(&b, "other livepatches: %s; one that replaces others takes this one out of effect\n", strings.Join(s.Others, ", "))
	}
	return b.String()
}

// ReadStatus reads the status from /sys and /proc, which are in root.
func ReadStatus(root fs.FS) (*Status, error) {
	modules, err := fs.ReadDir(root, "sys/module")
	if err != nil {
		return nil, fmt.Errorf("%w (is /sys mounted?)", err)
	}
	s := &Status{Modules: []Loaded{}, Waiting: []Task{}} // for JSON, where none is []
	for _, m := range modules {
		if !ours.MatchString(m.Name()) {
			continue
		}
		l, err := loaded(root, m.Name())
		if err != nil {
			return nil, err
		}
		s.Modules = append(s.Modules, l)
		s.Protected = s.Protected || l.Enabled && !l.Transition
		if l.Transition { // of one livepatch at a time
			if s.Waiting, err = waiting(root, l.Enabled); err != nil {
				return nil, err
			}
		}
	}
	s.Others, err = others(root)
	return s, err
}

const livepatches = "sys/kernel/livepatch"

// loaded reads what is said of one module. Its directory is there as long as the livepatch is enabled, or in its transition; it may
// go while this reads.
func loaded(root fs.FS, name string) (l Loaded, err error) {
	enabled, err := read(root, path.Join(livepatches, name, "enabled"))
	if err != nil {
		return l, err
	}
	transition, err := read(root, path.Join(livepatches, name, "transition"))
	return Loaded{Name: name, Enabled: enabled == "1" && transition != "", Transition: transition == "1"}, err
}

// ours are the names of our modules, of every revision.
var ours = regexp.MustCompile(`^` + prefix + `(_[0-9]+)?$`)

// others are the enabled livepatches that are not ours.
func others(root fs.FS) ([]string, error) {
	names := []string{}
	patches, err := fs.ReadDir(root, livepatches)
	if errors.Is(err, fs.ErrNotExist) {
		return names, nil // a kernel without livepatches, or none was ever loaded
	}
	for _, p := range patches {
		enabled, err := read(root, path.Join(livepatches, p.Name(), "enabled"))
		if err != nil {
			return nil, err
		}
		if enabled == "1" && !ours.MatchString(p.Name()) {
			names = append(names, p.Name())
		}
	}
	return names, err
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
	tasks := []Task{}
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
