// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/job"
)

// The names in a repository's directory. Clients read below current only, a link to one of the
// generations.
const (
	markFile       = ".ovzpatch-repository" // says what the directory is, and is what publishers lock
	currentLink    = "current"
	generationsDir = "generations"
	newName        = ".new" // the generation that is being made
	newLink        = ".current.new"
)

const (
	markFormat  = "ovzpatch repository"
	markVersion = 1
)

// target is the directory of a repository that this process has locked.
type target struct {
	dir     string
	mark    *os.File
	made    []string // directories that were not there before, the deepest first
	current int      // 0 before the first generation
	next    int      // the number of the one to come: higher than any that was there
	// records are those of the generations up to the current one, the newest first.
	records []*Record
	sums    map[sumOf]string // digests that were taken
}

// openTarget makes the directory where it is missing, waits until no other publisher is at
// work there, and clears away what a killed one left.
func openTarget(ctx context.Context, dir string, u job.Reporter) (t *target, err error) {
	t = &target{dir: dir}
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		t.made = append(t.made, d)
	}
	for _, d := range slices.Backward(t.made) {
		if err := makeOpen(d); err != nil {
			return t, fmt.Errorf("%w; name a directory that you can write to", err)
		}
	}
	if err := t.lock(ctx, u); err != nil {
		return t, err
	}
	return t, t.load()
}

// makeOpen makes a directory that web servers can read, whatever the user's umask is. One that is there
// stays as it is.
func makeOpen(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	return err
}

// load finds the current generation and those before it, and removes what a killed publisher left.
func (t *target) load() (err error) {
	if t.current, err = t.readCurrent(); err != nil {
		return err
	}
	if err := os.Remove(t.path(newLink)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(t.path(generationsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if t.current == 0 && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() > generationName(1) }) {
		return fmt.Errorf("the link %s is missing, and there are generations below %s: make it lead to one of them again (ln -s %s/NNNNNN %[1]s)", t.path(currentLink), t.path(generationsDir), generationsDir)
	}
	t.next = max(t.next, t.current+1)
	for _, e := range slices.Backward(entries) {
		n, bad := strconv.Atoi(e.Name())
		if bad == nil {
			// It may have been current, and clients may know its path from a list of mirrors.
			t.next = max(t.next, n+1)
		}
		switch {
		case e.Name() == newName, bad == nil && n > t.current:
			if err := os.RemoveAll(t.path(generationsDir, e.Name())); err != nil {
				return fmt.Errorf("clear away what a killed publish left: %w", err)
			}
		case bad == nil && generationName(n) == e.Name():
			r, err := readRecord(t.generation(n), n)
			if errors.Is(err, fs.ErrNotExist) {
				err = errNoRecord
			}
			if err != nil {
				// One that was being removed when its publisher was killed.
				if n != t.current && errors.Is(err, errNoRecord) {
					if err := os.RemoveAll(t.generation(n)); err != nil {
						return err
					}
					continue
				}
				if n != t.current {
					return fmt.Errorf("generation %d: %w; clients do not need it: remove %s", n, err, t.generation(n))
				}
				return fmt.Errorf("generation %d, which is current: %w; make an earlier one current, and the next publish takes this one away: ln -sfn %s/NNNNNN %s", n, err, generationsDir, t.path(currentLink))
			}
			t.records = append(t.records, r)
		}
	}
	if t.current > 0 && (len(t.records) == 0 || t.records[0].Number != t.current) {
		return fmt.Errorf("generation %d, which is current, is not there: %s; make an earlier one current, and publish again: ln -sfn %s/NNNNNN %s", t.current, t.generation(t.current), generationsDir, t.path(currentLink))
	}
	return nil
}

// readCurrent returns the number of the current generation, 0 where none is.
func (t *target) readCurrent() (int, error) {
	link, err := os.Readlink(t.path(currentLink))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	dir, name := filepath.Split(link)
	n, err := strconv.Atoi(name)
	if err != nil || dir != generationsDir+"/" || generationName(n) != name {
		return 0, fmt.Errorf("the link %s leads to %q, which is not a generation; did somebody change it? Make it lead to one again: ln -sfn %s/NNNNNN %[1]s", t.path(currentLink), link, generationsDir)
	}
	return n, nil
}

func (t *target) path(parts ...string) string {
	return filepath.Join(append([]string{t.dir}, parts...)...)
}

func generationName(n int) string { return fmt.Sprintf("%06d", n) }

func (t *target) generation(n int) string { return t.path(generationsDir, generationName(n)) }

// latest is the current generation's record, nil before the first.
func (t *target) latest() *Record {
	if t.current == 0 {
		return nil
	}
	return t.records[0]
}

// switchTo makes the new generation the current one. Everything in it is on the disk before the
// link leads there.
func (t *target) switchTo(number int) error {
	if err := t.writeMark(number); err != nil {
		return err
	}
	if err := syncAll(t.dir); err != nil {
		return fmt.Errorf("write the new generation to the disk: %w", err)
	}
	if err := os.Rename(t.path(generationsDir, newName), t.generation(number)); err != nil {
		return err
	}
	if err := atomicfile.Sync(t.path(generationsDir)); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(generationsDir, generationName(number)), t.path(newLink)); err != nil {
		return err
	}
	if err := os.Rename(t.path(newLink), t.path(currentLink)); err != nil {
		return err
	}
	t.current = number
	return atomicfile.Sync(t.dir)
}

// syncAll writes to the disk what the filesystem of a directory still has in memory.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// prune removes all but the newest generations. The record goes first, so that half a generation
// is none.
func (t *target) prune(keep int) error {
	for i, r := range t.records {
		if i < keep {
			continue
		}
		dir := t.generation(r.Number)
		if err := errors.Join(os.Remove(filepath.Join(dir, recordFile)), os.RemoveAll(dir)); err != nil {
			return fmt.Errorf("remove generation %d: %w", r.Number, err)
		}
	}
	return nil
}

// close lets the next publisher in. A directory in which nothing was ever published is taken away
// again.
func (t *target) close() {
	if t.mark == nil {
		for _, d := range t.made {
			os.Remove(d)
		}
		return
	}
	os.RemoveAll(t.path(generationsDir, newName))
	if err := os.Remove(t.path(generationsDir)); t.current == 0 && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		os.Remove(t.path(markFile))
		for _, d := range t.made {
			os.Remove(d)
		}
	}
	t.mark.Close()
}
