// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ForeignModule is a module that did not come with the kernel it is loaded into.
type ForeignModule struct {
	Name    string // as lsmod shows it
	File    string // where it lies, for the caller
	Release string // of the kernel it was built for
	Depends []string
}

// ReadModule reads what a module says of itself; image is an uncompressed .ko file.
func ReadModule(file string, image []byte) (ForeignModule, error) {
	m := ForeignModule{Name: moduleName(file), File: file}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return m, fmt.Errorf("read module %s: %w", file, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return m, fmt.Errorf("read module %s: it has no .modinfo: it is no kernel module", file)
	}
	info, err := section.Data()
	if err != nil {
		return m, fmt.Errorf("read module %s: %w", file, err)
	}
	for word := range bytes.SplitSeq(info, []byte{0}) {
		switch key, value, _ := strings.Cut(string(word), "="); key {
		case "vermagic":
			m.Release, _, _ = strings.Cut(value, " ")
		case "depends":
			m.Depends = strings.FieldsFunc(strings.ReplaceAll(value, "-", "_"), func(r rune) bool { return r == ',' })
		}
	}
	if m.Release == "" {
		return m, fmt.Errorf("read module %s: it does not say which kernel it was built for", file)
	}
	return m, nil
}

// ForeignOrder is what is loaded so that foreign modules can be.
type ForeignOrder struct {
	Own     []string        // the kernel's own, as SelectModules gives them; they come first
	Foreign []ForeignModule // in load order
	Left    []error         // why a module stays out: what it needs is nowhere
}

// OrderForeign puts modules in load order. What they need and is not among them comes
// from the kernel's own tree. A module whose needs cannot be met stays out, and so do
// those that need it; a module that the kernel itself has stays out without a word.
func OrderForeign(tree fs.FS, release string, modules []ForeignModule) (*ForeignOrder, error) {
	byName := map[string]ForeignModule{}
	for _, m := range modules {
		if m.Release != release {
			return nil, fmt.Errorf("order modules: %s was built for kernel %s, not for %s: modules fit the one kernel they were built for", m.File, m.Release, release)
		}
		if other, twice := byName[m.Name]; twice {
			return nil, fmt.Errorf("order modules: %s is there twice: %s and %s", m.Name, other.File, m.File)
		}
		if _, err := SelectModules(tree, []string{m.Name}); err != nil {
			byName[m.Name] = m
		}
	}
	o := &ForeignOrder{}
	done := map[string]error{}
	var visit func(m ForeignModule) error
	visit = func(m ForeignModule) error {
		if err, seen := done[m.Name]; seen {
			return err
		}
		done[m.Name] = nil // a circle ends here; the kernel makes none
		var own []string
		for _, need := range m.Depends {
			var err error
			if n, ok := byName[need]; ok {
				if visit(n) != nil {
					err = fmt.Errorf("%s stays out with %s", m.Name, need)
				}
			} else {
				var files []string
				if files, err = SelectModules(tree, []string{need}); err != nil {
					err = fmt.Errorf("%s stays out, for it needs %s: %w", m.Name, need, err)
				}
				own = append(own, files...)
			}
			if err != nil {
				done[m.Name] = err
				o.Left = append(o.Left, err)
				return err
			}
		}
		for _, file := range own {
			if !slices.Contains(o.Own, file) {
				o.Own = append(o.Own, file)
			}
		}
		o.Foreign = append(o.Foreign, m)
		return nil
	}
	for _, m := range modules {
		if n, ok := byName[m.Name]; ok {
			visit(n)
		}
	}
	return o, nil
}
