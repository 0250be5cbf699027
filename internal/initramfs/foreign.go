// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// ForeignModule is a module that did not come with the kernel that loads it.
type ForeignModule struct {
	Name    string // as lsmod shows it
	File    string // where it is, for the caller
	Release string // release of the kernel it was built for
	Depends []string
	// Livepatch tells that it may change the kernel's functions.
	Livepatch bool
}

// validName is what a module may be named: the kernel's build makes an underscore of a hyphen, and
// the kernel has 55 bytes for it.
var validName = regexp.MustCompile(`^[0-9A-Za-z_+.,]{1,55}$`)

// ReadModule reads what a module says about itself; image is an uncompressed .ko file.
func ReadModule(file string, image []byte) (ForeignModule, error) {
	m := ForeignModule{Name: moduleName(file), File: file}
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return m, fmt.Errorf("read module %s: %w", file, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return m, fmt.Errorf("read module %s: it is not a kernel module: it has no .modinfo section", file)
	}
	info, err := section.Data()
	if err != nil {
		return m, fmt.Errorf("read module %s: %w", file, err)
	}
	for word := range bytes.SplitSeq(info, []byte{0}) {
		switch key, value, _ := strings.Cut(string(word), "="); key {
		case "name": // since Linux 4.12; before, only the file's name says it
			if !validName.MatchString(value) {
				return m, fmt.Errorf("read module %s: it says that its name is %q, which no module has", file, value)
			}
			m.Name = value
		case "livepatch":
			m.Livepatch = true // whatever the value is: so does the kernel
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

// ForeignOrder says what to load so that foreign modules work.
type ForeignOrder struct {
	Own     []string        // the kernel's own, as SelectModules returns them; they come first
	Foreign []ForeignModule // in load order
	Left    []error         // why a module is left out: something that it needs is missing
}

// OrderForeign puts modules in load order. What they need beyond each other comes from the
// kernel's own tree. A module whose needs cannot be met is left out, and so are those that need
// it. A module that the kernel itself has is left out silently.
func OrderForeign(tree fs.FS, release string, modules []ForeignModule) (*ForeignOrder, error) {
	byName := map[string]ForeignModule{}
	for _, m := range modules {
		if m.Release != release {
			return nil, fmt.Errorf("order modules: %s was built for kernel %s, not for %s: modules fit the one kernel they were built for", m.File, m.Release, release)
		}
		if other, twice := byName[m.Name]; twice {
			return nil, fmt.Errorf("order modules: %s exists twice: %s and %s", m.Name, other.File, m.File)
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
		done[m.Name] = nil // a cycle ends here; the kernel's build makes none
		var own []string
		for _, need := range m.Depends {
			var err error
			if n, ok := byName[need]; ok {
				if visit(n) != nil {
					err = fmt.Errorf("%s is left out with %s", m.Name, need)
				}
			} else {
				var files []string
				if files, err = SelectModules(tree, []string{need}); err != nil {
					err = fmt.Errorf("%s is left out, because it needs %s: %w", m.Name, need, err)
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
