// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernel"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/source"
	"ovzpatch/internal/srpm"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// epoch is the one time in packages from our own spec: reproducible, and no claim about when.
var epoch = time.Unix(1_700_000_000, 0)

// input is a source with the patch placed in it.
type input struct {
	*fit.Fit
	tarball string // the file name of what a tree was packed into, "" before that
}

// recipe is what one kernel's packages are made from.
type recipe struct {
	srpm.Inputs
	patched bool
	with    []string // rpmbuild's --with
	without []string // and --without
	touched []string // files of the tree that the patch touches
	port    string   // file name of the patch, "" where there is none in it
	foreign bool     // the spec is a source RPM's own
	root    rpmbuild.Root
	reader  rpmfile.Reader // what must be able to read the packages
}

// label tells the two kernels apart in what is said.
func (r *recipe) label() string {
	if r.patched {
		return "with"
	}
	return "without"
}

// sides are the two kernels that are compared.
type sides struct{ with, without *recipe }

// recipes puts together what both kernels are made from.
func (in *input) recipes(ctx context.Context, u job.Reporter, f buildFlags) (*sides, error) {
	switch {
	case in.Source.Kind != source.RPM:
		archive, err := in.archive(ctx, u)
		if err != nil {
			return nil, err
		}
		return in.ownSpec(f, archive)
	case f.spec == specReplace:
		u.Say("our spec takes the place of the source RPM's own; its own patches stay out")
		return in.ownSpec(f, in.Package.Tarball.Path)
	}
	original := &recipe{with: f.with, without: f.without, root: f.root}
	var err error
	if original.Inputs, err = srpm.Unpacked(in.Package.RPM, in.Package.Dir); err != nil {
		return nil, err
	}
	original.Target = f.target
	u.Say("%s will run the scripts and macros of %s, by rpmbuild", rootName(f.root), original.SpecName)
	if specs.Own(original.Spec) {
		// A package of ours has the patch and the switch for it.
		if len(f.flavours) > 0 {
			return nil, job.BadRequest(fmt.Errorf("--flavour: this source RPM was made for one kernel, %s; name the flavour where it is made", in.Source.Path))
		}
		if f.tag != srpm.DefaultTag {
			return nil, job.BadRequest(fmt.Errorf("--release-tag: this source RPM has its mark, %s; give another one where it is made", in.Source.Path))
		}
		original.port, original.touched, original.patched = in.Name, in.Touched(), true
		in.readable(original, f)
		return both(original), nil
	}
	return in.foreignSpec(ctx, u, f, original)
}

// both derives the kernel without the patch from a recipe whose spec has our switch.
func both(with *recipe) *sides {
	without := *with
	without.patched, without.without = false, append(slices.Clone(with.without), ownSwitch)
	return &sides{with, &without}
}

// archive gives the tarball to build from: the source itself, or a tree packed up.
func (in *input) archive(ctx context.Context, u job.Reporter) (string, error) {
	if in.Source.Kind != source.Tree {
		return in.Source.Path, nil
	}
	u.Say("packing the tree up")
	in.Files.Top = "linux-" + in.Kernel.Base() + in.Kernel.Stable()
	ext := ".tar.gz"
	if in.knowsZstd() {
		ext = ".tar.zst"
	}
	in.tarball = in.Files.Top + ext
	path := filepath.Join(in.Dir, in.tarball)
	return path, in.Source.Pack(ctx, path, in.Files.Top)
}

// ownSpec is for a tarball, which gets our spec.
func (in *input) ownSpec(f buildFlags, archive string) (*sides, error) {
	arch, err := kernel.Arch(f.target)
	if err != nil {
		return nil, err
	}
	flavour, err := f.ownFlavour(arch)
	if err != nil {
		return nil, err
	}
	configName, config, err := in.Config(f.config, arch)
	if err != nil {
		return nil, err
	}
	config = specs.FlavourConfig(flavour, config)
	r := &recipe{
		patched: true, port: in.Name, touched: in.Touched(), with: f.with, without: f.without,
		Inputs: srpm.Inputs{
			SpecName: specs.Name, Date: epoch, Target: f.target,
			Files: map[string]string{filepath.Base(archive): archive},
			Texts: map[string][]byte{configName: config, in.Name: in.Port},
		},
	}
	v := specs.Values{
		Base: in.Kernel.Base(), Stable: in.Kernel.Stable(), Release: "1", Tag: f.tag,
		Archive: filepath.Base(archive), Top: in.Files.Top, Port: in.Name, Config: configName, Flavour: flavour,
	}
	if own := in.Kernel.Release(); own != "" {
		v.Release = own + ".1"
	}
	if f.compat {
		compat, err := in.compat()
		if err != nil {
			return nil, err
		}
		for _, p := range compat {
			r.Texts[p.Name] = p.Data
			v.Compat = append(v.Compat, p.Name)
		}
		v.Release += compatTag
	}
	if r.Spec, err = specs.Spec(v); err != nil {
		return nil, err
	}
	in.readable(r, f)
	return both(r), nil
}

