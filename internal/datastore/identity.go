// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"ovzpatch/internal/runlock"
)

// A store's locks are filed under its UUID. Stores of version 1 have none, and theirs are
// filed under the name, which other stores may have as well. Such a store gets one when it
// is first written to. Programs that opened it before, of an older release too, lock
// under the name still. So until the next reboot, which ends all of them, both are locked.

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// errOthers tells that a store is another user's, so that its locks cannot be taken.
var errOthers = errors.New("another user's datastore")

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return formatUUID(b, 4)
}

func formatUUID(b [16]byte, version byte) string {
	b[6], b[8] = b[6]&0x0f|version<<4, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// copyUUID is the one that a copy of a store gets: the same for all who find it.
func copyUUID(uuid string, st *unix.Stat_t) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %x:%d", uuid, st.Dev, st.Ino))
	return formatUUID([16]byte(sum[:16]), 8)
}

// bootID is this boot's, "" where the kernel does not tell.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(b))
}

// readFormat reads what kind of store it is.
func (s *Store) readFormat() (format, error) {
	var f format
	file, err := s.open(formatFile)
	if err != nil {
		return f, err
	}
	defer file.Close()
	b := make([]byte, 64<<10)
	n, err := file.Read(b)
	if err != nil && n > 0 {
		return f, err
	}
	return parseFormat(b[:n])
}

func (s *Store) writeFormat(f format) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.replaceFile(formatFile+".new", formatFile, append(b, '\n'))
}

// migrate makes a store of an older version one of today's, where that can be done: a store that
// is full or cannot be written to goes on as it is.
func (s *Store) migrate() {
	f, err := s.readFormat()
	if err != nil || f.Version == Version || s.checkOwner() != nil {
		return
	}
	if f.Version == 1 {
		boot := bootID()
		if boot == "" {
			return // nobody could tell until when both must be locked
		}
		f.UUID, f.ByName = newUUID(), boot
	}
	f.Version = Version
	s.writeFormat(f)
}

// keys returns what the store's locks are filed under.
func (s *Store) keys() ([]string, error) {
	if err := s.checkOwner(); err != nil {
		return nil, err
	}
	f, err := s.readFormat()
	if err != nil {
		return nil, err
	}
	if f.Version == 1 {
		return []string{f.Name}, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(s.root.Fd()), &st); err != nil {
		return nil, err
	}
	dir := runlock.StoreDir{Path: s.dir, Dev: st.Dev, Ino: st.Ino}
	key, err := s.place.StoreKey(dir, f.UUID, copyUUID(f.UUID, &st), s.isOther)
	if err != nil {
		return nil, err
	}
	keys := []string{key}
	if f.ByName != "" && f.ByName == bootID() {
		keys = append(keys, f.Name)
	}
	if key != f.UUID {
		// The key holds until the reboot whether or not it can be written down.
		f.UUID = key
		s.writeFormat(f)
	}
	return keys, nil
}

// isOther tells whether the directory is another store with this one's UUID, and not this one
// seen through another mount: a copy has the same content, but not the same time of change.
func (s *Store) isOther(d runlock.StoreDir) bool {
	var st, mine, theirs unix.Stat_t
	if unix.Stat(d.Path, &st) != nil || st.Dev != d.Dev || st.Ino != d.Ino {
		return false
	}
	mine, err := s.lstat(formatFile)
	if err != nil || unix.Lstat(filepath.Join(d.Path, formatFile), &theirs) != nil {
		return false
	}
	return mine.Ctim != theirs.Ctim
}

// checkOwner refuses other users' stores: their locks are in another place, so that two
// could hold the same lock.
func (s *Store) checkOwner() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.root.Fd()), &st); err != nil {
		return err
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: it belongs to uid %d, whose locks uid %d cannot take; run ovzpatch as uid %[2]d", errOthers, st.Uid, os.Geteuid())
	}
	return nil
}
