// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/tool"
)

// Tools are what this machine needs for a build: with a root directory of its own the compiler
// is elsewhere.
func Tools(root rpmbuild.Root) []tool.Tool {
	switch {
	case root.Mock != "":
		return append(slices.Clone(tool.Source), tool.Mock)
	case root.Chroot != "":
		return append(slices.Clone(tool.Source), tool.Tool{Name: "chroot", Apt: "coreutils", Dnf: "coreutils"})
	}
	return tool.Build
}

// compiled is where compiled objects are kept. Those of a chroot lie in it: rpmbuild sees
// nothing else there, and they know their own paths.
func (b *builder) compiled() cache.Cache {
	if b.Root.Chroot != "" {
		return cache.Cache{Dir: filepath.Join(b.Root.Chroot, "var/cache/ovzpatch")}
	}
	return b.o.Cache
}

// compiler says which compiler a kernel is built with, and with --root where: for mock,
// which installs the compiler only when it builds, that is its configuration.
func (b *builder) compiler(ctx context.Context) (string, error) {
	if b.Root.Mock != "" {
		text, err := MockConfiguration(b.Root.Mock)
		if err != nil {
			return "", err
		}
		// What mock reads of everybody's and of the user's own, where there is such.
		for _, file := range mockSettings(b.o.Home) {
			more, err := plainfile.Read(file)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("read mock's configuration: %w", err)
			}
			text = append(text, more...)
		}
		return "mock " + b.Root.Mock + "\n" + string(text), nil
	}
	if err := b.Root.Check(ctx); err != nil {
		return "", err
	}
	version, err := command.Ask(ctx, b.Root.Args("gcc", "--version")...)
	if err != nil {
		return "", err
	}
	return b.Root.Chroot + string(version), nil
}

// MockConfiguration is the text of a configuration of mock, which has a name or is a file.
func MockConfiguration(config string) ([]byte, error) {
	text, err := plainfile.Read(config)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = plainfile.Read(filepath.Join("/etc/mock", config+".cfg"))
	}
	if err != nil {
		return nil, fmt.Errorf("read mock's configuration %s: %w", config, err)
	}
	return text, nil
}

// mockSettings are the files that mock reads besides the configuration it is given; home is
// the user's directory, "" where that is not known.
func mockSettings(home string) []string {
	files := []string{"/etc/mock/site-defaults.cfg"}
	if home == "" {
		return files
	}
	return append(files, filepath.Join(home, ".mock/user.cfg"), filepath.Join(home, ".config/mock.cfg"))
}
