// SPDX-License-Identifier: Apache-2.0

// Package livepatch makes what the port does into a module for one kernel that runs already.
// docs/livepatch.md says how the module works, and what it refuses.
package livepatch

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/extmod"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/scratch"
	"ovzpatch/kmod"
)

// prefix is what the names of all our modules begin with.
const prefix = "ovzlivepatch"

// maxRevision is far more than anybody makes for one kernel.
const maxRevision = 9999

// Name is the name of a module of ours.
func Name(revision int) string { return fmt.Sprintf("%s_%d", prefix, revision) }

// CheckRevision refuses what is no revision.
func CheckRevision(n int) error {
	if n < 1 || n > maxRevision {
		return job.BadRequest(fmt.Errorf("--revision=%d: it must be a number from 1 to %d", n, maxRevision))
	}
	return nil
}

// Options say for which kernel the module is, and against what it is compiled.
type Options struct {
	Image   string // the kernel image
	Modules string // its /lib/modules/RELEASE
	Release string // as uname -r says
	Devel   string // its -devel package; "" where Modules has a link named build
	Package string // that it was unpacked from, "" for none: the RPM then requires it
	Output  string // the directory that the module goes into
	// Revision is in the module's name: one with a higher number can be loaded while the one before
	// it is in effect.
	Revision int
	Sign     Signing
	Report   job.Reporter

	// Source is the module's; nil is ours. Tests have wrong ones.
	Source fs.FS
}

// Module is what was made.
type Module struct {
	Path    string   `json:"path"`
	RPM     string   `json:"rpm"`      // the package of it
	Release string   `json:"release"`  // of the kernel that it is for
	BuildID string   `json:"build_id"` // of that kernel, without which the module refuses to load
	Signed  bool     `json:"signed"`
	Notes   []string `json:"notes,omitempty"`
}

// Text says for people where the module is.
func (m *Module) Text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s: for %s with build id %s, not proved yet (ovzpatch test --livepatch)\n%s: loads it when it is installed, and at boot\n", m.Path, m.Release, m.BuildID, m.RPM)
	return err
}

// Build makes the module. A kernel that would not take it is an error, and so is one that the
// module cannot be right for.
func Build(ctx context.Context, o Options) (*Module, error) {
	if err := CheckRevision(o.Revision); err != nil {
		return nil, err
	}
	file := Name(o.Revision) + ".ko"
	dir, remove, err := scratch.New("", "livepatch")
	if err != nil {
		return nil, err
	}
	defer remove()
	tree, from := filepath.Join(o.Modules, "build"), o.Modules
	if o.Devel != "" {
		from = o.Devel
		if tree, err = extmod.Devel(ctx, o.Devel, filepath.Join(dir, "devel")); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", filepath.Base(o.Devel), err)
		}
	}
	text, err := extmod.Config(tree)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("the module is compiled in %s: %w (install the kernel's headers, or name its -devel package)", tree, err))
	}
	if err := extmod.CheckTree(tree, o.Release, from); err != nil {
		return nil, err
	}
	c := config(text)
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Module{Path: filepath.Join(o.Output, file), Release: o.Release}
	id, err := o.look(ctx, c, tree, m)
	if err != nil {
		return nil, err
	}
	if o.Source == nil {
		o.Source = kmod.Livepatch()
	}
	o.Report.Say("compiling %s for %s, build id %s", file, o.Release, m.BuildID)
	module, err := compile(ctx, tree, o.Source, filepath.Join(dir, "module"), Name(o.Revision), id)
	if err != nil {
		return nil, fmt.Errorf("compile the module in %s: %w", tree, err)
	}
	if err := extmod.Check(filepath.Join(dir, "module", file), o.Release, from); err != nil {
		return nil, err
	}
	if err := c.checkCompiler(module); err != nil {
		return nil, err
	}
	if err := mark(module); err != nil {
		return nil, err
	}
	if module, err = o.signed(ctx, c, tree, module, filepath.Join(dir, file)); err != nil {
		return nil, err
	}
	m.Signed = o.Sign.Key != ""
	return m, o.write(ctx, m, module, dir)
}

// write writes the module, and its RPM beside it.
func (o Options) write(ctx context.Context, m *Module, module []byte, dir string) (err error) {
	undo, err := atomicfile.MakeDir(o.Output)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			undo()
		}
	}()
	if err := atomicfile.WriteBytes(m.Path, module); err != nil {
		return err
	}
	m.RPM, err = pack(ctx, m, o, dir)
	return err
}

// compile compiles the module of that name for the kernel with a build id.
func compile(ctx context.Context, tree string, source fs.FS, dir, name string, id []byte) ([]byte, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	var bytes []string
	for _, b := range id {
		bytes = append(bytes, fmt.Sprintf("0x%02x", b))
	}
	header := fmt.Sprintf("static const u8 ovz_build_id[] = { %s };\n", strings.Join(bytes, ", "))
	if err := os.WriteFile(filepath.Join(dir, "build-id.h"), []byte(header), 0o644); err != nil {
		return nil, err
	}
	// modpost does not know what mark does later.
	if err := extmod.Compile(ctx, tree, source, dir, "OVZ_NAME="+name, "KBUILD_MODPOST_WARN=1"); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, name+".ko"))
}

// look refuses a kernel that would not take the module, notes what is to be known of it, and returns
// its build id.
func (o *Options) look(ctx context.Context, c config, tree string, m *Module) ([]byte, error) {
	image, err := os.ReadFile(o.Image)
	if err != nil {
		return nil, err
	}
	note, err := checkImage(ctx, c, image, systemMaps(tree, o.Image, o.Modules, o.Release))
	if errors.Is(err, kernel.ErrImage) {
		return nil, job.BadRequest(fmt.Errorf("%s: %w", cmp.Or(o.Package, o.Image), err))
	}
	if err != nil {
		return nil, err
	}
	if note != "" {
		m.Notes = append(m.Notes, note)
	}
	if c.has("MODULE_SIG_FORCE") && o.Sign.Key == "" {
		m.Notes = append(m.Notes, "the kernel loads signed modules only (CONFIG_MODULE_SIG_FORCE): sign it with a key that the kernel trusts, --sign-key and --sign-cert")
	}
	if note := o.Sign.unverifiable(c); note != "" {
		m.Notes = append(m.Notes, note)
	}
	id, err := kernel.BuildID(ctx, image)
	if errors.Is(err, kernel.ErrNoBuildID) {
		err = job.BadRequest(fmt.Errorf("%w: the module could not tell this kernel from another; %s", err, remains))
	}
	if err != nil {
		return nil, err
	}
	m.BuildID = hex.EncodeToString(id)
	return id, nil
}
