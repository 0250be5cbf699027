// SPDX-License-Identifier: Apache-2.0

// Package cache keeps expensive results by the content of their inputs: finished results, which
// appear whole or not at all, and work directories, which one process at a time may continue. Each
// result has the digests of its files beside them: what the disk or a crash damaged is made anew.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/atomicfile"
)

// Cache is a directory that belongs to ovzpatch.
type Cache struct {
	Dir string
	Say func(format string, args ...any) // tells that something is damaged; nil where nobody is told
}

// Key names a result: it is the digest of all its inputs.
type Key struct{ h hash.Hash }

// NewKey starts the key of one kind of result.
func NewKey(kind string) *Key {
	k := &Key{sha256.New()}
	return k.Add("kind", kind)
}

// Add puts one named value into the key. Length prefixes keep values apart.
func (k *Key) Add(name, value string) *Key {
	fmt.Fprintf(k.h, "%d:%s%d:%s", len(name), name, len(value), value)
	return k
}

// AddFile puts a file's bytes into the key.
func (k *Key) AddFile(name, path string) error {
	digest, err := (*Digests)(nil).Of(path)
	if err != nil {
		return fmt.Errorf("make cache key: %w", err)
	}
	k.Add(name, digest)
	return nil
}

// String is the key as a file name.
func (k *Key) String() string { return hex.EncodeToString(k.h.Sum(nil))[:40] }

// Get returns the directory of a finished result, if there is one. It stays until this process ends. The
// named files, or all where none are named, are as they were written; a damaged result is removed.
func (c Cache) Get(kind, key string, files ...string) (string, bool) {
	dir := filepath.Join(c.Dir, kind, key)
	// Put reports what is wrong with the cache.
	if c.Check() != nil {
		return dir, false
	}
	for range 3 {
		seen, err := os.Lstat(dir)
		if err != nil || seen.IsDir() && !hold(dir) {
			return dir, false
		}
		if err = look(dir, seen, files); err == nil {
			// Its time says when it was last used; a result that cannot be touched is still good.
			now := time.Now()
			os.Chtimes(dir, now, now)
			return dir, true
		}
		// While it was read, another process may have found the same, and made it anew.
		gone, failed := discard(dir, seen)
		if failed == nil && !gone {
			continue
		}
		// One of an earlier release is no damage. Put reports what cannot be removed.
		if c.Say != nil && !errors.Is(err, errNoIndex) {
			c.Say("the cache's copy %s is damaged: it is made anew (%v)", dir, err)
		}
		break
	}
	return dir, false
}

// look returns an error unless what was seen at dir is a result as it was written.
func look(dir string, seen fs.FileInfo, files []string) error {
	if !seen.IsDir() {
		return errors.New("it is not a directory")
	}
	return intact(dir, files)
}

// Put makes a result: fill writes it into a fresh directory, which then gets its name in one
// step. If another process was faster, its result stays.
func (c Cache) Put(kind, key string, fill func(dir string) error) (string, error) {
	parent := filepath.Join(c.Dir, kind)
	if err := c.open(parent); err != nil {
		return "", fmt.Errorf("write cache: %w", err)
	}
	sweep(parent)
	final := filepath.Join(parent, key)
	tmp, err := os.MkdirTemp(parent, unfinished)
	if err != nil {
		return "", fmt.Errorf("write cache: %w", atomicfile.NotMade(err, final))
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		return "", atomicfile.Named(err, tmp, final)
	}
	if err := errors.Join(seal(tmp), syncTree(tmp)); err != nil {
		return "", fmt.Errorf("write cache: %w", atomicfile.Named(err, tmp, final))
	}
	if os.Rename(tmp, final) != nil {
		if _, ok := c.Get(kind, key); ok {
			return final, nil
		}
		// What was there was damaged, and is removed.
		if err := os.Rename(tmp, final); err != nil {
			return "", fmt.Errorf("write cache: %w", atomicfile.NotMade(err, final))
		}
	}
	hold(final)
	return final, atomicfile.Sync(parent)
}

// Ready makes the cache's directory and tells whether results can be put there, before hours are
// spent on one.
func (c Cache) Ready() error {
	if err := c.Check(); err != nil {
		return err
	}
	err := c.open(c.Dir)
	if err == nil {
		err = unix.Access(c.Dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return fmt.Errorf("use cache %s: write to it: %w; name a directory of your own with --cache-dir", c.Dir, err)
	}
	return nil
}

// open makes a directory of the cache if it is missing.
func (c Cache) open(dir string) error {
	if err := c.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// Another process may have put its result there meanwhile.
	return c.Check()
}

// unfinished is the prefix of results that are being made.
const unfinished = ".new-"

// staleAfter is the age at which an unfinished result counts as left by a killed process. Making
// a result only moves files into place; builds happen elsewhere.
const staleAfter = time.Hour

// unusedFor is how long a result stays that nobody asks for.
const unusedFor = 30 * 24 * time.Hour

// sweep removes what killed processes left, and what nobody has used for long.
func sweep(parent string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		limit := unusedFor
		if strings.HasPrefix(e.Name(), unfinished) {
			limit = staleAfter
		}
		if path := filepath.Join(parent, e.Name()); time.Since(info.ModTime()) > limit {
			if limit == staleAfter {
				os.RemoveAll(path)
				continue
			}
			// What cannot be removed now can be later.
			_ = remove(path)
		}
	}
}

// Remove removes a result.
func (c Cache) Remove(kind, key string) error {
	path := filepath.Join(c.Dir, kind, key)
	seen, err := os.Lstat(path)
	if err == nil {
		_, err = discard(path, seen)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Reject removes a result that Get returned and that is no use. What another process has put in its place stays,
// and so does what cannot be removed: it is made anew every time.
func (c Cache) Reject(kind, key string) {
	path := filepath.Join(c.Dir, kind, key)
	if seen := heldAt(path); seen != nil {
		_, _ = discard(path, seen)
	}
}

// syncTree makes a result durable before it gets its name.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() && !d.IsDir() {
			return err
		}
		return atomicfile.Sync(path)
	})
}
