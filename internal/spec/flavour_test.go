// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/command"
)

// parsed is what rpm itself makes of a spec with these options.
func parsed(t *testing.T, file string, o Options) []string {
	t.Helper()
	args := []string{"rpmspec", "-P", "--target", o.Target}
	for _, w := range o.With {
		args = append(args, "--with", w)
	}
	for _, w := range o.Without {
		args = append(args, "--without", w)
	}
	for _, d := range o.Defines {
		args = append(args, "--define", d)
	}
	out, err := command.Output(t.Context(), command.Cmd{Args: append(args, file)})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(out), "\n")
}

func readShape(t *testing.T, name string) (string, []byte) {
	t.Helper()
	file := filepath.Join("testdata", "flavours", name+".spec")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, text
}

// What is told of a spec without running it is what rpm makes of it: kernels and BuildRequires.
func TestFlavoursAreRPMs(t *testing.T) {
	if testing.Short() {
		t.Skip("runs rpmspec seventy times")
	}
	for name, options := range map[string][]Options{
		"ovz5":   {{}, {With: []string{"baseonly"}}, {Without: []string{"pae", "xen"}}, {With: []string{"headers"}}},
		"early5": {{}, {Without: []string{"up"}}},
		"rhel6":  {{}, {With: []string{"dbgonly"}}, {Without: []string{"debug"}}, {Defines: []string{"nopatches 1"}}, {With: []string{"kdump"}}},
		"rhel9":  {{}, {With: []string{"gcov", "toolchain_clang"}}, {Without: []string{"up", "lto"}}, {Without: []string{"debug"}}},
	} {
		file, text := readShape(t, name)
		for _, o := range options {
			for _, o.Target = range []string{"i686", "x86_64", "s390x", "aarch64"} {
				list, err := flavoursOf(file, text, o)
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]bool{}
				for _, f := range list {
					if f.maybe {
						t.Errorf("%s %+v: it cannot be told whether %s is built", name, o, f.Name)
					}
					got[f.Name] = f.Built
				}
				rows := parsed(t, file, o)
				want, requires := map[string]bool{}, ""
				for _, row := range rows {
					if words := strings.Fields(row); strings.HasPrefix(row, "BuildKernel ") {
						words = slices.DeleteFunc(words[3:], func(w string) bool { return w == "1" })
						want[append(words, "up")[0]] = true
					} else if m := requireTag.FindStringSubmatch(row); m != nil {
						requires += m[1] + "\n"
					}
				}
				for f, built := range got {
					if built != want[f] {
						t.Errorf("%s %+v: %s built %v, rpm says %v", name, o, f, built, want[f])
					}
				}
				for f := range want {
					if _, ok := got[f]; !ok {
						t.Errorf("%s %+v: %s is not known", name, o, f)
					}
				}
				need, err := Read(file, text).BuildRequires(o)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range need {
					if !strings.Contains(requires, n) {
						t.Errorf("%s %+v: BuildRequires %s, of which rpm knows nothing", name, o, n)
					}
				}
				for _, n := range []string{"unifdef", "hmaccalc", "hosted-tools", "lld", "clang", "(dwarves or pahole)", "zlib-devel"} {
					if strings.Contains(requires, n) && !slices.Contains(need, n) {
						t.Errorf("%s %+v: BuildRequires lacks %s", name, o, n)
					}
				}
			}
		}
	}
}

func TestSelectFlavours(t *testing.T) {
	for _, c := range []struct {
		spec, target string
		want         []string
		have         Options
		with         string
		without      string
		built        string
		fails        string
	}{
		{spec: "ovz5", target: "i686", want: []string{"PAE"}, without: "ent up xen", built: "PAE"},
		{spec: "ovz5", target: "i686", want: []string{"pae", "up"}, without: "ent xen", built: "PAE up"},
		{spec: "ovz5", target: "i686", want: []string{"up"}, without: "pae ent xen", built: "up"},
		{spec: "ovz5", target: "x86_64", want: []string{"up"}, without: "xen", built: "up"},
		{spec: "ovz5", target: "x86_64", want: []string{"PAE"}, fails: "not built for x86_64, but for i686; add --target=i686"},
		{spec: "ovz5", target: "i686", want: []string{"debug"}, fails: `spec:22: the flavour debug is switched off by "%define _without_debug 1" under "%if !%{builddebug}"; change that line`},
		{spec: "ovz5", target: "i686", want: []string{"smp"}, fails: `switched off by "%define with_smp 0" under "%ifnarch ppc sparc64"`},
		{spec: "ovz5", target: "i686", want: []string{"PAE"}, have: Options{Without: []string{"pae"}}, fails: "switched off by --without pae"},
		{spec: "ovz5", target: "i686", want: []string{"largesmp"}, fails: "it has debug, PAE, ent, up, smp, xen"},
		{spec: "rhel6", target: "i686", want: []string{"PAE"}, without: "debug up", built: "PAE"},
		{spec: "rhel6", target: "i686", want: []string{"PAEdebug"}, without: "up", built: "debug PAEdebug PAE"},
		{spec: "rhel6", target: "x86_64", want: []string{"up", "kdump"}, fails: "the flavour kdump is switched off"},
		{spec: "rhel9", target: "x86_64", want: []string{"up"}, without: "debug realtime", built: "up"},
		{spec: "rhel9", target: "x86_64", want: []string{"rt"}, without: "debug up", built: "rt"},
		{spec: "rhel9", target: "x86_64", want: []string{"up", "debug", "rt", "rt-debug"}, built: "rt-debug debug rt up"},
		{spec: "rhel9", target: "x86_64", want: []string{"64k-debug"}, fails: `switched off by "%define with_arm64_64k 0" under "%ifnarch aarch64"`},
		{spec: "early5", target: "i686", want: []string{"up"}, built: "PAE up xen"},
		{spec: "early5", target: "x86_64", want: []string{"PAE"}, fails: "add --target=i686"},
	} {
		file, text := readShape(t, c.spec)
		o := c.have
		o.Target = c.target
		chosen, built, err := Read(file, text).SelectFlavours(o, c.want)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s %v: got %v, want %q", c.spec, c.want, err, c.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %v: %v", c.spec, c.want, err)
			continue
		}
		var names []string
		for _, f := range built {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != c.built {
			t.Errorf("%s %v: builds %s, want %s", c.spec, c.want, got, c.built)
		}
		if with, without := strings.Join(chosen.With, " "), strings.Join(chosen.Without, " "); with != c.with || without != c.without {
			t.Errorf("%s %v: --with %q --without %q, want %q and %q", c.spec, c.want, with, without, c.with, c.without)
		}
		// rpm builds no other kernels with these options.
		calls := 0
		for _, row := range parsed(t, file, chosen) {
			if strings.HasPrefix(row, "BuildKernel ") {
				calls++
			}
		}
		if calls != len(built) {
			t.Errorf("%s %v: rpm builds %d kernels, not %d", c.spec, c.want, calls, len(built))
		}
	}
}

