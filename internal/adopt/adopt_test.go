// SPDX-License-Identifier: Apache-2.0

package adopt

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/gate"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/runlock"
	"ovzpatch/internal/trial"
)

// spec is a made-up kernel, whose image holds the message where the patch is put in.
const spec = `
%global debug_package %{nil}
%define __os_install_post %{nil}
Name: kernel-ovz
Version: 6.1.1
Release: %{rel}
Summary: A kernel
License: GPLv2
Source0: linux.tar
%if %{patched}
Patch0: some-name.patch
%endif
%description
A kernel.
%package devel
Summary: For its modules
%description devel
For its modules.
%package tools
Summary: Tools
BuildArch: noarch
%description tools
Tools.
%package second
Summary: Another kernel
%description second
Another kernel.
%prep
%setup -qcT
cp %{SOURCE0} image
%if %{patched}
cat %{PATCH0} >>image
%endif
%install
mkdir -p %{buildroot}/boot %{buildroot}/lib/modules/6.1.1-%{rel} %{buildroot}/usr/src/kernels %{buildroot}/usr/bin
gzip -c image >%{buildroot}/boot/vmlinuz-6.1.1-%{rel}
gzip -c image >%{buildroot}/boot/vmlinuz-6.1.1-%{rel}.second
echo >%{buildroot}/lib/modules/6.1.1-%{rel}/a.ko
echo >%{buildroot}/usr/src/kernels/Makefile
echo >%{buildroot}/usr/bin/perf
%files
/boot/vmlinuz-6.1.1-%{rel}
/lib/modules/*
%files second
/boot/vmlinuz-6.1.1-%{rel}.second
%files devel
/usr/src/kernels/*
%files tools
/usr/bin/perf
`

// built are the packages of one run of rpmbuild.
type built struct {
	t   *testing.T
	dir string
	rel string
}

func (b built) file(name string) string { return filepath.Join(b.dir, name+"-6.1.1-"+b.rel) }
func (b built) kernel() string          { return b.file("kernel-ovz") + ".x86_64.rpm" }
func (b built) devel() string           { return b.file("kernel-ovz-devel") + ".x86_64.rpm" }
func (b built) tools() string           { return b.file("kernel-ovz-tools") + ".noarch.rpm" }
func (b built) second() string          { return b.file("kernel-ovz-second") + ".x86_64.rpm" }
func (b built) source() string          { return b.file("kernel-ovz") + ".src.rpm" }
func (b built) all() []string           { return []string{b.source(), b.kernel(), b.devel(), b.tools()} }

func rpmbuild(t *testing.T, dir string, args ...string) {
	t.Helper()
	args = append([]string{
		"--quiet", "--nodeps", "--define", "_topdir " + dir, "--define", "_sourcedir " + dir, "--define", "_rpmdir " + dir, "--define", "_srcrpmdir " + dir,
		"--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "--define", "_dbpath " + dir + "/db", "--define", "_rpmformat 4",
	}, args...)
	cmd := exec.Command("rpmbuild", args...)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
}

