// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdvisoryIsChecked(t *testing.T) {
	good := Advisory{ID: "OVZ-2026:001", Severity: "Important", Description: "One line.\nAnother.", References: []string{"CVE-2026-1234", "https://example.org/a?b=c"}}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(a *Advisory){
		"--advisory=":    func(a *Advisory) { a.ID = "a b" },
		"--advisory=\"":  func(a *Advisory) { a.ID = "<x>" },
		"--severity=":    func(a *Advisory) { a.Severity = "important" },
		"--description":  func(a *Advisory) { a.Description = " \n" },
		"--description:": func(a *Advisory) { a.Description = "\x1b[31mred" },
		"plain text":     func(a *Advisory) { a.Description = "\xff" },
		"at most 65536":  func(a *Advisory) { a.Description = strings.Repeat("x", 1<<17) },
		"--reference=":   func(a *Advisory) { a.References = []string{"CVE-1"} },
		"--reference=\"": func(a *Advisory) { a.References = []string{"javascript:alert(1)"} },
		"an address":     func(a *Advisory) { a.References = []string{"https://user:secret@example.org"} },
	} {
		a := good
		change(&a)
		if err := a.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// dnf, in a root with the first kernel, shows the notice of the second, and the group.
func TestAdvisory(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	f.publish()
	prim, err := readPrimary(t.Context(), filepath.Join(f.o.To, "current/modern"))
	if err != nil {
		t.Fatal(err)
	}
	wants, err := outsideOf(prim)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{dir: t.TempDir()}
	key, err := os.ReadFile(filepath.Join(f.o.To, "current", keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.system(t.Context(), wants); err != nil {
		t.Fatal(err)
	}
	if err := c.configure(filepath.Join(f.o.To, "current/modern"), key); err != nil {
		t.Fatal(err)
	}
	dnf := func(args ...string) string {
		t.Helper()
		all := []string{
			"dnf", "--assumeyes", "--config", c.dir + "/dnf.conf", "--releasever=1", "--noplugins", "--installroot", c.dir + "/root", "--forcearch=x86_64", "--refresh",
			"--setopt=cachedir=" + c.dir + "/cache", "--setopt=persistdir=" + c.dir + "/persist", "--setopt=logdir=" + c.dir,
		}
		return run(t, []string{"LC_ALL=C.UTF-8", "HOME=" + c.dir}, append(all, args...)...)
	}
	dnf("install", "kernel-ovz")

	f.keep("x86_64", "2", nil)
	f.o.Advisory = &Advisory{
		ID: "OVZ-2026:001", Severity: "Important", Description: "A <container> could stop Lustre & more.\nUpdate, then reboot.",
		References: []string{"CVE-2026-1234", "https://example.org/why"},
	}
	second := f.publish()
	if a := second.Generation.Advisories; len(a) != 1 || strings.Join(a[0].Packages, " ") != "kernel-ovz-6.1.1-2.lustre1.x86_64 kernel-ovz-devel-6.1.1-2.lustre1.x86_64" {
		t.Errorf("%+v", a)
	}
	page := read(t, f.o.To, currentLink, pageFile)
	for _, want := range []string{"OVZ-2026:001, Important", "A &lt;container&gt; could stop Lustre &amp; more.\nUpdate, then reboot.", "CVE-2026-1234", "kernel-ovz-devel-6.1.1-2.lustre1.x86_64</dd>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	list := dnf("updateinfo", "list", "--security")
	if !strings.Contains(list, "OVZ-2026:001 Important/Sec. kernel-ovz-6.1.1-2.lustre1.x86_64") || strings.Contains(list, "-1.lustre1") {
		t.Errorf("dnf lists:\n%s", list)
	}
	info := dnf("updateinfo", "info", "OVZ-2026:001")
	for _, want := range []string{"A <container> could stop Lustre & more.", "Update, then reboot.", "CVEs: CVE-2026-1234", "Severity: Important", "Type: security"} {
		if !strings.Contains(info, want) {
			t.Errorf("dnf's info lacks %q:\n%s", want, info)
		}
	}
	if listsGroups(t) {
		if groups := dnf("group", "info", groupID); !strings.Contains(groups, "Default Packages:\n   kernel-ovz\n") || !strings.Contains(groups, "Optional Packages:\n   kernel-ovz-devel\n") {
			t.Errorf("dnf's group:\n%s", groups)
		}
	}

	// The same again is nothing new; and it stays with what is published later, as long as its packages do.
	if again := f.publish(); again.Changed {
		t.Errorf("%+v", again.Generation)
	}
	f.o.Advisory = nil
	f.keep("x86_64", "3", nil)
	if third := f.publish(); len(third.Generation.Advisories) != 1 {
		t.Errorf("%+v", third.Generation.Advisories)
	}
	if list := dnf("updateinfo", "list", "--security"); !strings.Contains(list, "OVZ-2026:001") {
		t.Errorf("dnf lists:\n%s", list)
	}
	o := f.o
	o.Names, o.Profiles = nil, nil
	if _, err := Retire(t.Context(), o, "kernel-ovz-6.1.1-2.lustre1.x86_64", "it is bad"); err != nil {
		t.Fatal(err)
	}
	if list := dnf("updateinfo", "list", "--security"); strings.Contains(list, "OVZ-2026:001") {
		t.Errorf("the notice of a kernel that is gone:\n%s", list)
	}
}

// listsGroups reports whether this machine's dnf lists groups: 4.23.0, that of Debian 13, crashes instead.
func listsGroups(t *testing.T) bool {
	t.Helper()
	version, _, _ := strings.Cut(run(t, nil, "dnf", "--version"), "\n")
	if version == "4.23.0" {
		t.Log("dnf 4.23.0 lists no groups")
		return false
	}
	return true
}
