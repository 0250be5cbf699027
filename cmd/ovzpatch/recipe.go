// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/internal/source"
	"ovzpatch/internal/srpm"
	"ovzpatch/patches"
	"ovzpatch/specs"
)

// epoch is the one time in packages from our own spec: reproducible, and no claim about when.
var epoch = time.Unix(1_700_000_000, 0)

// recipe is what one kernel's packages are made from.
type recipe struct {
	srpm.Inputs
	patched bool
	with    []string // rpmbuild's --with
	without []string // and --without
	touched []string // files of the tree that the patch touches
	port    string   // file name of the patch, "" where there is none in it
	made    string   // path of the source RPM, where making the recipe made it
	root    rpmbuild.Root
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

// recipes puts together what both kernels are made from. Files that only had to be
// unpacked or packed lie below dir.
func (in *input) recipes(ctx context.Context, u *ui, f buildFlags, dir string) (*sides, error) {
	switch {
	case in.source.Kind != source.RPM:
		archive, err := in.archive(ctx, u, dir)
		if err != nil {
			return nil, err
		}
		return in.ownSpec(f, archive)
	case f.spec == specReplace:
		pkg, err := in.source.Unpack(ctx, dir)
		if err != nil {
			return nil, err
		}
		u.Say("our spec takes the place of the source RPM's own; its own patches stay out")
		return in.ownSpec(f, pkg.Tarball.Path)
	}
	original, err := fromSourceRPM(ctx, in.source.Path, filepath.Join(dir, "original"))
	if err != nil {
		return nil, err
	}
	u.Say("%s will run the scripts and macros of %s, by rpmbuild", rootName(f.root), original.SpecName)
	original.Target, original.with, original.without = f.target, f.with, f.without
	if original.SpecName == specs.Name {
		// A package of ours has the patch and the switch for it.
		if len(f.flavours) > 0 {
			return nil, usage(fmt.Errorf("--flavour: this source RPM was made for one kernel, %s; name the flavour where it is made", in.source.Path))
		}
		if f.tag != srpm.DefaultTag {
			return nil, usage(fmt.Errorf("--release-tag: this source RPM has its mark, %s; give another one where it is made", in.source.Path))
		}
		original.port, original.touched, original.patched = in.name, in.touched(), true
		in.readable(original, f)
		return both(original), nil
	}
	return in.foreignSpec(ctx, u, f, original, dir)
}

// both derives the kernel without the patch from a recipe whose spec has our switch.
func both(with *recipe) *sides {
	without := *with
	without.patched, without.without = false, append(slices.Clone(with.without), ownSwitch)
	return &sides{with, &without}
}

// archive gives the tarball to build from: the source itself, or a tree packed up.
func (in *input) archive(ctx context.Context, u *ui, dir string) (string, error) {
	if in.source.Kind != source.Tree {
		return in.source.Path, nil
	}
	u.Say("packing the tree up")
	in.files.Top = "linux-" + in.kernel.Base() + in.kernel.Stable()
	path := filepath.Join(dir, in.files.Top+".tar.zst")
	return path, in.source.Pack(ctx, path, in.files.Top)
}

// ownSpec is for a tarball, which gets our spec.
func (in *input) ownSpec(f buildFlags, archive string) (*sides, error) {
	arch, err := karch(f.target)
	if err != nil {
		return nil, err
	}
	flavour, err := f.ownFlavour(arch)
	if err != nil {
		return nil, err
	}
	configName, config, err := in.config(f, arch)
	if err != nil {
		return nil, err
	}
	config = specs.FlavourConfig(flavour, config)
	r := &recipe{
		patched: true, port: in.name, touched: in.touched(), with: f.with, without: f.without,
		Inputs: srpm.Inputs{
			SpecName: specs.Name, Date: epoch, Target: f.target,
			Files: map[string]string{filepath.Base(archive): archive},
			Texts: map[string][]byte{configName: config, in.name: in.port},
		},
	}
	v := specs.Values{
		Base: in.kernel.Base(), Stable: in.kernel.Stable(), Release: "1", Tag: f.tag,
		Archive: filepath.Base(archive), Top: in.files.Top, Port: in.name, Config: configName, Flavour: flavour,
	}
	if own := in.kernel.Release(); own != "" {
		v.Release = own + ".1"
	}
	if f.compat {
		compat := patches.Compat(in.line)
		if len(compat) == 0 {
			return nil, usage(fmt.Errorf("--compat: line %s builds with today's compilers as it is", in.line))
		}
		for _, p := range compat {
			r.Texts[p.Name] = p.Data
			v.Compat = append(v.Compat, p.Name)
		}
		// A test build is not to be taken for one for production.
		v.Release += ".compat"
	}
	if r.Spec, err = specs.Spec(v); err != nil {
		return nil, err
	}
	in.readable(r, f)
	return both(r), nil
}

// readable chooses compression and digests that the rpm of the line's own distributions
// knows, for a recipe with our spec.
func (in *input) readable(r *recipe, f buildFlags) {
	how := "w3.zstdio"
	if !in.kernel.AtLeast(4, 18, 0) {
		how, r.FileDigest = "w6.gzdio", 1
	}
	r.Defines = append([]string{"_binary_payload " + how, "_source_payload w.ufdio"}, f.defines...)
}

// config is the configuration the user gave, or the small one for the line.
func (in *input) config(f buildFlags, arch string) (string, []byte, error) {
	if f.config == "" {
		return specs.GuestConfig(in.line, arch)
	}
	data, err := os.ReadFile(f.config)
	if err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	return "kernel-" + arch + ".config", data, nil
}

// fromSourceRPM unpacks a source RPM into dir.
func fromSourceRPM(ctx context.Context, path, dir string) (*recipe, error) {
	pkg, err := rpmfile.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer pkg.Close()
	if err := pkg.Extract(ctx, dir, nil); err != nil {
		return nil, err
	}
	built, _ := pkg.Header.Int(rpmfile.TagBuildTime)
	r := &recipe{Inputs: srpm.Inputs{Date: time.Unix(int64(built), 0), Files: map[string]string{}, Texts: map[string][]byte{}}}
	for _, e := range pkg.Files {
		if !strings.HasSuffix(e.Name, ".spec") {
			if err := r.addSource(e, filepath.Join(dir, e.Name)); err != nil {
				return nil, fmt.Errorf("read source RPM: %w", err)
			}
			continue
		}
		if r.SpecName != "" {
			return nil, fmt.Errorf("read source RPM %s: two specs, %s and %s", path, r.SpecName, e.Name)
		}
		r.SpecName = e.Name
		if r.Spec, err = os.ReadFile(filepath.Join(dir, e.Name)); err != nil {
			return nil, fmt.Errorf("read source RPM: %w", err)
		}
	}
	if r.SpecName == "" {
		return nil, fmt.Errorf("read source RPM %s: it has no spec", path)
	}
	return r, nil
}

// smallSource is the size in bytes up to which a source is kept as text, as the same
// one is where it does not come out of a source RPM.
const smallSource = 1 << 20

func (r *recipe) addSource(e rpmfile.Entry, path string) error {
	if e.Size > smallSource {
		r.Files[e.Name] = path
		return nil
	}
	data, err := os.ReadFile(path)
	r.Texts[e.Name] = data
	return err
}

// foreignSpec puts the patch into a source RPM's own spec and shows what that changes.
func (in *input) foreignSpec(ctx context.Context, u *ui, f buildFlags, original *recipe, dir string) (*sides, error) {
	if f.config != "" || f.compat {
		return nil, usage(errors.New("--config and --compat belong to our own spec: add --spec=replace, or edit the source RPM's configuration"))
	}
	original.Defines = f.defines
	if err := f.switchFlavours(ctx, u, original); err != nil {
		return nil, err
	}
	made, err := srpm.Rewrite(ctx, in.source.Path, in.change(f), dir)
	if err != nil {
		return nil, specMisfit(err)
	}
	u.Say("the spec changes like this (%s):\n%s", made.Spec.How, strings.TrimSuffix(made.Spec.Diff, "\n"))
	with, err := fromSourceRPM(ctx, made.Path, filepath.Join(dir, "patched"))
	if err != nil {
		return nil, err
	}
	with.patched, with.port, with.touched, with.made = true, in.name, in.touched(), made.Path
	with.Target, with.with, with.without = f.target, original.with, original.without
	with.Defines, original.Defines = made.Defines, made.Defines
	return &sides{with, original}, nil
}

// change is what happens to a foreign source RPM.
func (in *input) change(f buildFlags) srpm.Change {
	return srpm.Change{
		PatchFile: in.name, Patch: in.port, Tag: f.tag, Author: "ovzpatch <ovzpatch@localhost>",
		Changes: []string{"drop MNT_FORCE from a container's umount of Lustre"},
		Target:  f.target, Defines: f.defines,
	}
}

// specMisfit makes a spec that cannot be edited safely a patch that does not fit.
func specMisfit(err error) error {
	var se *srpm.SpecError
	if errors.As(err, &se) {
		return &coded{exitMisfit, err}
	}
	return err
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
	k.Add("spec", string(r.Spec)).Add("defines", strings.Join(r.Defines, "\x00")).
		Add("with", strings.Join(r.with, "\x00")).Add("without", strings.Join(r.without, "\x00"))
	if r.patched {
		k.Add("port", string(r.Texts[r.port]))
	}
	return objects, k.String(), nil
}

// configKey names what decides how many files are compiled, but for the tree itself.
func (r *recipe) configKey() string {
	k := cache.NewKey("compiled").Add("target", r.Target).Add("spec", r.SpecName)
	for _, name := range slices.Sorted(maps.Keys(r.Texts)) {
		if name != r.port {
			k.Add(name, string(r.Texts[name]))
		}
	}
	return k.String()
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
		if err := copyFile(path, to); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	for name, data := range r.Texts {
		if err := os.WriteFile(filepath.Join(top, "SOURCES", name), data, 0o644); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	return nil
}

// noDatabase tells whether there is no RPM database that could say what is installed, as
// on Debian.
func noDatabase(ctx context.Context, root rpmbuild.Root) bool {
	out, err := command.Output(ctx, command.Cmd{Args: root.Args("rpm", "-qa")})
	return err != nil || len(bytes.TrimSpace(out)) == 0
}
