// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ovzpatch/internal/testutil"
)

// What the page says is typed as it stands, but for the root in which it is done: the key comes into
// rpm's database, dnf and zypper find the repository by its .repo file and install the kernel, with
// every signature checked.
func TestInstructionsWork(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	zypper, err := filepath.Abs("../../bin/test/zypper/usr")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(zypper); err != nil {
		t.Fatalf("%v: make bin/test/zypper", err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(f.o.To)))
	defer server.Close()
	f.o.URL = server.URL
	res := f.publish()

	// A made-up package for what the kernel wants of a system.
	prim, err := readPrimary(t.Context(), filepath.Join(f.o.To, currentLink, "modern"))
	if err != nil {
		t.Fatal(err)
	}
	system := &client{dir: t.TempDir()}
	wants, err := outsideOf(prim)
	if err == nil {
		err = system.system(t.Context(), wants)
	}
	if err != nil {
		t.Fatal(err)
	}
	more := filepath.Join(system.dir, "system")

	get := func(url string) []byte {
		t.Helper()
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", url, r.Status, err)
		}
		return b
	}
	page := string(get(server.URL + "/current/" + pageFile))
	for heading, program := range map[string]string{"RHEL 8 and later, Fedora: dnf": "dnf", "SUSE: zypper": "zypper"} {
		t.Run(program, func(t *testing.T) {
			_, rest, ok := strings.Cut(page, "<h3>"+heading+"</h3>")
			block := regexp.MustCompile(`(?s)<pre>(.*?)</pre>`).FindStringSubmatch(rest)
			if !ok || block == nil {
				t.Fatalf("the page has no instructions for %s", heading)
			}
			root, home := t.TempDir(), t.TempDir()
			for _, d := range []string{"etc/yum.repos.d", "etc/zypp/repos.d"} {
				if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			do := func(args ...string) {
				t.Helper()
				all := append(testutil.Alone(), args...)
				cmd := exec.CommandContext(t.Context(), all[0], all[1:]...)
				cmd.Env = append(os.Environ(), "HOME="+home, "LC_ALL=C", "LD_LIBRARY_PATH="+zypper+"/lib/x86_64-linux-gnu", "PATH="+zypper+"/bin:"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				// Zypper's 107: it is installed, and its script failed; the root has no shell.
				if err != nil && (args[0] != "zypper" || cmd.ProcessState.ExitCode() != 107) {
					t.Fatalf("%q: %v\n%s", args, err, out)
				}
			}
			typed := 0
			for line := range strings.Lines(html.UnescapeString(block[1])) {
				w := strings.Fields(line)
				typed++
				switch {
				case len(w) == 3 && w[0] == "rpm" && w[1] == "--import":
					key := filepath.Join(home, "key")
					if err := os.WriteFile(key, get(w[2]), 0o644); err != nil {
						t.Fatal(err)
					}
					do("rpm", "--root", root, "--import", key)
				case len(w) == 4 && w[0] == "curl":
					if err := os.WriteFile(filepath.Join(root, w[2]), get(w[3]), 0o644); err != nil {
						t.Fatal(err)
					}
				case len(w) > 2 && w[0] == "zypper" && w[1] == "install":
					do("zypper", "-n", "--root", root, "--plus-repo", "file://"+more, "--no-gpg-checks", "install", "--no-recommends", systemName)
					do(append([]string{"zypper", "-n", "--root", root, "install", "--no-recommends"}, w[2:]...)...)
				case len(w) > 2 && w[0] == "dnf" && w[1] == "install":
					dnf := []string{
						"dnf", "-y", "--installroot=" + root, "--releasever=1", "--setopt=cachedir=" + filepath.Join(home, "cache"),
						"--setopt=tsflags=noscripts", "--setopt=reposdir=" + filepath.Join(root, "etc/yum.repos.d"), "--disableplugin=*", "--forcearch=x86_64",
					}
					do(append(dnf, "--repofrompath=more,file://"+more, "--setopt=more.gpgcheck=0", "install", systemName)...)
					do(append(dnf, append([]string{"install"}, w[2:]...)...)...)
				default:
					t.Errorf("the page says %q", line)
				}
			}
			if typed != 3 {
				t.Errorf("%d lines: %s", typed, block[1])
			}
			for _, k := range res.Generation.Kernels() {
				found, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
				if len(found) != 1 {
					t.Errorf("%s is not installed: %q", k.NEVRA(), found)
				}
			}
		})
	}
}
