// SPDX-License-Identifier: Apache-2.0

package runlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A store's locks are filed under its UUID. A copy of a whole store has the same UUID, and
// must have other locks: else one could not be copied into the other. So it is written
// down, until the next reboot empties the place, which directory has which key: in
// stores/DEV:INO the key, and in stores/KEY who was first to have it. They are symbolic
// links to nowhere, for these are made whole or not at all and by one program only.

// StoreDir is the directory of a store.
type StoreDir struct {
	Path     string
	Dev, Ino uint64
}

func (d StoreDir) id() string { return fmt.Sprintf("%x:%d", d.Dev, d.Ino) }

// StoreKey returns what the locks of the store in dir are filed under, the same for all
// until the next reboot: uuid, or other when that is the key of another store. isOther tells
// whether the directory at path, when it has the given Dev and Ino, is another store of that uuid.
func (p Place) StoreKey(dir StoreDir, uuid, other string, isOther func(StoreDir) bool) (string, error) {
	stores := filepath.Join(p.base(), "stores")
	if err := makeDir(stores); err != nil {
		return "", fmt.Errorf("%w: make %s: %w", ErrPlace, stores, err)
	}
	mine := filepath.Join(stores, dir.id())
	if key, err := os.Readlink(mine); err == nil {
		return key, nil
	}
	first, err := claim(filepath.Join(stores, uuid), dir.id()+" "+dir.Path)
	if err != nil {
		return "", err
	}
	key := uuid
	if id, path, _ := strings.Cut(first, " "); id != dir.id() {
		d := StoreDir{Path: path}
		if _, err := fmt.Sscanf(id, "%x:%d", &d.Dev, &d.Ino); err == nil && isOther(d) {
			key = other
		}
	}
	return claim(mine, key)
}

// KnownKey is StoreKey for who only looks: "" when nobody has locked anything yet.
func (p Place) KnownKey(dir StoreDir) string {
	key, _ := os.Readlink(filepath.Join(p.base(), "stores", dir.id()))
	return key
}

// claim writes a text down at path and returns what is written there, which is an
// earlier program's when that was quicker.
func claim(path, text string) (string, error) {
	err := os.Symlink(text, path)
	if err == nil {
		return text, nil
	}
	if !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("%w: %w", ErrPlace, err)
	}
	return os.Readlink(path)
}
