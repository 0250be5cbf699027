// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/tool"
)

// debianNames maps what kernel specs require to packages of Debian, any of which will do. An empty list means that
// a build here does not need it: only rpm's own macros or a Red Hat system do. N is the major version of gcc.
var debianNames = map[string][]string{
	"asciidoc": {"asciidoc"}, "audit-libs-devel": {"libaudit-dev"}, "bash": {"bash"}, "bc": {"bc"},
	"binutils": {"binutils"}, "binutils-devel": {"binutils-dev"}, "bison": {"bison"}, "bzip2": {"bzip2"},
	"clang": {"clang"}, "coreutils": {"coreutils"}, "cpio": {"cpio"}, "diffutils": {"diffutils"},
	"dracut": {"dracut-core"}, "dwarves": {"dwarves", "pahole"}, "elfutils": {"elfutils"},
	"elfutils-devel": {"libdw-dev"}, "elfutils-libelf-devel": {"libelf-dev"}, "findutils": {"findutils"},
	"flex": {"flex"}, "fuse-devel": {"libfuse-dev"}, "gawk": {"gawk", "mawk"}, "gcc": {"gcc"}, "gcc-c++": {"g++"},
	"gcc-plugin-devel": {"gcc-N-plugin-dev"}, "gettext": {"gettext"}, "git": {"git"}, "git-core": {"git"},
	"glibc-devel": {"libc6-dev"}, "glibc-static": {"libc6-dev"}, "gnupg": {"gnupg"}, "gzip": {"gzip"},
	"hostname": {"hostname"}, "java-devel": {"default-jdk-headless"}, "kmod": {"kmod"},
	"libbpf-devel": {"libbpf-dev"}, "libcap-devel": {"libcap-dev"}, "libcap-ng-devel": {"libcap-ng-dev"},
	"libmnl-devel": {"libmnl-dev"}, "libnl3-devel": {"libnl-3-dev"}, "libtraceevent-devel": {"libtraceevent-dev"},
	"libtracefs-devel": {"libtracefs-dev"}, "lld": {"lld"}, "llvm": {"llvm"}, "llvm-devel": {"llvm-dev"},
	"lvm2": {"lvm2"}, "lz4": {"lz4"}, "m4": {"m4"}, "make": {"make"}, "module-init-tools": {"kmod"},
	"ncurses-devel": {"libncurses-dev"}, "net-tools": {"net-tools"}, "newt-devel": {"libnewt-dev"},
	"numactl-devel": {"libnuma-dev"}, "openssl": {"openssl"}, "openssl-devel": {"libssl-dev"}, "pahole": {"dwarves", "pahole"},
	"patch": {"patch"}, "patchutils": {"patchutils"}, "pciutils-devel": {"libpci-dev"}, "perl": {"perl"},
	"perl(ExtUtils::Embed)": {"libperl-dev"}, "perl-Carp": {"perl"}, "perl-devel": {"libperl-dev"},
	"perl-interpreter": {"perl"}, "pesign": {"pesign"}, "python": {"python-is-python3"}, "python-devel": {"python3-dev"},
	"python3": {"python3"}, "python3-devel": {"python3-dev"}, "python3-docutils": {"python3-docutils"},
	"python3-setuptools": {"python3-setuptools"}, "python3-sphinx": {"python3-sphinx"}, "rpm-build": {"rpm"},
	"rsync": {"rsync"}, "sh-utils": {"coreutils"}, "sparse": {"sparse"}, "tar": {"tar"}, "unifdef": {"unifdef"},
	"util-linux": {"util-linux"}, "which": {"debianutils"}, "xmlto": {"xmlto"}, "xz": {"xz-utils"},
	"xz-devel": {"liblzma-dev"}, "zlib-devel": {"zlib1g-dev"}, "zstd": {"zstd"},

	"kernel-rpm-macros": {}, "perl-generators": {}, "python-rpm-macros": {}, "python3-rpm-macros": {},
	"redhat-rpm-config": {}, "system-sb-certs": {},
}

// requirements are the BuildRequires of a spec that are not installed, on a host without an RPM database.
type requirements struct {
	missing []string // as the spec names them
	install []string // Debian's packages for them
	unknown []string // without a known package of Debian
}

