// SPDX-License-Identifier: Apache-2.0

package repoclient

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/testutil"
)

// makeRPM builds a package with a file that makes it a kernel, or what modules are built
// against. The version is in every file name, so that two of them have none in common.
func makeRPM(t *testing.T, repo, name, version string, kind Kind, payload string, lines ...string) string {
	t.Helper()
	file := map[Kind]string{Kernel: "/boot/vmlinuz-", Devel: "/usr/src/kernels/", Other: "/usr/share/"}[kind] + name + "-" + version
	if kind == Devel {
		file += "/Makefile"
	}
	top := t.TempDir()
	spec := fmt.Sprintf("Name: %s\nVersion: %s\nRelease: 1\nSummary: A sample\nLicense: GPLv2\nBuildArch: noarch\n%s\n%%description\nA sample.\n"+
		"%%install\nmkdir -p %%{buildroot}%s\necho %s >%%{buildroot}%s\n%%files\n%s\n",
		name, version, strings.Join(lines, "\n"), filepath.Dir(file), version, file, file)
	path := filepath.Join(top, "sample.spec")
	if err := os.WriteFile(path, []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, top, "rpmbuild", "-bb", "--define", "_topdir "+top, "--define", "_rpmdir "+repo, "--define", "_dbpath "+top,
		"--define", "_rpmfilename %{NAME}-%{VERSION}.rpm", "--define", "_binary_payload "+payload, path)
	return filepath.Join(repo, name+"-"+version+".rpm")
}

