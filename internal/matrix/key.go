// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/build"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/trial"
)

// howOnly are options that do not change a cell's result, only how it is reached.
var howOnly = []string{"jobs", "nice", "launcher", "build-timeout", "boot-timeout"}

// Digest computes the keys of all cells.
func (m *Matrix) Digest(ctx context.Context) error {
	for _, c := range m.Cells {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		key := cache.NewKey("cell").Add("variant", c.Variant).Add("target", c.Target).Add("flavour", c.Flavour)
		for _, flag := range slices.Sorted(maps.Keys(c.options)) {
			if slices.Contains(howOnly, flag) {
				continue
			}
			values, err := flagValues(c.options[flag])
			if err != nil {
				return err
			}
			for _, v := range values {
				if slices.Contains(fileOptions, flag) {
					if v, err = m.digests.of(v); err != nil {
						return fmt.Errorf("read the file of --%s: %w", flag, err)
					}
				}
				key.Add("--"+flag, v)
			}
		}
		if err := m.addToolchain(ctx, key, c); err != nil {
			return fmt.Errorf("cell %s: %w", c.Name, err)
		}
		source, err := c.sha256, error(nil)
		if source == "" {
			source, err = m.digests.of(c.Source)
		}
		if err != nil {
			return fmt.Errorf("read source of %s: %w", c.Name, err)
		}
		key.Add("source", source)
		for _, file := range m.files {
			digest, err := m.digests.of(file)
			if err != nil {
				return fmt.Errorf("read this program: %w", err)
			}
			key.Add(filepath.Base(file), digest)
		}
		c.Key = key.String()
	}
	return nil
}

// addToolchain adds the versions of the programs that compile a cell: those of its root make the kernel, this
// machine's make the probe. A kernel that another compiler made is another kernel.
func (m *Matrix) addToolchain(ctx context.Context, key *cache.Key, c *Cell) error {
	if compiles, err := flagValues(c.options["compile"]); c.Variant == Check && (err != nil || compiles[0] != "true") {
		return nil
	}
	roots := []rpmbuild.Root{{}}
	if value, ok := c.options["root"]; ok {
		values, err := flagValues(value)
		if err != nil {
			return err
		}
		root, err := rpmbuild.ParseRoot(values[len(values)-1])
		if err != nil {
			return err
		}
		if root.Mock != "" {
			text, err := build.MockConfiguration(root.Mock)
			if err != nil {
				return err
			}
			key.Add("mock", string(text))
		}
		roots = append(roots, root)
	}
	for _, root := range roots {
		programs, ok := m.toolchains[root]
		if !ok {
			programs = build.Toolchain(ctx, root)
			m.toolchains[root] = programs
		}
		for _, name := range slices.Sorted(maps.Keys(programs)) {
			key.Add(name, programs[name])
		}
	}
	return nil
}

// programFiles are this program, and the programs of its guests.
func programFiles(program, home string) []string {
	files := []string{program}
	for _, arch := range []string{"x86_64", "i386"} {
		p, err := trial.FindPrograms(home, arch)
		if err != nil {
			continue // a check needs none, and a cell that boots reports what is missing
		}
		for _, f := range p.Files() {
			if _, err := os.Stat(f); err == nil {
				files = append(files, f)
			}
		}
	}
	return files
}

// digests remembers the digests of files. A file is read again only if it has changed.
type digests struct {
	path  string
	Files map[string]known `json:"files"`
	fresh bool             // known has changed since it was read
}

// known is the state of a file when it was read.
type known struct {
	Size    int64  `json:"size"`
	Inode   uint64 `json:"inode"`
	Written int64  `json:"written"` // ns
	Changed int64  `json:"changed"` // ns
	SHA256  string `json:"sha256"`
}

func (w *Work) digests() *digests {
	d := &digests{path: filepath.Join(w.Dir, "digests.json")}
	// If the file is missing or broken, everything is read again.
	if data, err := os.ReadFile(d.path); err == nil {
		json.Unmarshal(data, d)
	}
	if d.Files == nil {
		d.Files = map[string]known{}
	}
	return d
}

// keep writes the digests to the results' directory, if there is one.
func (d *digests) keep() error {
	if _, err := os.Stat(filepath.Dir(d.path)); err != nil || !d.fresh {
		return nil
	}
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	d.fresh = false
	return atomicfile.WriteBytes(d.path, data)
}

// of returns the digest of a file. Of a tree it is that of its files' names, sizes and times.
func (d *digests) of(path string) (string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if st.IsDir() {
		return treeDigest(path)
	}
	now := known{Size: st.Size(), Written: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		now.Inode, now.Changed = sys.Ino, sys.Ctim.Nano()
	}
	before := d.Files[path]
	now.SHA256 = before.SHA256
	if now == before && now.SHA256 != "" {
		return now.SHA256, nil
	}
	if now.SHA256, err = (*cache.Digests)(nil).Of(path); err != nil {
		return "", err
	}
	d.Files[path], d.fresh = now, true
	return now.SHA256, nil
}

func treeDigest(dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == ".git" {
			return fs.SkipDir
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		written := st.ModTime().UnixNano()
		if e.IsDir() {
			written = 0 // editors that write beside a file change the directory's time
		}
		_, err = fmt.Fprintf(h, "%q %v %d %d\n", rel, st.Mode(), st.Size(), written)
		return err
	})
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(h, "end")
	return hex.EncodeToString(h.Sum(nil)), err
}
