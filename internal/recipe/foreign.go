// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/job"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
)

// foreignSpec puts the patch into a source RPM's own spec and shows the change.
func (m maker) foreignSpec(ctx context.Context, original *Recipe) (*Sides, error) {
	if m.o.Config != "" {
		return nil, job.BadRequest(errors.New("--config belongs to our own spec: add --spec=replace, or edit the source RPM's configuration"))
	}
	original.Foreign, original.Reader = true, readerOf(m.Kernel)
	if !m.Kernel.AtLeast(2, 6, 32) {
		original.FileDigest = 1 // whatever the original has: rpm before 4.6 knows only MD5
	}
	if err := original.forThisRpm(ctx, m.u, m.o.Modernize); err != nil {
		return nil, err
	}
	var err error
	if original.depmod, err = m.depmodUse(original.Spec); err != nil {
		return nil, err
	}
	if m.o.Beside {
		if err := m.keepBeside(original); err != nil {
			return nil, err
		}
	}
	if original.Inputs, err = original.Settle(ctx, append([]string{m.binaryPayload()}, m.o.Defines...)); err != nil {
		return nil, err
	}
	if m.o.Compat {
		if err := m.carryCompat(ctx, original); err != nil {
			return nil, err
		}
	}
	if err := m.o.switchFlavours(ctx, m.u, original); err != nil {
		return nil, err
	}
	with := *original
	with.Patched, with.Port, with.Touched = true, m.Name, m.Touched()
	edited, err := with.carry(ctx, m.change())
	if err != nil {
		return nil, err
	}
	m.u.Say("the spec changes like this (%s):\n%s", edited.How, strings.TrimSuffix(edited.Diff, "\n"))
	return &Sides{With: &with, Without: original}, nil
}

// keepBeside adds the Provides that make dnf and zypper keep older kernels.
func (m maker) keepBeside(original *Recipe) error {
	edited, n, err := original.Spec.KeepBeside()
	if err != nil {
		return err
	}
	if n == 0 {
		m.u.Say("--keep-beside: the kernels of %s provide it already", original.Spec.Name())
		return nil
	}
	m.u.Say("for dnf and zypper, in both kernels (--keep-beside):\n%s", strings.TrimSuffix(edited.Diff, "\n"))
	original.Spec = edited.Spec
	return nil
}

// carryCompat adds what old sources need for this machine's compiler and rpm.
func (m maker) carryCompat(ctx context.Context, original *Recipe) error {
	compat, err := m.compat()
	if err != nil {
		return err
	}
	for i, p := range compat {
		c := srpm.Change{PatchFile: p.Name, Patch: p.Data, Author: author}
		if i == 0 {
			c.Tag, c.Changes = compatTag, []string{"compile with today's compilers, for tests"}
		}
		edited, err := original.carry(ctx, c)
		if err != nil {
			return err
		}
		m.u.Say("for today's compilers, in both kernels: %s (%s)", p.Name, edited.How)
	}
	if original.lacksFindRequires() {
		text := bytes.ReplaceAll(original.Spec.Text(), []byte(redHatFindRequires), []byte("/usr/lib/rpm/find-requires"))
		original.Spec = spec.Read(original.Spec.Name(), text)
		m.u.Say("rpm's own find-requires finds the Requires, because Red Hat's is not on this machine")
	}
	return nil
}

// redHatFindRequires is the program that the specs of RHEL 5 and 6 name for finding Requires.
const redHatFindRequires = "/usr/lib/rpm/redhat/find-requires"

// lacksFindRequires reports whether the spec names redHatFindRequires and the machine lacks it. rpm would write
// the names of a package's files to it, and a broken pipe kills rpm if there are more than a pipe holds.
func (r *Recipe) lacksFindRequires() bool {
	_, err := os.Lstat(filepath.Join("/", r.Root.Chroot, redHatFindRequires))
	return r.Root.Mock == "" && errors.Is(err, fs.ErrNotExist) && bytes.Contains(r.Spec.Text(), []byte(redHatFindRequires))
}

// carry adds one more patch to a recipe with a foreign spec.
func (r *Recipe) carry(ctx context.Context, c srpm.Change) (spec.Edited, error) {
	made, edited, err := r.Carry(ctx, c)
	if err != nil {
		return spec.Edited{}, err
	}
	r.Inputs = made
	return edited, nil
}

// author is the author of changelog entries.
const author = "ovzpatch <ovzpatch@localhost>"

// change describes what ovzpatch does to a foreign source RPM.
func (m maker) change() srpm.Change {
	return srpm.Change{
		PatchFile: m.Name, Patch: m.Port, Tag: m.o.Tag, Author: author,
		Changes: []string{"drop MNT_FORCE from a container's umount of Lustre"},
	}
}
