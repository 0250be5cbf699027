// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmfile"
)

// contents is what is in one package.
type contents struct {
	File      string `json:"file"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Release   string `json:"release"`
	Arch      string `json:"arch"`
	Bytes     int64  `json:"bytes"`     // of the RPM file
	Installed int64  `json:"installed"` // bytes of all its files
	Files     int    `json:"files"`
	Modules   int    `json:"modules"`
	Kernel    string `json:"kernel"`  // as uname -r says; "" where there is no kernel image in it
	Patched   *bool  `json:"patched"` // null where there is no kernel image, or it can't be read
	Signed    bool   `json:"signed"`  // whether by someone one trusts, --keyring tells
	// What was verified and what was not, in sentences.
	Verified   []string `json:"verified"`
	Unverified []string `json:"unverified"`
}

// lookInto reads a package, all of it: every digest is verified, and with a keyring its
// signatures, too.
func lookInto(ctx context.Context, path, keyring string) (*contents, error) {
	pkg, err := rpmfile.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	c := &contents{File: filepath.Base(path), Name: pkg.Name(), Version: pkg.Version(), Release: pkg.Release(), Arch: pkg.Arch()}
	if pkg.Source {
		c.Arch = "src"
	}
	if st, err := os.Stat(path); err == nil {
		c.Bytes = st.Size()
	}
	image := ""
	for _, f := range pkg.Files {
		if f.Mode.IsRegular() && f.Flags&rpmfile.FileGhost == 0 {
			c.Installed += f.Size
		}
		if !f.Mode.IsDir() {
			c.Files++
		}
		if isModule(f.Name) {
			c.Modules++
		}
		if isImage(f) && f.Mode.IsRegular() && f.Flags&rpmfile.FileGhost == 0 && f.Size > 0 {
			image = f.Name
		}
	}
	report, err := pkg.Verify(ctx, keyring)
	if err != nil {
		return nil, err
	}
	c.Verified, c.Unverified = report.Verified, report.Unverified
	if c.Signed, err = pkg.Signed(); err != nil {
		return nil, err
	}
	if image == "" || pkg.Source {
		return c, nil
	}
	c.Kernel = strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
	if dir := filepath.Dir(image); strings.HasPrefix(dir, "/lib/modules/") {
		c.Kernel = filepath.Base(dir)
	}
	c.Patched, err = imagePatched(ctx, pkg, image)
	return c, err
}

func isModule(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(name, "/lib/modules/") && (strings.HasSuffix(base, ".ko") || strings.Contains(base, ".ko."))
}

// imagePatched looks for the patch's message in a package's kernel image; nil where the
// image cannot be read, as one for Xen.
func imagePatched(ctx context.Context, pkg *rpmfile.File, name string) (*bool, error) {
	dir, err := os.MkdirTemp("", "ovzpatch-image-")
	if err != nil {
		return nil, fmt.Errorf("unpack kernel image: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := pkg.Extract(ctx, dir, func(n string) bool { return n == name }); err != nil {
		return nil, err
	}
	image, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fmt.Errorf("unpack kernel image: %w", err)
	}
	holds, err := kernel.ImageHolds(ctx, image, gate.MessageHead)
	if errors.Is(err, kernel.ErrImage) {
		return nil, nil
	}
	return &holds, err
}

// buildPackages builds a recipe, or takes it from the cache, and shows what came out.
func (a *app) buildPackages(ctx context.Context, u *ui, r *recipe, f buildFlags) (*kernelBuild, []*contents, error) {
	b, err := a.buildKernel(ctx, u, r, f)
	if err != nil {
		return nil, nil, err
	}
	list, err := b.lookIntoAll(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	u.Say("all digests of the packages are right:")
	return b, list, contentsTable(u.w, list)
}

// lookIntoAll reads the packages of a build. A kernel that does not hold the patch that
// its build says it has, or the other way round, is an error: a switch of the spec may
// have left the patch out.
func (b *kernelBuild) lookIntoAll(ctx context.Context, r *recipe) ([]*contents, error) {
	var list []*contents
	for _, name := range append(b.Packages[:len(b.Packages):len(b.Packages)], b.Source) {
		c, err := lookInto(ctx, filepath.Join(b.Dir, name), "")
		if err != nil {
			return nil, err
		}
		if bytes.Contains(r.Texts[r.port], []byte(gate.MessageHead)) && c.Patched != nil && *c.Patched != b.Patched {
			return nil, fmt.Errorf("look into packages: the kernel in %s was built %s the patch, but its message is %s; see %s",
				name, r.label(), map[bool]string{true: "there", false: "not there: does the spec apply it?"}[*c.Patched], b.log())
		}
		list = append(list, c)
	}
	return list, nil
}

// contentsTable shows packages to people.
func contentsTable(w io.Writer, list []*contents) error {
	t := newTable(w)
	t.row("PACKAGE", "ARCH", "SIZE", "INSTALLED", "FILES", "MODULES", "KERNEL", "PATCH", "SIGNED")
	for _, c := range list {
		kernel, patched, modules := "-", "-", "-"
		if c.Kernel != "" {
			kernel, patched = c.Kernel, "not known"
		}
		if c.Patched != nil {
			patched = yesNo(*c.Patched)
		}
		if c.Modules > 0 {
			modules = fmt.Sprint(c.Modules)
		}
		t.row(c.Name+"-"+c.Version+"-"+c.Release, c.Arch, bytesText(c.Bytes), bytesText(c.Installed), c.Files, modules, kernel, patched, yesNo(c.Signed))
	}
	return t.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
