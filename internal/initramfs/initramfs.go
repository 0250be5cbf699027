// SPDX-License-Identifier: Apache-2.0

// Package initramfs builds the guest's root: u-root's commands, umounttest as /init, and the
// kernel modules under test, in an uncompressed newc archive that every kernel reads. The same
// inputs produce the same bytes.
package initramfs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/cache"
)

// ModulesList is the file in the guest that names the modules that umounttest loads: one absolute
// path per line, in load order.
const ModulesList = "/etc/umounttest/modules"

// Image says what goes in. Later fields replace what Base holds at the same path.
type Image struct {
	Base    string             // u-root's commands: a newc archive without an init
	Init    string             // program that becomes /init
	Modules map[string]Content // by absolute path in the guest
	Load    []string           // paths of Modules, in load order
	Files   map[string]Content // by absolute path in the guest
}

// Content is a file's bytes: those of the file Path, or Data if Path is "".
type Content struct {
	Path       string
	Data       []byte
	Executable bool
}

// Archive is a finished initramfs. It is in the cache: copy it, never change it.
type Archive struct {
	Path string
	Size int64 // bytes
}

// layout must change whenever the same inputs produce different bytes.
const layout = "1"

// Build returns the archive for im, from c if it was built before.
func Build(c cache.Cache, im Image) (Archive, error) {
	const kind, file = "initramfs", "initramfs.cpio"
	key, err := im.key(kind)
	if err != nil {
		return Archive{}, fmt.Errorf("build initramfs: %w", err)
	}
	dir, ok := c.Get(kind, key)
	if !ok {
		dir, err = c.Put(kind, key, func(dir string) error {
			return im.write(filepath.Join(dir, file))
		})
		if err != nil {
			return Archive{}, fmt.Errorf("build initramfs: %w", err)
		}
	}
	a := Archive{Path: filepath.Join(dir, file)}
	st, err := os.Stat(a.Path)
	if err != nil {
		return Archive{}, fmt.Errorf("find initramfs in the cache: %w", err)
	}
	a.Size = st.Size()
	return a, nil
}

// key returns a digest of all of im's inputs.
func (im Image) key(kind string) (string, error) {
	k := cache.NewKey(kind).Add("layout", layout)
	for _, p := range []string{im.Base, im.Init} {
		if err := k.AddFile("input", p); err != nil {
			return "", err
		}
	}
	k.Add("load", strings.Join(im.Load, "\n"))
	for _, files := range []map[string]Content{im.Modules, im.Files} {
		k.Add("files", strconv.Itoa(len(files)))
		for _, name := range slices.Sorted(maps.Keys(files)) {
			content := files[name]
			k.Add("path", name).Add("executable", strconv.FormatBool(content.Executable))
			if content.Path == "" {
				k.Add("data", string(content.Data))
			} else if err := k.AddFile("data", content.Path); err != nil {
				return "", err
			}
		}
	}
	return k.String(), nil
}

func (im Image) write(name string) (err error) {
	var t tree
	defer t.close()
	if err := t.addBase(im.Base); err != nil {
		return err
	}
	t.addSkeleton()
	if err := t.addContent("/init", Content{Path: im.Init, Executable: true}); err != nil {
		return err
	}
	if err := im.checkLoad(); err != nil {
		return err
	}
	list := strings.Join(im.Load, "\n")
	if list != "" {
		list += "\n"
	}
	if err := t.addContent(ModulesList, Content{Data: []byte(list)}); err != nil {
		return err
	}
	for _, files := range []map[string]Content{im.Modules, im.Files} {
		for p, content := range files {
			if err := t.addContent(p, content); err != nil {
				return err
			}
		}
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	return t.write(f)
}

// checkLoad refuses a load order that would fail in the guest.
func (im Image) checkLoad() error {
	for _, p := range im.Load {
		if _, ok := im.Modules[p]; !ok {
			return fmt.Errorf("load module %s: it is not among the modules of the image", p)
		}
	}
	return nil
}
