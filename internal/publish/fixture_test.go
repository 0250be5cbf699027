// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/runlock"
	"ovzpatch/internal/testutil"
)

// kernelSpec is a made-up kernel with what matters to a repository: an image, modules, scripts, and
// wants that only a system meets.
const kernelSpec = `
%global debug_package %{nil}
%define __os_install_post %{nil}
Name: kernel-ovz
Version: 6.1.1
Release: %{rel}.lustre1
Summary: A kernel
License: GPLv2
BuildRequires: only-where-it-is-built >= 1
Requires: /sbin/depmod, coreutils >= 8
Requires(post): /bin/sh
Provides: kernel = %{version}-%{release}
Provides: installonlypkg(kernel)
%description
A kernel.
%package devel
Summary: For its modules
Requires: kernel-ovz = %{version}-%{release}
Provides: installonlypkg(kernel)
%description devel
For its modules.
%install
mkdir -p %{buildroot}/boot %{buildroot}/lib/modules/%{version}-%{release} %{buildroot}/usr/src/kernels/%{version}-%{release}
seq 10000 > %{buildroot}/boot/vmlinuz-%{version}-%{release}.%{_target_cpu}
head -c ${PUBLISH_KERNEL_MB:-0}000000 /dev/urandom > %{buildroot}/lib/modules/%{version}-%{release}/modules.ko
echo %{rel} > %{buildroot}/lib/modules/%{version}-%{release}/modules.order
echo all: > %{buildroot}/usr/src/kernels/%{version}-%{release}/Makefile
%post
/sbin/depmod -a
%files
/boot/vmlinuz-*
/lib/modules/*
%files devel
/usr/src/kernels/*
`

var built = struct {
	sync.Mutex
	dirs map[string]string
}{dirs: map[string]string{}}

// packages builds a release of the kernel once for all tests, and returns the directory with its
// packages.
func packages(t testing.TB, arch, release string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	key := arch + release
	if built.dirs[key] == "" {
		top := filepath.Join(testRoot, "packages", key)
		if err := os.MkdirAll(top, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, "k.spec"), []byte(kernelSpec), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, nil, "rpmbuild", "-ba", "--nodeps", "--target", arch, "--define", "rel "+release, "--define", "_topdir "+top+"/top",
			"--define", "_rpmdir "+top, "--define", "_srcrpmdir "+top, "--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
			"--define", "_binary_payload w1.gzdio", "--define", "_rpmformat 4", "--define", "_dbpath "+top+"/db", top+"/k.spec")
		built.dirs[key] = top
	}
	return built.dirs[key]
}

// slow leaves out a test that publishes several times: rpmsign, createrepo_c and dnf take their time.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it publishes several times")
	}
}