func build1(t *testing.T, rel, arch string, patched bool) built {
	t.Helper()
	b := built{t, t.TempDir(), rel}
	head := "%global rel " + rel + "\n%global patched 0\n"
	if patched {
		head = "%global rel " + rel + "\n%global patched 1\n"
	}
	for name, text := range map[string]string{
		"k.spec": head + spec, "linux.tar": strings.Repeat("a kernel\n", 1000), "some-name.patch": "+\t\"" + gate.MessageHead + "%d)\"\n",
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rpmbuild(t, b.dir, "-ba", "--target", arch, filepath.Join(b.dir, "k.spec"))
	return b
}

type said struct {
	job.Quiet
	lines []string
}

func (s *said) Say(format string, args ...any) {
	s.lines = append(s.lines, strings.TrimSpace(format), strings.Join(words(args), " "))
}

func words(args []any) (list []string) {
	for _, a := range args {
		if s, ok := a.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

func newStore(t *testing.T) *datastore.Store {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ovzpatch") // locks must be on a tmpfs
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := datastore.Init(filepath.Join(dir, "store"), "", runlock.Place{Root: filepath.Join(dir, "run/locks")})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, s *datastore.Store, ref datastore.Ref) *datastore.Reader {
	t.Helper()
	r, err := s.OpenSnapshot(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestAdd(t *testing.T) {
	s := newStore(t)
	b := build1(t, "1", "x86_64", true)
	log := filepath.Join(b.dir, "the log (2).txt")
	if err := os.WriteFile(log, []byte("built\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// A file's name is that of its package, whatever it was called.
	odd := filepath.Join(b.dir, "download (1).rpm")
	if err := os.Rename(b.kernel(), odd); err != nil {
		t.Fatal(err)
	}
	var u said
	ref, err := Add(t.Context(), s, Options{Packages: []string{b.source(), odd, b.devel(), b.tools()}, Namespace: "koji", Log: log, Report: &u})
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, s, ref)
	m := r.Manifest
	if ref.Group.String() != "koji/kernel/kernel-ovz.x86_64" || len(m.Files) != 5 || m.Log != "build.log" || !Elsewhere(m) {
		t.Errorf("%+v", m)
	}
	if m.Source.Name != filepath.Base(b.source()) || len(m.Source.SHA256) != 64 || m.Spec.Name != "k.spec" || len(m.Spec.SHA256) != 64 ||
		m.Port.Name != "some-name.patch" || len(m.Port.SHA256) != 64 || m.Derived != "" || !strings.HasPrefix(m.Toolchain["rpmbuild"], "RPM version ") || len(m.Toolchain) != 1 {
		t.Errorf("%+v", m)
	}
	kernel := r.Path(filepath.Base(b.kernel()))
	if devel, err := kernelrpm.FindDevel(t.Context(), kernel); err != nil || devel != r.Path(filepath.Base(b.devel())) {
		t.Errorf("ovzpatch test finds %q, %v", devel, err)
	}
	if text := strings.Join(u.lines, "\n"); !strings.Contains(text, "are not signed") || strings.Contains(text, "NOT checked") {
		t.Errorf("said:\n%s", text)
	}

	// As mock and Koji build: of a source package.
	again := built{t, t.TempDir(), "1"}
	rpmbuild(t, again.dir, "--rebuild", "--target", "x86_64", b.source())
	u.lines = nil
	if _, err := Add(t.Context(), s, Options{Packages: []string{again.kernel(), again.devel(), b.source()}, Report: &u}); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(u.lines, "\n"); !strings.Contains(text, "NOT checked: whether %s is exactly the source package") {
		t.Errorf("said:\n%s", text)
	}

	// The same kernel without the patch is its control, though the sources are two files.
	plain := build1(t, "1", "x86_64", false)
	ref, err = Add(t.Context(), s, Options{Packages: plain.all(), Report: &u})
	if err != nil {
		t.Fatal(err)
	}
	control := open(t, s, ref)
	if m := control.Manifest; m.Port.Name != "" || m.Derived != "" {
		t.Errorf("noted as patched: %+v", m)
	}
	if err := trial.IsControl(t.Context(), control, r); err != nil {
		t.Error(err)
	}
	// Of a kernel of which it is unknown which patch it has, it is unknown whether that is all.
	named := m.Port
	m.Port, m.Derived = datastore.Input{Name: datastore.UnknownPort}, "its image could not be read"
	if err := trial.IsControl(t.Context(), control, r); err == nil || !strings.Contains(err.Error(), "has some-name.patch besides, and whether that is its patch is unknown (its image could not be read)") {
		t.Errorf("got %v", err)
	}
	m.Port, m.Derived = named, ""
	other := build1(t, "2", "x86_64", false)
	if err := os.WriteFile(filepath.Join(other.dir, "linux.tar"), []byte("another\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	rpmbuild(t, other.dir, "-ba", "--target", "x86_64", filepath.Join(other.dir, "k.spec"))
	ref, err = Add(t.Context(), s, Options{Packages: other.all(), Report: &u})
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.IsControl(t.Context(), open(t, s, ref), r); err == nil || !strings.Contains(err.Error(), "linux.tar differs in their source packages") {
		t.Errorf("a kernel of other sources is its control: %v", err)
	}
}

// What cannot be known is not guessed.
func TestUnknownPatch(t *testing.T) {
	s := newStore(t)
	b := build1(t, "1", "x86_64", true)
	// The patch is in the tarball.
	if err := os.WriteFile(filepath.Join(b.dir, "linux.tar"), []byte(gate.MessageHead), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "some-name.patch"), []byte("nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	rpmbuild(t, b.dir, "-ba", "--target", "x86_64", filepath.Join(b.dir, "k.spec"))
	ref, err := Add(t.Context(), s, Options{Packages: b.all(), Report: job.Quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if m := open(t, s, ref).Manifest; m.Port.Name != datastore.UnknownPort || m.Port.SHA256 != "" || !strings.Contains(m.Derived, "no patch of the source package does") {
		t.Errorf("%+v", m)
	}
}

func TestBadPackages(t *testing.T) {
	s := newStore(t)
	b, later := build1(t, "1", "x86_64", true), build1(t, "2", "x86_64", true)
	same, old := build1(t, "1", "x86_64", false), build1(t, "1", "i686", true)
	cut := filepath.Join(t.TempDir(), "cut.rpm")
	text, err := os.ReadFile(b.kernel())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, text[:len(text)-10], 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := strings.Replace(old.devel(), "x86_64", "i686", 1)
	for _, tt := range []struct {
		want     string
		packages []string
	}{
		{"none of them holds a kernel image", []string{b.devel(), b.source()}},
		{"both hold a kernel", append(b.all(), b.second())},
		{"both hold a kernel", append(b.all(), later.kernel())},
		{"are the same package", append(b.all(), b.kernel())},
		{"are the same package", append(b.all(), same.kernel())},
		{"are both source packages", append(b.all(), later.source())},
		{"is for i686, and the kernel for x86_64", append(b.all(), foreign)},
		{"they are not of one build", append(b.all(), later.tools())},
		{"-devel package is missing, and ovzpatch test builds its probe against it", []string{b.kernel(), b.source()}},
		{"the source package is missing", []string{b.kernel(), b.devel()}},
		{"is not the source package of this build, which is called kernel-ovz-6.1.1-1.src.rpm", []string{b.kernel(), b.devel(), later.source()}},
		{"is not the source package of this build, though it has its name", []string{b.kernel(), b.devel(), same.source()}},
		{"it is truncated or damaged", []string{cut, b.devel(), b.source()}},
		{"not an RPM file", []string{filepath.Join(b.dir, "k.spec")}},
		{"no such file", []string{"nowhere.rpm"}},
	} {
		_, err := Add(t.Context(), s, Options{Packages: tt.packages, Report: job.Quiet{}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	// The names of gpg-agent's sockets must be short.
	home, err := os.MkdirTemp("/dev/shm", "ovzpatch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run()
		os.RemoveAll(home)
	})
	none := filepath.Join(home, "keys")
	for _, args := range [][]string{{"--passphrase", "", "--quick-gen-key", "k", "rsa2048", "sign", "never"}, {"--output", none, "--export"}} {
		if out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if _, err := Add(t.Context(), s, Options{Packages: b.all(), Keyring: none, Report: job.Quiet{}}); err == nil || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("with a keyring: %v", err)
	}
	if _, err := Add(t.Context(), s, Options{Packages: b.all(), Log: b.dir, Report: job.Quiet{}}); err == nil || !strings.Contains(err.Error(), "it must be a plain file") {
		t.Errorf("a directory as the log: %v", err)
	}
	if all, err := s.All(); err != nil || len(all) > 0 {
		t.Errorf("there are %v, %v", all, err)
	}
}
