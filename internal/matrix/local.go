// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/job"
)

// Local does cells on this machine.
type Local struct {
	Attempt
	Jobs int // cells at a time
	// Memory returns the free memory of this machine in bytes.
	Memory func() (int64, error)
}

// errNoRoom says that this machine lacks memory or disk for a cell.
var errNoRoom = errors.New("no room")

// check finds out whether each cell, alone, has room here.
func (l *Local) check(cells []*Cell) error {
	for _, c := range cells {
		if err := l.room(c, nil); err != nil {
			return job.BadRequest(fmt.Errorf("cell %s: %w; free some, or lower it in [limits]", c.Name, err))
		}
	}
	return nil
}

// room finds out whether there is memory and disk for a cell beside those that run. A cell that has just
// begun has not taken its share yet, so its limits count instead.
func (l *Local) room(c *Cell, running map[*Cell]time.Time) error {
	memory, disk := c.Limits.Memory, c.Limits.Disk
	for other, since := range running {
		if time.Since(since) < time.Minute {
			memory += other.Limits.Memory
			disk += other.Limits.Disk
		}
	}
	if memory > 0 {
		free, err := l.Memory()
		if err != nil {
			return err
		}
		if free < int64(memory) {
			return fmt.Errorf("%w: %s of memory are free, and it may take %s", errNoRoom, cache.Size(free), cache.Size(int64(memory)))
		}
	}
	if disk > 0 {
		temp := l.Temp
		if temp == "" {
			temp = os.TempDir()
		}
		for _, dir := range []string{temp, l.CacheDir} {
			var st unix.Statfs_t
			if err := unix.Statfs(dir, &st); err != nil {
				return fmt.Errorf("look for room in %s: %w", dir, err)
			}
			if free := int64(st.Bavail) * st.Bsize; free < int64(disk) {
				return fmt.Errorf("%w: %s has %s left, and it may take %s", errNoRoom, dir, cache.Size(free), cache.Size(int64(disk)))
			}
		}
	}
	return nil
}

// FreeMemory returns how many bytes the kernel can give without swapping, by its own estimate.
func FreeMemory() (int64, error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.New("read free memory: /proc/meminfo has no MemAvailable")
}

// ended is a cell that has ended; err says why it has no result.
type ended struct {
	cell *Cell
	err  error
}

// Run does the cells and calls each when one has ended. If each fails or ctx ends, it returns early.
func (l *Local) Run(ctx context.Context, w *Work, p *progress, each func(*Cell, error) error) error {
	if err := l.check(p.cells); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	// No cell may go on when this returns.
	defer all.Wait()
	defer cancel(nil)
	waiting, running, ends := slices.Clone(p.cells), map[*Cell]time.Time{}, make(chan ended, len(p.cells))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer p.report.Done()
	for len(waiting)+len(running) > 0 {
		for len(waiting) > 0 && len(running) < l.Jobs && ctx.Err() == nil {
			i := next(waiting, running)
			c := waiting[i]
			if err := l.room(c, running); errors.Is(err, errNoRoom) && len(running) > 0 {
				p.wait(c, err.Error())
				break // until one has ended
			} else if err != nil {
				waiting = slices.Delete(waiting, i, i+1)
				ends <- ended{c, err}
				running[c] = time.Now()
				continue
			}
			waiting = slices.Delete(waiting, i, i+1)
			running[c] = time.Now()
			p.begin(c, filepath.Join(w.attempt(c, l.Attempt), "log"), "")
			all.Go(func() { ends <- ended{c, w.Try(ctx, c, l.Attempt)} })
		}
		p.tell()
		select {
		case e := <-ends:
			delete(running, e.cell)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := each(e.cell, e.err); err != nil {
				cancel(err)
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// next returns the index of the cell to begin: the first one whose tree no other cell uses, because it would
// only wait for that one. If there is none, it is the first of all.
func next(waiting []*Cell, running map[*Cell]time.Time) int {
	busy := map[string]bool{}
	for c := range running {
		busy[c.shares()] = true
	}
	return max(0, slices.IndexFunc(waiting, func(c *Cell) bool { return c.shares() == "" || !busy[c.shares()] }))
}
