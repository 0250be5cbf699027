// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ovzpatch/internal/fit"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/source"
	"ovzpatch/internal/spec"
	"ovzpatch/internal/srpm"
	"ovzpatch/patches"
)

// What the depmod at hand refuses is told before the build, with every way out; it depends on that depmod alone.
func TestCheckDepmod(t *testing.T) {
	const head = "Name: k\nVersion: 1\nRelease: 1\n%description\n%prep\n%install\n"
	const calls, makes = head + "/sbin/depmod -ae -r 1\n", head + "make INSTALL_MOD_PATH=x modules_install\n"
	text := map[bool]string{true: "depmod_opts := -b $(INSTALL_MOD_PATH) -r\n", false: "depmod_opts := -b $(INSTALL_MOD_PATH)\n"}
	bin := t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	// The one thing that is faked: no machine has every kmod.
	strict := "case $1 in -r) exit 1; esac\necho kmod version 34.2; echo +ZSTD\n"
	for name, tt := range map[string]struct {
		text, depmod string
		makefile     bool // gives the option
		mock         bool
		want         []string // nil for no error
	}{
		"spec":             {text: calls, depmod: strict, want: []string{"line 7: /sbin/depmod -ae -r 1", "kmod version 34.2)", "--modernize-spec", "--root", "--spec=replace"}},
		"makefile":         {text: makes, depmod: strict, makefile: true, want: []string{"(line 7)", "kmod version 34.2)", "--compat", "--root", "--spec=replace"}},
		"spec, older":      {text: calls, depmod: "echo kmod version 33\n"},
		"makefile, older":  {text: makes, depmod: "echo kmod version 33\n", makefile: true},
		"makefile is new":  {text: makes, depmod: strict},
		"makefile, unused": {text: head + "make install\n", depmod: strict, makefile: true},
		"mock":             {text: calls, depmod: strict, mock: true},
		"for rpm alone":    {text: "%define rpmversion 1\n" + head, depmod: strict},
		"no answer":        {text: calls, depmod: "exit 1\n"},
	} {
		if err := os.WriteFile(filepath.Join(bin, "depmod"), []byte("#!/bin/sh\n"+tt.depmod), 0o755); err != nil {
			t.Fatal(err)
		}
		r := &Recipe{Inputs: srpm.Inputs{Spec: spec.Read("k.spec", []byte(tt.text))}}
		var err error
		if r.depmod, err = makerOf(text[tt.makefile]).depmodUse(r.Spec); err != nil {
			t.Fatal(err)
		}
		if tt.mock {
			r.Root = rpmbuild.Root{Mock: "c"}
		}
		err = r.CheckDepmod(t.Context())
		if (err != nil) != (tt.want != nil) || err != nil && !errors.Is(err, job.ErrMisfit) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v lacks %q", name, err, want)
			}
		}
	}
}

func makerOf(makefile string) maker {
	return maker{Fit: &fit.Fit{Files: &source.Files{Files: map[string]source.File{fit.MakefileName: {Data: []byte(makefile)}}}}}
}

// The makefile of 2.6.18 gives the option, and --compat takes it out; later ones of 2.6 wrote it in another way.
func TestMakefileGivesOption(t *testing.T) {
	for text, want := range map[string]bool{
		"depmod_opts\t:= -b $(INSTALL_MOD_PATH) -r\n":                            true,
		"\t$(if $(strip $(INSTALL_MOD_PATH)), -b $(INSTALL_MOD_PATH) -r)   \\\n": true,
		"\t$(if $(strip $(INSTALL_MOD_PATH)), -b $(INSTALL_MOD_PATH) )     \\\n": false,
		"": false,
	} {
		m := makerOf(text)
		if got := m.makefileGivesOption(); got != want {
			t.Errorf("%q: %t", text, got)
		}
		for line, mended := range map[string]bool{"rhel5-2.6.18": true, "rhel6-2.6.32": false} {
			m.Line, m.o.Compat = line, true
			if got := m.makefileGivesOption(); got != (want && !mended) {
				t.Errorf("%q, --compat of %s: %t", text, line, got)
			}
		}
	}
	// All of them, of modules in the tree and outside of it.
	gone := 0
	for _, p := range patches.Compat("rhel5-2.6.18") {
		for line := range strings.Lines(string(p.Data)) {
			switch {
			case !oldDepmodOption.MatchString(line):
			case line[0] == '-':
				gone++
			default:
				t.Errorf("%s leaves it: %s", p.Name, line)
			}
		}
	}
	if gone != 2 {
		t.Errorf("--compat takes it out at %d places of 2", gone)
	}
}
