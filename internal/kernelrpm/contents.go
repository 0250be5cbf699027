// SPDX-License-Identifier: Apache-2.0

package kernelrpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmfile"
)

// Contents is what is in one package.
type Contents struct {
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

	// Unread is why it is not known whether the kernel holds the message.
	Unread string `json:"-"`
}

// Look reads the package, all of it: every digest is verified, and with a keyring its
// signatures, too.
func (p *Package) Look(ctx context.Context, keyring string) (*Contents, error) {
	c := &Contents{File: filepath.Base(p.path), Name: p.Name(), Version: p.Version(), Release: p.Release(), Arch: p.Arch()}
	if p.Source {
		c.Arch = "src"
	}
	if st, err := os.Stat(p.path); err == nil {
		c.Bytes = st.Size()
	}
	for _, f := range p.Files {
		if f.Mode.IsRegular() && f.Flags&rpmfile.FileGhost == 0 {
			c.Installed += f.Size
		}
		if !f.Mode.IsDir() {
			c.Files++
		}
		if kernel.IsModule(f.Name) {
			c.Modules++
		}
	}
	image, content := p.Image(), []byte(nil)
	if p.Source {
		image = ""
	}
	var report rpmfile.Report
	var err error
	if image == "" {
		report, err = p.Verify(ctx, keyring)
	} else {
		report, content, err = p.VerifyReading(ctx, keyring, image)
	}
	if err != nil {
		return nil, err
	}
	c.Verified, c.Unverified = report.Verified, report.Unverified
	if c.Signed, err = p.Signed(); err != nil || image == "" {
		return c, err
	}
	c.Kernel, _ = kernel.ImageRelease(image)
	holds, err := kernel.ImageHolds(ctx, content, gate.MessageHead)
	switch {
	case errors.Is(err, kernel.ErrImage): // as one for Xen
		c.Unread = fmt.Sprintf("whether the kernel %s holds the patch's message is not known: %v", c.Kernel, err)
		c.Unverified = append(c.Unverified, c.Unread)
		return c, nil
	case err != nil:
		return nil, err
	}
	c.Patched = &holds[0]
	return c, nil
}

// LookAll is Look for several packages. One that cannot be read does not keep it from the others: it
// is an element with its Error, which is returned, too. Where the work is stopped there is none.
func LookAll(ctx context.Context, paths []string, keyring string, u job.Reporter) ([]*Contents, error) {
	defer u.Done()
	var all []*Contents
	var bad []error
	for _, path := range paths {
		if len(paths) > 1 {
			u.Live("reading %s", path)
		}
		c, err := lookAt(ctx, path, keyring)
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			bad = append(bad, err)
			c = &Contents{File: filepath.Base(path), Error: err.Error()}
		}
		all = append(all, c)
	}
	return all, errors.Join(bad...)
}

func lookAt(ctx context.Context, path, keyring string) (*Contents, error) {
	p, err := Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Look(ctx, keyring)
}
