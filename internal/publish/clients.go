// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ovzpatch/internal/command"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/scratch"
)

// look sees the staged repository as clients do: gpgv verifies its metadata, dnf finds no package of
// it that wants another of it in vain, and installs the newest kernels into an empty root. What
// packages want of a system, a made-up package provides. It returns these wants.
func (s *stage) look(ctx context.Context, p Profile, prim *primary) (outside []string, err error) {
	dir, remove, err := scratch.New("", "client")
	if err != nil {
		return nil, err
	}
	defer leave(dir, remove, &err)
	c := &client{dir: dir}
	if err := s.key.verify(ctx, dir, filepath.Join(s.repo(p), "repodata/repomd.xml")); err != nil {
		return nil, fmt.Errorf("verify metadata for %s as a client does: %w", p, err)
	}
	wants, err := outsideOf(prim)
	if err != nil {
		return nil, err
	}
	if err := c.system(ctx, wants); err != nil {
		return nil, fmt.Errorf("make up what packages want of a system: %w", err)
	}
	if err := c.configure(s.repo(p), s.key.public); err != nil {
		return nil, err
	}
	// With --best only the newest of each name are looked at. What a source package wants is there
	// where it is built.
	closure := []string{"--disableplugin=*", "--enableplugin=repoclosure", "--nobest", "repoclosure", "--check", "published"}
	for _, arch := range binaryArchs(s.rec.Packages) {
		closure = append(closure, "--arch", arch)
	}
	steps := []func(context.Context) error{func(ctx context.Context) error {
		if err := c.dnf(ctx, "closure", closure...); err != nil {
			return fmt.Errorf("look for unmet dependencies in %s: %w", p, err)
		}
		return nil
	}}
	if err := c.becomeRoot(ctx); err != nil {
		s.u.Say("NOT checked: dnf installs into an empty root as root only, and a user namespace could not be had: %v", err)
	} else {
		steps = append(steps, func(ctx context.Context) error { return s.install(ctx, p, c) })
	}
	if err := together(ctx, steps...); err != nil {
		return nil, err
	}
	for _, w := range wants {
		outside = append(outside, w.String())
	}
	return outside, nil
}

// install has dnf install the newest kernels into an empty root.
func (s *stage) install(ctx context.Context, p Profile, c *client) error {
	defer s.u.Done()
	for arch, names := range newestKernels(s.rec.Packages) {
		s.u.Live("dnf installs %s for %s into an empty root", strings.Join(names, " "), p)
		// No plugin: "local" would keep copies below /var.
		args := append([]string{"--noplugins", "--installroot", filepath.Join(c.dir, "root-"+arch), "--forcearch", arch, "install"}, names...)
		if err := c.dnf(ctx, "install", args...); err != nil {
			return fmt.Errorf("install %s from %s as a client does: %w", strings.Join(names, " "), p, err)
		}
	}
	return nil
}

// client is a dnf of its own, with nothing of this machine's.
type client struct {
	dir string
	as  []string // what makes dnf root, where this process is not
}

// becomeRoot makes dnf root in a user namespace, where this process is another user.
func (c *client) becomeRoot(ctx context.Context) error {
	if os.Geteuid() == 0 {
		return nil
	}
	c.as = []string{"unshare", "--user", "--map-root-user"}
	_, err := command.Ask(ctx, append(slices.Clone(c.as), "true")...)
	return err
}

const systemName = "ovzpatch-system"

// systemWord is what may stand in the made-up package's spec; names of packages could hold macros.
var systemWord = regexp.MustCompile(`^[A-Za-z0-9_/][A-Za-z0-9_./+:()~^*-]*$`)

// outsideOf returns what packages require and no package of the repository is called or provides.
func outsideOf(prim *primary) ([]relation, error) {
	ours := map[string]bool{}
	for _, p := range prim.Packages {
		if p.Arch == "src" || p.Arch == "nosrc" {
			continue
		}
		for _, r := range p.Provides {
			ours[r.Name] = true
		}
		for _, f := range p.Files {
			ours[f] = true
		}
	}
	var wants []relation
	for _, p := range prim.Packages {
		if p.Arch == "src" || p.Arch == "nosrc" {
			continue
		}
		for _, r := range p.Requires {
			// A condition, "(a if b)", holds where nothing of it is there, or dnf says that it does not.
			if ours[r.Name] || strings.HasPrefix(r.Name, "(") || strings.HasPrefix(r.Name, "rpmlib(") || slices.Contains(wants, r) {
				continue
			}
			for _, word := range []string{r.Name, r.Version, r.Release} {
				if word != "" && !systemWord.MatchString(word) {
					return nil, fmt.Errorf("%s requires %q, which is not a name or version that rpm allows", p.Location.Href, word)
				}
			}
			wants = append(wants, r)
		}
	}
	slices.SortFunc(wants, func(a, b relation) int { return strings.Compare(a.String(), b.String()) })
	return wants, nil
}

func (r relation) evr() string {
	v := r.Version
	if r.Epoch != "" && r.Epoch != "0" {
		v = r.Epoch + ":" + v
	}
	if r.Release != "" {
		v += "-" + r.Release
	}
	return v
}