// compatTag marks a test build, which is not to be taken for one for production.
const compatTag = ".compat"

// compat is what --compat adds.
func (in *input) compat() ([]patches.Patch, error) {
	list := patches.Compat(in.Line)
	if len(list) == 0 {
		return nil, job.BadRequest(fmt.Errorf("--compat: line %s builds with today's compilers as it is", in.Line))
	}
	return list, nil
}

// knowsZstd tells whether the rpm of the line's own distributions knows that compression.
func (in *input) knowsZstd() bool { return in.Kernel.AtLeast(4, 18, 0) }

// binaryPayload chooses a compression that it knows.
func (in *input) binaryPayload() string {
	if in.knowsZstd() {
		return "_binary_payload w3.zstdio"
	}
	return "_binary_payload w6.gzdio"
}

// readable does so for a recipe with our spec, and chooses digests, too; a foreign package
// has those of its original.
func (in *input) readable(r *recipe, f buildFlags) {
	r.reader, r.FileDigest = readerOf(in.Kernel), 0
	if !in.Kernel.AtLeast(4, 18, 0) {
		r.FileDigest = 1
	}
	r.Defines = append([]string{in.binaryPayload(), "_source_payload w.ufdio"}, f.defines...)
}

// foreignSpec puts the patch into a source RPM's own spec and shows what that changes.
func (in *input) foreignSpec(ctx context.Context, u job.Reporter, f buildFlags, original *recipe) (*sides, error) {
	if f.config != "" {
		return nil, job.BadRequest(errors.New("--config belongs to our own spec: add --spec=replace, or edit the source RPM's configuration"))
	}
	original.foreign, original.reader = true, readerOf(in.Kernel)
	if !in.Kernel.AtLeast(2, 6, 32) {
		original.FileDigest = 1 // whatever the original has: rpm before 4.6 knows MD5 alone
	}
	if err := original.forThisRpm(ctx, u, f.modern); err != nil {
		return nil, err
	}
	var err error
	if original.Inputs, err = original.Settle(ctx, append([]string{in.binaryPayload()}, f.defines...)); err != nil {
		return nil, err
	}
	if f.compat {
		compat, err := in.compat()
		if err != nil {
			return nil, err
		}
		for i, p := range compat {
			c := srpm.Change{PatchFile: p.Name, Patch: p.Data, Author: author}
			if i == 0 {
				c.Tag, c.Changes = compatTag, []string{"compile with today's compilers, for tests"}
			}
			edited, err := original.carry(ctx, c)
			if err != nil {
				return nil, err
			}
			u.Say("for today's compilers, in both kernels: %s (%s)", p.Name, edited.How)
		}
		if original.lacksFindRequires() {
			original.Spec = bytes.ReplaceAll(original.Spec, []byte(redHatFindRequires), []byte("/usr/lib/rpm/find-requires"))
			u.Say("Requires are found by rpm's own find-requires: Red Hat's is not here")
		}
	}
	if err := f.switchFlavours(ctx, u, original); err != nil {
		return nil, err
	}
	with := *original
	with.patched, with.port, with.touched = true, in.Name, in.Touched()
	edited, err := with.carry(ctx, in.change(f))
	if err != nil {
		return nil, err
	}
	u.Say("the spec changes like this (%s):\n%s", edited.How, strings.TrimSuffix(edited.Diff, "\n"))
	return &sides{&with, original}, nil
}

// redHatFindRequires is what the specs of RHEL 5 and 6 have rpm find Requires with.
const redHatFindRequires = "/usr/lib/rpm/redhat/find-requires"