func run(t *testing.T, home string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	// The args[0]s and libraries of zypper's that are not installed.
	zypper, err := filepath.Abs("../../bin/test/zypper/usr")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C",
		"LD_LIBRARY_PATH="+zypper+"/lib/x86_64-linux-gnu", "PATH="+zypper+"/bin:"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

// installers install a package into a root, each in mount namespaces of its own. A package of
// this test has no scripts.
var installers = map[string]func(t *testing.T, home, root, repo, what string){
	"dnf": func(t *testing.T, home, root, repo, what string) {
		run(t, home, append(testutil.Alone(), "dnf", "-q", "-y", "--installroot="+root, "--releasever=1",
			"--repofrompath=sample,file://"+repo, "--repo=sample", "--nogpgcheck", "--setopt=cachedir="+filepath.Join(home, "cache"),
			"--setopt=tsflags=noscripts", "--setopt=reposdir="+filepath.Join(home, "none"), "--disableplugin=*", "install", what)...)
	},
	"zypper": func(t *testing.T, home, root, repo, what string) {
		// SUSE's line; zypper reads the file of the root.
		etc := filepath.Join(root, "etc/zypp")
		if err := os.MkdirAll(etc, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(etc, "zypp.conf"), []byte("[main]\nmultiversion = provides:multiversion(kernel)\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, home, append(testutil.Alone(), "zypper", "-q", "-n", "--root", root, "--no-gpg-checks",
			"--plus-repo", "file://"+repo, "install", "--no-recommends", "--", what)...)
	},
}

// The real dnf and zypper, with two versions of a package one after the other: what is left is
// what Judge said.
func TestRealClients(t *testing.T) {
	if testing.Short() {
		t.Skip("installs packages")
	}
	if os.Geteuid() != 0 {
		t.Fatal("a root below a directory needs root")
	}
	if _, err := os.Stat("../../bin/test/zypper"); err != nil {
		t.Fatalf("%v: make bin/test/zypper", err)
	}
	// The Provides of the spec that ovzpatch makes packages from, as rpm expands them.
	ours := map[string][]string{}
	text, err := os.ReadFile("../../specs/kernel-ovz.spec")
	if err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(t.TempDir(), "kernel-ovz.spec")
	if err := os.WriteFile(spec, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "rpmspec", "-q", "--qf", "[%{=NAME} %{PROVIDES}\n]", spec).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, provide, _ := strings.Cut(strings.TrimSpace(line), " ")
		if provide != name && !strings.HasPrefix(provide, name+"(") {
			ours[name] = append(ours[name], "Provides: "+provide)
		}
	}
	repo := t.TempDir()
	samples := []struct {
		name    string
		kind    Kind
		payload string
		lines   []string
		want    map[string]Answer // where it matters that Judge does not err with the client
	}{
		{"kernel-ovz", Kernel, "w6.gzdio", ours["kernel-ovz"], map[string]Answer{"rhel5": Refuses, "rhel6": Keeps, "dnf": Keeps, "zypper": Keeps}},
		{"kernel-ovz-devel", Devel, "w6.gzdio", ours["kernel-ovz-devel"], map[string]Answer{"dnf": Keeps, "zypper": Keeps}},
		{"only-kernel", Kernel, "w9.bzdio", []string{"Provides: kernel"}, nil},
		{"only-installonlypkg", Kernel, "w2.xzdio", []string{"Provides: installonlypkg(kernel)"}, nil},
		{"only-multiversion", Kernel, "w3.zstdio", []string{"Provides: multiversion(kernel)"}, nil},
		{"ovzkernel", Kernel, "w6.gzdio", nil, map[string]Answer{"dnf": Removes, "zypper": Removes}},
		{"ovzkernel-devel", Devel, "w6.gzdio", []string{"Provides: kernel-devel"}, nil},
		{"kernel-tools", Other, "w6.gzdio", nil, map[string]Answer{"dnf": Installs, "zypper": Installs}},
	}
	for _, s := range samples {
		for _, version := range []string{"1", "2"} {
			makeRPM(t, repo, s.name, version, s.kind, s.payload, s.lines...)
		}
	}
	// What is installed, and a package that obsoletes it and would be kept beside it.
	obsoleting := []struct {
		old, by string
		was, is Kind
		want    Answer
	}{
		{"kernel", "kernel-new", Kernel, Kernel, Removes}, {"kernel-devel", "kernel-new-devel", Devel, Devel, Replaces}, {"kernel-xen", "tools-new", Kernel, Other, Removes},
	}
	for _, o := range obsoleting {
		makeRPM(t, repo, o.old, "1", o.was, "w6.gzdio", "Provides: multiversion(kernel)")
		makeRPM(t, repo, o.by, "2", o.is, "w6.gzdio", "Obsoletes: "+o.old, "Provides: kernel", "Provides: multiversion(kernel)")
	}
	run(t, t.TempDir(), "createrepo_c", "-q", repo)

	for _, client := range Clients {
		install, real := installers[client.Name]
		judge := func(t *testing.T, name string) Answer {
			p, err := Read(t.Context(), filepath.Join(repo, name+".rpm"))
			if err != nil {
				t.Fatal(err)
			}
			return client.Judge(p).Answer
		}
		left := func(t *testing.T, first, second string) int {
			home, root := t.TempDir(), t.TempDir()
			install(t, home, root, repo, first)
			install(t, home, root, repo, second)
			n := 0
			for _, name := range []string{first, second} {
				for _, file := range []string{"boot/vmlinuz-" + name, "usr/src/kernels/" + name + "/Makefile", "usr/share/" + name} {
					if _, err := os.Stat(filepath.Join(root, file)); err == nil {
						n++
					}
				}
			}
			return n
		}
		for _, s := range samples {
			t.Run(client.Name+"/"+s.name, func(t *testing.T) {
				answer := judge(t, s.name+"-2")
				if want, ok := s.want[client.Name]; ok && answer != want {
					t.Errorf("Judge says %s, want %s", answer, want)
				}
				if !real {
					return
				}
				want := map[Answer]int{Keeps: 2, Installs: 1, Replaces: 1, Removes: 1}[answer]
				if n := left(t, s.name+"-1", s.name+"-2"); n != want {
					t.Errorf("Judge says %s, and %s leaves %d of two", answer, client.Name, n)
				}
			})
		}
		for _, o := range obsoleting {
			if !real {
				break
			}
			t.Run(client.Name+"/obsoletes "+o.old, func(t *testing.T) {
				if answer := judge(t, o.by+"-2"); answer != o.want {
					t.Errorf("Judge says %s", answer)
				}
				if n := left(t, o.old+"-1", o.by+"-2"); n != 1 {
					t.Errorf("%s leaves %d of two", client.Name, n)
				}
			})
		}
	}
}