func (r relation) String() string {
	sign := map[string]string{"EQ": "=", "LT": "<", "GT": ">", "LE": "<=", "GE": ">="}[r.Flags]
	if sign == "" {
		return r.Name
	}
	return r.Name + " " + sign + " " + r.evr()
}

// provided is a Provides that meets the requirement.
func (r relation) provided() string {
	switch r.Flags {
	case "LT":
		return r.Name + " = 0"
	case "GT":
		return r.Name + " = 999999:" + r.Version
	case "":
		return r.Name
	}
	return r.Name + " = " + r.evr()
}

// system makes the package that stands for a system, in a repository of its own.
func (c *client) system(ctx context.Context, wants []relation) error {
	var spec strings.Builder
	fmt.Fprintf(&spec, "Name: %s\nVersion: 1\nRelease: 1\nSummary: What packages want of a system\nLicense: Apache-2.0\nBuildArch: noarch\n", systemName)
	for _, w := range wants {
		fmt.Fprintf(&spec, "Provides: %s\n", w.provided())
	}
	fmt.Fprintf(&spec, "%%description\nIt is never published.\n%%files\n")
	path := filepath.Join(c.dir, "system.spec")
	if err := os.WriteFile(path, []byte(spec.String()), 0o644); err != nil {
		return err
	}
	repo := filepath.Join(c.dir, "system")
	err := command.Run(ctx, command.Cmd{Clean: true, Env: rpmbuild.Environment(c.dir), Args: []string{
		"rpmbuild", "-bb", "--quiet", "--define", "_topdir " + filepath.Join(c.dir, "top"), "--define", "_rpmdir " + repo,
		"--define", "_dbpath " + filepath.Join(c.dir, "db"), "--define", "_tmppath " + c.dir, path,
	}})
	if err != nil {
		return err
	}
	return command.Run(ctx, command.Cmd{Args: []string{"createrepo_c", "--quiet", "--no-database", repo}, Env: nobodys(c.dir)})
}

// configure writes what dnf reads: both repositories, and that signatures must be good.
func (c *client) configure(repo string, public []byte) error {
	key := filepath.Join(c.dir, "key")
	// A link, as dnf would read a comma, a space, a # or a % in the repository's path as the end of an address, or as
	// something encoded.
	published := filepath.Join(c.dir, "published")
	if err := os.Symlink(repo, published); err != nil {
		return err
	}
	conf := fmt.Sprintf(`[main]
gpgcheck=1
localpkg_gpgcheck=1
install_weak_deps=0
best=1
installonly_limit=0
tsflags=noscripts
skip_if_unavailable=0
reposdir=%[1]s/none
varsdir=%[1]s/none
pluginconfpath=%[1]s/none
[published]
name=published
baseurl=file://%[2]s
gpgkey=file://%[3]s
repo_gpgcheck=1
[%[4]s]
name=%[4]s
baseurl=file://%[1]s/system
gpgcheck=0
`, c.dir, published, key, systemName)
	return errors.Join(
		os.WriteFile(key, public, 0o644),
		os.WriteFile(filepath.Join(c.dir, "dnf.conf"), []byte(conf), 0o644),
	)
}

// dnf runs dnf with a cache of that name, which one of them locks.
func (c *client) dnf(ctx context.Context, name string, args ...string) error {
	all := append(slices.Clone(c.as), "dnf", "--assumeyes", "--config", filepath.Join(c.dir, "dnf.conf"), "--releasever=1")
	for _, kind := range []string{"cache", "persist", "log"} {
		dir := filepath.Join(c.dir, name, kind)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		all = append(all, "--setopt="+kind+"dir="+dir)
	}
	return command.Run(ctx, command.Cmd{Args: append(all, args...), Env: append(nobodys(c.dir), "LC_ALL=C.UTF-8")})
}

// binaryArchs returns the architectures of all but the source packages.
func binaryArchs(packages []Package) []string {
	var archs []string
	for _, p := range packages {
		if !p.Source && !slices.Contains(archs, p.Arch) {
			archs = append(archs, p.Arch)
		}
	}
	return archs
}

// newest returns the newest kernel of each name and architecture.
func newest(packages []Package) map[string]Package {
	found := map[string]Package{}
	for _, p := range packages {
		key := p.Arch + " " + p.Name
		if old, there := found[key]; p.Kernel && (!there || p.Time.After(old.Time)) {
			found[key] = p
		}
	}
	return found
}

// isDevel reports whether a package is the -devel package of a kernel.
func isDevel(p, kernel Package) bool {
	return p.Name == strings.TrimSuffix(kernel.Name, "-core")+"-devel" && p.Version == kernel.Version && p.Arch == kernel.Arch
}

// newestKernels returns the newest kernel of each name, by architecture, with its -devel package.
func newestKernels(packages []Package) map[string][]string {
	names := map[string][]string{}
	for _, k := range newest(packages) {
		names[k.Arch] = append(names[k.Arch], k.NEVRA())
		if i := slices.IndexFunc(packages, func(p Package) bool { return isDevel(p, k) }); i >= 0 {
			names[k.Arch] = append(names[k.Arch], packages[i].NEVRA())
		}
	}
	for arch := range names {
		slices.Sort(names[arch])
	}
	return names
}