// lacksFindRequires tells a spec that wants it and a machine without. rpm is killed by the
// broken pipe where it hands on more names of files than a pipe holds, as of headers.
func (r *recipe) lacksFindRequires() bool {
	_, err := os.Lstat(filepath.Join("/", r.root.Chroot, redHatFindRequires))
	return r.root.Mock == "" && errors.Is(err, fs.ErrNotExist) && bytes.Contains(r.Spec, []byte(redHatFindRequires))
}

// carry puts one more patch into a recipe with a foreign spec.
func (r *recipe) carry(ctx context.Context, c srpm.Change) (srpm.Edited, error) {
	made, edited, err := r.Carry(ctx, c)
	if err != nil {
		return srpm.Edited{}, err
	}
	r.Inputs = made
	return edited, nil
}

// author is whom changelog entries name.
const author = "ovzpatch <ovzpatch@localhost>"

// change is what happens to a foreign source RPM.
func (in *input) change(f buildFlags) srpm.Change {
	return srpm.Change{
		PatchFile: in.Name, Patch: in.Port, Tag: f.tag, Author: author,
		Changes: []string{"drop MNT_FORCE from a container's umount of Lustre"},
	}
}

// keys are the digests of what the compiled objects depend on, and of what the
// packages do. The first leaves out the text of the patch, but not which files it
// touches: an object of a file that only another patch touched would be stale.
func (r *recipe) keys(ctx context.Context) (objects, packages string, err error) {
	compiler, err := r.compiler(ctx)
	if err != nil {
		return "", "", err
	}
	k := cache.NewKey("kernel").Add("compiler", compiler).Add("target", r.Target).
		Add("touched", strings.Join(r.touched, "\x00"))
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		if err := k.AddFile(name, r.Files[name]); err != nil {
			return "", "", err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Texts)) {
		if name != r.port {
			k.Add(name, string(r.Texts[name]))
		}
	}
	objects = k.String()
	if r.root.Mock == "" { // mock's are in its root, and its configuration is in the key
		settings, err := r.root.Settings(ctx)
		if err != nil {
			return "", "", err
		}
		k.Add("rpm", settings)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Programs)) {
		k.Add("program", name)
	}
	job := r.job()
	k.Add("spec", string(r.Spec)).Add("rpmbuild", strings.Join(job.Args(), "\x00")).Add("date", strconv.FormatInt(job.Epoch, 10))
	if r.patched {
		k.Add("port", string(r.Texts[r.port]))
	}
	return objects, k.String(), nil
}

// job is what rpmbuild is told, apart from where and how fast it is to work.
func (r *recipe) job() rpmbuild.Job {
	job := rpmbuild.Job{Target: r.Target, With: r.with, Without: r.without, Epoch: r.Date.Unix()}
	for _, d := range r.Defines {
		name, value, _ := strings.Cut(d, " ")
		job.Defines = append(job.Defines, rpmbuild.Define{Name: name, Value: value})
	}
	if r.FileDigest != 0 {
		n := strconv.Itoa(r.FileDigest)
		job.Defines = append(job.Defines, rpmbuild.Define{Name: "_binary_filedigest_algorithm", Value: n}, rpmbuild.Define{Name: "_source_filedigest_algorithm", Value: n})
	}
	return job
}

// layOut puts the spec and its sources where rpmbuild wants them.
func (r *recipe) layOut(top string) error {
	if err := os.WriteFile(filepath.Join(top, "SPECS", r.SpecName), r.Spec, 0o644); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	for name, path := range r.Files {
		// rpm does not look into symbolic links to see what a source is compressed with.
		to := filepath.Join(top, "SOURCES", name)
		if os.Link(path, to) == nil {
			continue
		}
		if err := atomicfile.Copy(path, to); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	for name, data := range r.Texts {
		path := filepath.Join(top, "SOURCES", name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
		if err := os.Chmod(path, r.Mode(name)); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	return nil
}

// noDatabase tells whether there is no RPM database that could say what is installed, as
// on Debian.
func noDatabase(ctx context.Context, root rpmbuild.Root) bool {
	out, err := root.Query(ctx, "rpm", "-qa")
	return err != nil || len(bytes.TrimSpace(out)) == 0
}
