// SPDX-License-Identifier: Apache-2.0

package livepatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/rpmfile"
	"ovzpatch/specs"
)

// epoch is the time in the package: the same module makes the same package.
const epoch = 1_700_000_000

// pack makes the RPM of a module, in the directory where that is, and returns its path. kernel is
// the path of the kernel's package, "" for a bare kernel. rpmbuild works below dir.
func pack(ctx context.Context, m *Module, o Options, dir string) (string, error) {
	l := specs.Livepatch{Kernel: o.Release, Module: Name(o.Revision), Revision: o.Revision}
	if o.Package != "" {
		var err error
		if l.Needs, l.NeedsVersion, err = only(ctx, o.Package, o.Release); err != nil {
			return "", err
		}
	}
	spec, err := l.Spec()
	if err != nil {
		return "", err
	}
	top := filepath.Join(dir, "top")
	log := filepath.Join(o.Output, "rpmbuild.log")
	j := rpmbuild.Job{
		Spec: filepath.Join(top, "SPECS", specs.LivepatchName), Topdir: top, Target: "x86_64",
		// What the package needs where it is installed is not needed here.
		NoDeps: true,
		// What every rpm can read.
		Defines: []rpmbuild.Define{{Name: "_binary_payload", Value: "w6.gzdio"}},
		Epoch:   epoch, Log: log,
	}
	err = j.Dirs()
	if err == nil {
		err = os.WriteFile(j.Spec, spec, 0o644)
	}
	if err == nil {
		err = atomicfile.Copy(m.Path, filepath.Join(top, "SOURCES", filepath.Base(m.Path)))
	}
	if err != nil {
		return "", fmt.Errorf("build the module's package: %w", err)
	}
	res, err := rpmbuild.Run(ctx, j, func(rpmbuild.Progress) {})
	if err != nil {
		return "", err
	}
	path := filepath.Join(o.Output, filepath.Base(res.Packages[0]))
	return path, errors.Join(atomicfile.Copy(res.Packages[0], path), os.Remove(log))
}

// only returns what only one build of a kernel provides, as packages of today's kernels do by the name
// kernel-uname-r, and all by their own.
func only(ctx context.Context, path, release string) (name, version string, err error) {
	pkg, err := rpmfile.Open(ctx, path)
	if err != nil {
		return "", "", err
	}
	defer pkg.Close()
	for _, p := range pkg.Provides() {
		if p.Name == "kernel-uname-r" && p.Version == release {
			return p.Name, p.Version, nil
		}
	}
	return pkg.Name(), pkg.Version() + "-" + pkg.Release(), nil
}
