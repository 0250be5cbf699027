// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/scratch"
	"ovzpatch/internal/terminal"
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
	// Error is why the package could not be read, or is not to be believed; the fields
	// behind the file's name then say nothing.
	Error string `json:"error,omitempty"`

	unread string // why it is not known whether the kernel holds the message
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
		if kernel.IsModule(f.Name) {
			c.Modules++
		}
		if isImage(f) {
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
	c.Kernel, _ = kernel.ImageRelease(image)
	c.Patched, err = imagePatched(ctx, pkg, image)
	if errors.Is(err, kernel.ErrImage) {
		c.unread = fmt.Sprintf("whether the kernel %s holds the patch's message is not known: %v", c.Kernel, err)
		c.Unverified = append(c.Unverified, c.unread)
		return c, nil
	}
	return c, err
}

// imagePatched looks for the patch's message in a package's kernel image. The error is
// kernel.ErrImage where the image cannot be read, as one for Xen.
func imagePatched(ctx context.Context, pkg *rpmfile.File, name string) (*bool, error) {
	dir, remove, err := scratch.New("", "image")
	if err != nil {
		return nil, fmt.Errorf("unpack kernel image: %w", err)
	}
	defer remove()
	if err := pkg.Extract(ctx, dir, func(n string) bool { return n == name }); err != nil {
		return nil, err
	}
	image, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fmt.Errorf("unpack kernel image: %w", err)
	}
	holds, err := kernel.ImageHolds(ctx, image, gate.MessageHead)
	if err != nil {
		return nil, err
	}
	return &holds, nil
}

// buildPackages builds a recipe, or takes it from the cache, and looks into what came out.
func (a *app) buildPackages(ctx context.Context, u job.Reporter, r *recipe, f buildFlags) (*kernelBuild, []*contents, error) {
	b, err := a.buildKernel(ctx, u, r, f)
	if err != nil {
		return nil, nil, err
	}
	list, err := b.lookIntoAll(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	u.Say("all digests of the packages are right:")
	for _, c := range list {
		if c.unread != "" {
			u.Say("NOT checked: %s: %s", c.File, c.unread)
		}
	}
	return b, list, nil
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
		if err := b.checkReadable(ctx, name, r.reader); err != nil {
			return nil, err
		}
		if bytes.Contains(r.Texts[r.port], []byte(gate.MessageHead)) && c.Patched != nil && *c.Patched != b.Patched {
			return nil, fmt.Errorf("look into packages: the kernel in %s was built %s the patch, but its message is %s; see %s",
				name, r.label(), map[bool]string{true: "there", false: "not there: does the spec apply it?"}[*c.Patched], b.log())
		}
		list = append(list, c)
	}
	if !slices.ContainsFunc(list, func(c *contents) bool { return c.Kernel != "" }) {
		return nil, fmt.Errorf("look into packages: the build made no kernel: none of %s holds an image (/boot/vmlinuz-* or /lib/modules/*/vmlinuz): does the spec build one for this architecture and these switches? See %s",
			strings.Join(b.Packages, ", "), b.log())
	}
	return list, nil
}

// contentsTable shows packages to people.
func contentsTable(w io.Writer, list []*contents) error {
	t := terminal.NewTable(w)
	t.Row("PACKAGE", "ARCH", "SIZE", "INSTALLED", "FILES", "MODULES", "KERNEL", "PATCH", "SIGNED")
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
		t.Row(c.Name+"-"+c.Version+"-"+c.Release, c.Arch, bytesText(c.Bytes), bytesText(c.Installed), c.Files, modules, kernel, patched, yesNo(c.Signed))
	}
	return t.Flush()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
