// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/job"
	"ovzpatch/internal/runlock"
)

// lockPoll is how often a publisher looks whether another has ended.
const lockPoll = 100 * time.Millisecond

type mark struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Last    int    `json:"last_generation,omitempty"` // the highest number that was used
}

// lock locks the mark, which is made where it is missing.
func (t *target) lock(ctx context.Context, u job.Reporter) error {
	path := filepath.Join(t.dir, markFile)
	for said := false; ; {
		if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
			return job.BadRequest(fmt.Errorf("%s is no plain file, so somebody changed it: put an empty file in its place", path))
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
		if err != nil {
			return err
		}
		for {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
			if !errors.Is(err, unix.EWOULDBLOCK) {
				break
			}
			if !said {
				var who []string
				for _, h := range runlock.HoldersOf(int(f.Fd())) {
					who = append(who, h.String())
				}
				u.Say("another publish works on %s; waiting for it to end: %s", t.dir, strings.Join(who, ", "))
				said = true
			}
			select {
			case <-ctx.Done():
				f.Close()
				return context.Cause(ctx)
			case <-time.After(lockPoll):
			}
		}
		if err != nil {
			f.Close()
			return fmt.Errorf("lock %s: %w", path, err)
		}
		// A first publish that failed takes its mark away again.
		here, err := f.Stat()
		if there, e := os.Lstat(path); err == nil && e == nil && os.SameFile(here, there) {
			t.mark = f
			return t.readMark(here.Size())
		}
		f.Close()
	}
}

// readMark reads the mark, or writes it where it is new.
func (t *target) readMark(size int64) error {
	if size == 0 {
		return t.writeMark(0)
	}
	b := make([]byte, min(size, 4096))
	if _, err := t.mark.ReadAt(b, 0); err != nil {
		return err
	}
	var m mark
	if err := json.Unmarshal(b, &m); err != nil || m.Format != markFormat {
		return fmt.Errorf("read %s: it does not describe a repository of ovzpatch; if the directory is one, and only this file is damaged, remove the file's content", filepath.Join(t.dir, markFile))
	}
	if m.Version > markVersion {
		return fmt.Errorf("its format is version %d, and this program knows up to %d; use the newer ovzpatch that made it", m.Version, markVersion)
	}
	t.next = m.Last + 1
	return nil
}

// writeMark writes the mark, with the number of the newest generation. It is written in place, as publishers lock this
// very file.
func (t *target) writeMark(last int) error {
	b, err := json.Marshal(mark{markFormat, markVersion, last})
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if _, err := t.mark.WriteAt(b, 0); err != nil {
		return err
	}
	if err := t.mark.Truncate(int64(len(b))); err != nil {
		return err
	}
	return t.mark.Sync()
}