func run(t testing.TB, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

var testRoot string

func TestMain(m *testing.M) {
	if os.Getenv("PUBLISH_CHILD") != "" {
		os.Exit(m.Run()) // it will be killed, and leaves nothing behind
	}
	// Locks must be on a tmpfs, and the names of gpg-agent's sockets short.
	dir, remove, err := testutil.Memory("ovzpublish")
	if err == nil {
		// What is built and signed here must not depend on a user's macros.
		err = errors.Join(os.Mkdir(filepath.Join(dir, "home"), 0o755), os.Setenv("HOME", filepath.Join(dir, "home")), os.Unsetenv("XDG_CONFIG_HOME"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	testRoot = dir
	code := m.Run()
	remove()
	os.Exit(code)
}

// keyHome makes a directory of keys with one key of that algorithm.
func keyHome(t testing.TB, algorithm, expires string) string {
	t.Helper()
	home, err := os.MkdirTemp(testRoot, "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run() })
	run(t, nil, "gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "Release <release@example.org>", algorithm, "sign", expires)
	return home
}

// oldKeyHome gives gpg1 the keys that gpg has in home.
func oldKeyHome(t testing.TB, home string) string {
	t.Helper()
	old, err := os.MkdirTemp(testRoot, "g")
	if err != nil {
		t.Fatal(err)
	}
	run(t, nil, "sh", "-c", "gpg --homedir "+home+" --batch --export-secret-keys | gpg1 --homedir "+old+" --batch --import 2>&1")
	return old
}

// fixture is a datastore, a key, and where to publish.
type fixture struct {
	t     testing.TB
	store *datastore.Store
	said  *said
	o     Options
}

// said is a reporter that keeps what was said.
type said struct {
	job.Quiet
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.b, format+"\n", args...)
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp(testRoot, "f")
	if err != nil {
		t.Fatal(err)
	}
	s, err := datastore.Init(filepath.Join(dir, "store"), "", runlock.Place{Root: filepath.Join(dir, "run/locks")})
	if err != nil {
		t.Fatal(err)
	}
	said := &said{}
	return &fixture{t, s, said, Options{
		Keep: DefaultKeep,
		To:   filepath.Join(dir, "repo"), Names: []string{"kernel/kernel-ovz.x86_64"}, Report: said,
		Key: "release@example.org", GPGHome: keyHome(t, "rsa2048", "never"),
	}}
}

var firstDay = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// keep puts a release of the kernel into the store, as it is after ovzpatch run --store; change may
// alter the manifest.
func (f *fixture) keep(arch, release string, change func(*datastore.Manifest)) datastore.Ref {
	f.t.Helper()
	g, err := datastore.ParseGroup("kernel/kernel-ovz." + arch)
	if err != nil {
		f.t.Fatal(err)
	}
	var n int
	fmt.Sscan(release, &n)
	w, err := f.store.Create(f.t.Context(), g, firstDay.AddDate(0, 0, n))
	if err != nil {
		f.t.Fatal(err)
	}
	defer w.Abort()
	files, err := filepath.Glob(filepath.Join(packages(f.t, arch, release), "*.rpm"))
	if err != nil || len(files) != 3 {
		f.t.Fatalf("%q, %v", files, err)
	}
	kernel := "kernel-ovz-6.1.1-" + release + ".lustre1." + arch + ".rpm"
	for _, path := range files {
		file, err := w.AddPath(f.t.Context(), path)
		if err != nil {
			f.t.Fatal(err)
		}
		if file.Name == kernel {
			w.Manifest.Verdicts = []datastore.Verdict{
				{Time: firstDay, File: kernel, SHA256: file.SHA256, Verdict: "protected", Expected: "protected"},
				{Time: firstDay, File: "kernel-ovz-6.1.1-" + release + "." + arch + ".rpm", SHA256: strings.Repeat("ab", 32), Control: true, Verdict: "vulnerable", Expected: "vulnerable"},
			}
		}
	}
	w.Manifest.Source = datastore.Input{Name: "linux.tar.xz", SHA256: strings.Repeat("cd", 32)}
	w.Manifest.Port = datastore.Input{Name: "ovz.patch", SHA256: strings.Repeat("ef", 32)}
	if change != nil {
		change(&w.Manifest)
	}
	if err := w.Commit(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return w.Ref()
}

func (f *fixture) publish() *Result {
	f.t.Helper()
	res, err := Publish(f.t.Context(), f.store, f.o)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

// refused publishes and wants an error that says so, and nothing changed.
func (f *fixture) refused(want string) {
	f.t.Helper()
	before := f.tree()
	_, err := Publish(f.t.Context(), f.store, f.o)
	if err == nil || !strings.Contains(err.Error(), want) {
		f.t.Errorf("got %v, want %q", err, want)
	}
	if after := f.tree(); after != before {
		f.t.Errorf("refused with %v, and changed:\n%s\nwas:\n%s", err, after, before)
	}
}

// tree is all that the repository's directory has, with what links lead to.
func (f *fixture) tree() string {
	var b strings.Builder
	filepath.Walk(f.o.To, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return nil
		}
		link, _ := os.Readlink(path)
		size := info.Size()
		if info.IsDir() {
			size = 0
		}
		fmt.Fprintln(&b, strings.TrimPrefix(path, f.o.To), info.Mode(), size, link)
		return nil
	})
	return b.String()
}

// signature is what rpm says of a package, with nothing but the key that is published.
func (f *fixture) signature(path string) string {
	f.t.Helper()
	db := f.t.TempDir()
	run(f.t, nil, "rpmkeys", "--dbpath", db, "--import", filepath.Join(f.o.To, currentLink, keyFile))
	out := run(f.t, nil, "rpmkeys", "--dbpath", db, "--checksig", "-v", path)
	// rpm 6 writes the whole fingerprint, and some letters small.
	out = regexp.MustCompile(`key fingerprint: [0-9a-f]{32}`).ReplaceAllString(out, "key ID ")
	return strings.ReplaceAll(out, " signature,", " Signature,")
}