// A spec of another kind, and one where nothing can be told.
func TestFlavoursElsewhere(t *testing.T) {
	head := "Name: k\n%build\n"
	_, _, err := Read("k.spec", []byte(head+"make\n")).SelectFlavours(Options{Target: "i686"}, []string{"PAE"})
	var fe *FlavourError
	if !errors.As(err, &fe) || !strings.Contains(err.Error(), "builds one kernel only") {
		t.Errorf("got %v", err)
	}
	_, _, err = Read("k.spec", []byte("%define includexen 0\n"+head+"%if %{includexen}\nBuildKernel a b xen\n%endif\n")).SelectFlavours(Options{Target: "i686"}, []string{"xen"})
	if want := `k.spec:5: the flavour xen is not built, because "%if %{includexen}" does not hold; change`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	for _, spec := range []string{
		"%define with_up %(echo 1)\n" + head + "%if %{with_up}\nBuildKernel a b\n%endif\n",
		"%if %{?rhel:%(true)}\n%define with_up 1\n%endif\n" + head + "%if %{unheard_of}\nBuildKernel a b\n%endif\n",
		"%global with_up %{with_up}\n" + head + "%if %{with_up} surely\nBuildKernel a b\n%endif\n",
	} {
		_, _, err := Read("k.spec", []byte(spec)).SelectFlavours(Options{Target: "i686"}, []string{"up"})
		if err == nil {
			t.Errorf("%q: chosen", spec)
		}
	}
}

// Fedora's plain kernel depends on up_base, which is a number under "up": what turns off
// the debug kernel is not --without up. A name that only another target defines is shown.
func TestFlavourBehindAnotherSwitch(t *testing.T) {
	spec := "%define with_up %{?_without_up: 0} %{?!_without_up: 1}\n%define with_debug %{?_without_debug: 0} %{?!_without_debug: 1}\n" +
		"%if %{with_up}\n%define with_up_base 1\n%else\n%define with_up_base 0\n%endif\n%ifarch %{ix86}\n%define pae PAE\n%endif\n" +
		"Name: k\n%build\n%if %{with_up} && %{with_debug}\nBuildKernel a b debug\n%endif\n%ifarch %{ix86}\nBuildKernel a b %{pae}\n%endif\n%if %{with_up_base}\nBuildKernel a b\n%endif\n"
	chosen, built, err := Read("k.spec", []byte(spec)).SelectFlavours(Options{Target: "x86_64"}, []string{"up"})
	if err != nil || len(built) != 1 || built[0].Name != "up" || strings.Join(chosen.Without, " ") != "debug" {
		t.Errorf("without %q it builds %v, %v", chosen.Without, built, err)
	}
	_, _, err = Read("k.spec", []byte(spec)).SelectFlavours(Options{Target: "x86_64"}, []string{"none"})
	if err == nil || !strings.Contains(err.Error(), "it has debug, PAE, up") {
		t.Errorf("got %v", err)
	}
}

// Whether there is a vDSO stands as a macro or as a number before the flavour's name.
func TestFlavourBehindANumber(t *testing.T) {
	for _, vdso := range []string{"%{_use_vdso}", "%{?_use_vdso}", "%use_vdso", "1", "0"} {
		spec := "Name: k\n%build\nBuildKernel a b " + vdso + " debug\nBuildKernel a b " + vdso + "\n"
		list, err := flavoursOf("k.spec", []byte(spec), Options{Target: "x86_64"})
		if err != nil || len(list) != 2 || list[0].Name != "debug" || list[1].Name != "up" {
			t.Errorf("%s: got %v, %v", vdso, list, err)
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	for _, name := range []string{"ovz5", "rhel6", "rhel9", "early5"} {
		text, err := os.ReadFile(filepath.Join("testdata", "flavours", name+".spec"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o := Options{Target: "i686"}
		Read("k.spec", text).BuildRequires(o)
		if list, err := flavoursOf("k.spec", text, o); err == nil && len(list) > 0 {
			Read("k.spec", text).SelectFlavours(o, []string{list[0].Name})
		}
	})
}

// flavoursOf returns the kernels that a spec can build, and whether these options build them.
func flavoursOf(name string, text []byte, o Options) ([]Flavour, error) {
	s := Read(name, text)
	return s.flavours(o), s.err
}