// sortRequires finds out what is missing. A package is there if dpkg has it; a program may also have been
// installed in another way.
func sortRequires(names []string, gcc string, present, isTool func(name string) bool) requirements {
	var r requirements
	for _, name := range names {
		bare := strings.TrimSuffix(strings.TrimSuffix(name, "(x86-64)"), "(x86-32)")
		list, known := debianNames[bare]
		packages := slices.Clone(list)
		for i, p := range packages {
			packages[i] = strings.Replace(p, "gcc-N-", "gcc-"+gcc+"-", 1)
		}
		switch {
		case known && (len(packages) == 0 || slices.ContainsFunc(packages, present)):
			continue
		case isTool(path.Base(name)):
			continue
		case !known:
			r.unknown = append(r.unknown, name)
			continue
		}
		r.missing = append(r.missing, name)
		if !slices.Contains(r.install, packages[0]) {
			r.install = append(r.install, packages[0])
		}
	}
	return r
}

// CheckRequires fails if a BuildRequires of the spec is missing. It does for a system with dpkg, here or in a
// chroot, what rpmbuild does itself where there is an RPM database.
func (r *Recipe) CheckRequires(ctx context.Context, u job.Reporter) error {
	names, err := r.Spec.BuildRequires(r.SpecOptions(ctx))
	if err != nil {
		return err
	}
	isTool := func(name string) bool { return hasTool(r.Root, name) }
	if !isTool("dpkg-query") {
		u.Say("there is no dpkg either, so it is unknown whether these are installed: %s", strings.Join(names, ", "))
		return nil
	}
	out, err := command.Ask(ctx, r.Root.Args("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n")...)
	if err != nil {
		return fmt.Errorf("ask dpkg for packages: %w", err)
	}
	gcc := ""
	if slices.Contains(names, "gcc-plugin-devel") {
		version, err := command.Output(ctx, command.Cmd{Args: r.Root.Args("gcc", "-dumpversion")})
		if err != nil {
			return fmt.Errorf("ask gcc for its version: %w", err)
		}
		gcc, _, _ = strings.Cut(strings.TrimSpace(string(version)), ".")
	}
	need := sortRequires(names, gcc, func(pkg string) bool { return bytes.Contains(out, []byte("installed "+pkg+"\n")) }, isTool)
	if need.unknown != nil {
		u.Say("%s requires these, and ovzpatch knows no Debian package for them: %s", r.Spec.Name(), strings.Join(need.unknown, ", "))
	}
	if need.missing != nil {
		return fmt.Errorf("%s requires these to be built, and %s lacks them: %s\n  as root: %s\n  or continue without them, if you know that this build does not need them: --nodeps",
			r.Spec.Name(), r.Root.Name(), strings.Join(need.missing, ", "),
			strings.Join(r.Root.Args(append([]string{"apt-get", "install"}, need.install...)...), " "))
	}
	return nil
}

// Lacks returns what the package needs and the machine lacks, though no BuildRequires says so: old specs do not name
// what every system of their time had.
func (r *Recipe) Lacks() []string {
	scripts := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Texts)) {
		line, _, _ := bytes.Cut(r.Texts[name], []byte("\n"))
		words := strings.Fields(strings.TrimPrefix(string(line), "#!"))
		if !bytes.HasPrefix(line, []byte("#!")) || len(words) == 0 || !path.IsAbs(words[0]) {
			continue
		}
		if _, err := os.Lstat(filepath.Join("/", r.Root.Chroot, words[0])); errors.Is(err, fs.ErrNotExist) {
			scripts[words[0]] = append(scripts[words[0]], name)
		}
	}
	var list []string
	if r.lacksFindRequires() {
		list = append(list, fmt.Sprintf("%s has no %s, and rpm dies where it asks it about a package of many files: leave those out (--without headers, doc, perf)", r.Root.Name(), redHatFindRequires))
	}
	for _, program := range slices.Sorted(maps.Keys(scripts)) {
		list = append(list, fmt.Sprintf("%s has no %s, which these of the package's scripts are for: %s; a build that runs one stops there (--root builds where it is)",
			r.Root.Name(), program, strings.Join(scripts[program], ", ")))
	}
	return list
}

// newCompiler returns the major version of this machine's gcc if that is 5 or later, else "". gcc 5 and later
// refuse code of older kernels.
func newCompiler(ctx context.Context) string {
	out, err := command.Ask(ctx, "gcc", "-dumpversion")
	major, _, _ := strings.Cut(strings.TrimSpace(string(out)), ".")
	if n, bad := strconv.Atoi(major); err != nil || bad != nil || n < 5 {
		return ""
	}
	return major
}

// hasTool reports whether a program is installed here, or in a chroot.
func hasTool(root rpmbuild.Root, name string) bool {
	if root.Chroot == "" {
		_, err := tool.Find(name)
		return err == nil
	}
	return slices.ContainsFunc([]string{"usr/bin", "usr/sbin", "bin", "sbin"}, func(dir string) bool {
		// An absolute link in there must not be followed out here.
		_, err := os.Lstat(filepath.Join(root.Chroot, dir, name))
		return err == nil
	})
}
