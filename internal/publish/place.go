// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/job"
)

// checkTarget tells before any work what forbids to publish into a directory, and changes nothing.
func checkTarget(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if strings.ContainsFunc(dir, unicode.IsControl) {
		return "", job.BadRequest(fmt.Errorf("the directory %q has a line break or another control character in its path; name one without", dir))
	}
	if err := checkWay(dir, true, 0); err != nil {
		return "", err
	}
	if err := writable(dir); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == markFile }) {
		return "", job.BadRequest(errors.New("the directory is not empty and no repository of ovzpatch (it has no " + markFile + "); name an empty or a new one"))
	}
	return dir, nil
}

// address is what looks like one of a place elsewhere.
var address = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)

// checkPlace refuses what is not the name of a directory of this machine.
func checkPlace(to string) error {
	scheme := address.FindStringSubmatch(to)
	switch {
	case to == "":
		return job.BadRequest(errors.New("no directory given: name with --to the directory that your web server exports"))
	case strings.ContainsFunc(to, unicode.IsControl):
		return job.BadRequest(fmt.Errorf("--to=%q: there is a line break or another control character in it; name one without", to))
	case scheme == nil:
		return nil
	case scheme[1] == "file":
		return job.BadRequest(fmt.Errorf("--to=%s: it must be a directory: name it without file://", to))
	}
	return job.BadRequest(fmt.Errorf("--to=%s: it must be a directory of this machine: publish into one, and copy that to the server, generations/ before the link %s", to, currentLink))
}

// apart refuses a repository within the datastore, and a datastore within the repository: a web server would export what is
// no repository.
func apart(to, store string) error {
	if within(to, store) {
		return job.BadRequest(fmt.Errorf("the directory is within the datastore %s; name one outside of it", store))
	}
	if within(store, to) {
		return job.BadRequest(fmt.Errorf("the datastore %s is within the directory, which a web server exports; name one that has nothing else in it", store))
	}
	return nil
}

// keysApart refuses a repository with gpg's keys in it.
func (o *Options) keysApart(dir string) error {
	home := cmp.Or(o.GPGHome, o.OwnGPGHome)
	if home != "" && within(home, dir) {
		return job.BadRequest(fmt.Errorf("gpg's keys, %s, are within the directory, which a web server exports: move them out of it", home))
	}
	return nil
}

// within tells whether a path, or what of it is there, leads to a directory or below that.
func within(path, dir string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return false // nothing is in what is not there
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	for ; ; path = filepath.Dir(path) {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			inside, err := filepath.Rel(dir, real)
			return err == nil && filepath.IsLocal(inside)
		}
		if path == filepath.Dir(path) {
			return false
		}
	}
}

// maxLinks is how many links in a row the kernel follows.
const maxLinks = 40

// checkWay looks at a directory and all above it, as far as they are there, and at what links among them lead to: who can move one
// of them away publishes.
func checkWay(dir string, last bool, links int) error {
	if links > maxLinks {
		return job.BadRequest(fmt.Errorf("%s: links lead to each other; name a directory", dir))
	}
	for d := dir; ; d = filepath.Dir(d) {
		if err := checkOwn(d, last && d == dir); err != nil {
			return err
		}
		if to, err := os.Readlink(d); err == nil {
			if !filepath.IsAbs(to) {
				// A link above it changes what .. is.
				above, err := filepath.EvalSymlinks(filepath.Dir(d))
				if err != nil {
					return fmt.Errorf("look at %s: %w; name another directory", d, err)
				}
				to = filepath.Join(above, to)
			}
			if err := checkWay(to, last && d == dir, links+1); err != nil {
				return err
			}
			if _, err := os.Stat(d); errors.Is(err, fs.ErrNotExist) {
				return job.BadRequest(fmt.Errorf("%s is a link to %s, which is not there: make that directory, or name another", d, to))
			}
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

// writable tells what forbids to write to a directory, or to the nearest one above it that is there.
func writable(dir string) error {
	d := dir
	for ; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil {
			break
		}
	}
	err := unix.Faccessat(unix.AT_FDCWD, d, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	var x unix.Statx_t
	fixed := unix.Statx(unix.AT_FDCWD, d, 0, 0, &x) == nil && x.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0
	switch {
	case errors.Is(err, unix.EROFS):
		return job.BadRequest(fmt.Errorf("%s is on a filesystem that is mounted read-only: mount it to be written to (mount -o remount,rw), or name another directory", d))
	case err != nil:
		return job.BadRequest(fmt.Errorf("uid %d cannot write to %s (%w): publish as its owner, or name another directory", os.Geteuid(), d, err))
	case fixed:
		return job.BadRequest(fmt.Errorf("%s cannot be changed, as its attributes say (lsattr -d): take them away (chattr -ia %[1]s), or name another directory", d))
	}
	return nil
}

// checkOwn refuses a directory that others could change. One that is not there yet is fine.
func checkOwn(dir string, last bool) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return job.BadRequest(fmt.Errorf("the link %s belongs to uid %d, who could change what is published; name the directory that it leads to", dir, st.Uid))
	}
	err := unix.Stat(dir, &st)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return job.BadRequest(fmt.Errorf("%s cannot exist: what is above it is not a directory; name one below a directory", dir))
	case errors.Is(err, unix.ELOOP):
		return job.BadRequest(fmt.Errorf("%s: links lead to each other; name a directory", dir))
	case errors.Is(err, unix.ENAMETOOLONG):
		return job.BadRequest(fmt.Errorf("the path %.60s... is too long: name a shorter one", dir))
	case errors.Is(err, unix.EACCES):
		return job.BadRequest(fmt.Errorf("uid %d cannot look at %s (%w): publish as its owner, or name another directory", os.Geteuid(), dir, err))
	case err != nil:
		return fmt.Errorf("look at %s: %w; name another directory", dir, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return job.BadRequest(fmt.Errorf("%s is not a directory: name the one that your web server exports", dir))
	case last && int(st.Uid) != os.Geteuid(), st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return job.BadRequest(fmt.Errorf("%s belongs to uid %d, who could change what is published; publish as that user, or take a directory of uid %d", dir, st.Uid, os.Geteuid()))
	case st.Mode&0o022 != 0 && (last || st.Mode&unix.S_ISVTX == 0):
		return job.BadRequest(fmt.Errorf("others can write to %s (mode %04o), so they could change what is published; take that right from them: chmod go-w %[1]s", dir, st.Mode&0o7777))
	}
	return nil
}
