// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ovzpatch/internal/plainfile"
)

// ErrNoModule means that a kernel has the module neither as a file nor built in.
var ErrNoModule = errors.New("this kernel has no such module, neither as a file nor built in")

// SelectModules finds the named modules, and all they depend on, in a kernel's module tree
// (/lib/modules/RELEASE). It returns their paths in the tree, in load order. A module that is
// built into the kernel needs no file and is left out.
func SelectModules(tree fs.FS, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	b, err := plainfile.ReadFS(tree, "modules.dep")
	if err != nil {
		return nil, fmt.Errorf("select modules (depmod makes the list): %w", err)
	}
	deps, byName, err := parseDep(b)
	if err != nil {
		return nil, fmt.Errorf("select modules: %w", err)
	}
	builtin, err := readBuiltin(tree)
	if err != nil {
		return nil, fmt.Errorf("select modules: %w", err)
	}
	var order []string
	seen := map[string]bool{}
	var visit func(file string)
	visit = func(file string) {
		if seen[file] {
			return
		}
		seen[file] = true
		for _, d := range deps[file] {
			visit(d)
		}
		order = append(order, file)
	}
	for _, name := range names {
		switch file, ok := byName[moduleName(name)]; {
		case ok:
			visit(file)
		case !builtin[moduleName(name)]:
			return nil, fmt.Errorf("select modules: %s: %w", name, ErrNoModule)
		}
	}
	return order, nil
}

// parseDep reads modules.dep: a module's file, a colon, the files it needs.
func parseDep(b []byte) (deps map[string][]string, byName map[string]string, err error) {
	deps, byName = map[string][]string{}, map[string]string{}
	// Old versions of depmod break long lines.
	b = bytes.ReplaceAll(b, []byte("\\\n"), []byte(" "))
	for i, line := range bytes.Split(b, []byte{'\n'}) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		file, needs, ok := strings.Cut(text, ":")
		if !ok {
			return nil, nil, fmt.Errorf("modules.dep, line %d: no colon", i+1)
		}
		if file, err = inTree(file); err != nil {
			return nil, nil, fmt.Errorf("modules.dep, line %d: %w", i+1, err)
		}
		deps[file] = nil
		byName[moduleName(file)] = file
		for n := range strings.FieldsSeq(needs) {
			if n, err = inTree(n); err != nil {
				return nil, nil, fmt.Errorf("modules.dep, line %d: %w", i+1, err)
			}
			deps[file] = append(deps[file], n)
		}
	}
	return deps, byName, nil
}

// inTree makes a path relative to the module tree. Up to 2.6.2x paths were absolute.
func inTree(p string) (string, error) {
	if rest, ok := strings.CutPrefix(p, "/lib/modules/"); ok {
		_, p, _ = strings.Cut(rest, "/")
	}
	if !fs.ValidPath(p) || p == "." {
		return "", fmt.Errorf("%q is not a path in the module tree", p)
	}
	return p, nil
}

// readBuiltin reads which modules are part of the kernel; kernels before 2.6.33 do not say.
func readBuiltin(tree fs.FS) (map[string]bool, error) {
	b, err := plainfile.ReadFS(tree, "modules.builtin")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	builtin := map[string]bool{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		builtin[moduleName(s.Text())] = true
	}
	return builtin, nil
}

// moduleName is a module's name as lsmod shows it.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(strings.TrimSpace(file)), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
