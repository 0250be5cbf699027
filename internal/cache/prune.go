// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Entry is one thing in a cache: a finished result, a work directory, or a file.
type Entry struct {
	Kind string    `json:"kind"`
	Name string    `json:"name"`
	Size int64     `json:"bytes"` // on the disk
	Used time.Time `json:"used"`  // when somebody last asked for it

	dir, work bool
}

// Limits are up to what a cache may grow.
type Limits struct {
	Age  time.Duration // since the last use
	Size int64         // bytes
}

// Standard are the limits that every build keeps to.
var Standard = Limits{Age: unusedFor, Size: 20 << 30}

// unreadable says what to do about what cannot be read. Root reads all but a damaged disk's.
func unreadable(dir string, err error) error {
	return fmt.Errorf("list cache: %w; make %s readable, or remove it", err, dir)
}

// Entries lists a cache, what was used last first. With an error that is not ctx's it is what could be read.
func (c Cache) Entries(ctx context.Context) ([]Entry, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	kinds, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list cache: %w", err)
	}
	list := []Entry{}
	var unread []error
	for _, kind := range kinds {
		if !kind.IsDir() {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(c.Dir, kind.Name()))
		if err != nil {
			unread = append(unread, unreadable(filepath.Join(c.Dir, kind.Name()), err))
			continue
		}
		names := map[string]bool{}
		for _, e := range entries {
			names[e.Name()] = true
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".lock") || strings.HasSuffix(e.Name(), ".running") {
				continue
			}
			one, err := c.entry(ctx, kind.Name(), e, names[e.Name()+".lock"])
			if errors.Is(err, fs.ErrNotExist) {
				continue // somebody removed it meanwhile
			}
			if ctx.Err() != nil {
				return nil, err
			}
			if err != nil {
				unread = append(unread, unreadable(filepath.Join(c.Dir, kind.Name(), e.Name()), err))
			}
			if one.Name != "" {
				list = append(list, one)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return b.Used.Compare(a.Used) })
	return list, errors.Join(unread...)
}

func (c Cache) entry(ctx context.Context, kind string, d os.DirEntry, work bool) (Entry, error) {
	info, err := d.Info()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Kind: kind, Name: d.Name(), Used: info.ModTime(), dir: d.IsDir(), work: work}
	path := filepath.Join(c.Dir, kind, d.Name())
	if lock, err := os.Stat(path + ".lock"); work && err == nil {
		e.Used = lock.ModTime()
	}
	err = filepath.WalkDir(path, func(_ string, d os.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a build goes on there
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			e.Size += st.Blocks * 512
		}
		return nil
	})
	return e, err
}

// Pruned is what Prune did.
type Pruned struct {
	Removed []Entry `json:"removed"`
	Kept    []Entry `json:"in_use"` // beyond the limits, and in use
	Left    int64   `json:"left_bytes"`
}

// Prune removes what was not used for longer than limits.Age, and then what was used longest ago until
// the cache is not larger than limits.Size. It leaves alone what any process uses.
func (c Cache) Prune(ctx context.Context, limits Limits) (Pruned, error) {
	p := Pruned{Removed: []Entry{}, Kept: []Entry{}}
	list, failed := c.Entries(ctx)
	if list == nil {
		return p, failed
	}
	for _, e := range list {
		p.Left += e.Size
	}
	slices.Reverse(list)
	for _, e := range list {
		if ctx.Err() != nil {
			return p, context.Cause(ctx)
		}
		if time.Since(e.Used) <= limits.Age && p.Left <= limits.Size {
			continue
		}
		switch err := c.removeEntry(e); {
		case errors.Is(err, errInUse):
			p.Kept = append(p.Kept, e)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			failed = errors.Join(failed, fmt.Errorf("prune cache: %w; remove it by hand", err))
		default:
			p.Removed = append(p.Removed, e)
			p.Left -= e.Size
		}
	}
	slices.SortStableFunc(p.Removed, func(a, b Entry) int { return cmp.Compare(a.Kind, b.Kind) })
	return p, failed
}

func (c Cache) removeEntry(e Entry) error {
	path := filepath.Join(c.Dir, e.Kind, e.Name)
	switch {
	case e.work:
		return removeWork(path)
	case e.dir && !strings.HasPrefix(e.Name, unfinished):
		return remove(path)
	}
	// What is being made, or a console: its age alone tells whether somebody still writes.
	if time.Since(e.Used) < staleAfter {
		return errInUse
	}
	return os.RemoveAll(path)
}

// Size is a number of bytes for people.
func Size(bytes int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}
