// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Flavour is one of the kernels that a spec of Red Hat's kind can build: each has a call
// of BuildKernel in %build, under the conditions that switch it.
type Flavour struct {
	Name  string // as in the packages' names, "PAE"; for the plain kernel its switch's, "up"
	Built bool   // surely built

	maybe    bool     // it cannot be told whether it is built
	off      string   // the condition that keeps it from being built
	line     int      // of its call, from 1
	switches []string // macros in its conditions
}

// FlavourError is a flavour that a spec does not have.
type FlavourError struct {
	Spec, Name string
	There      []string
}

func (e *FlavourError) Error() string {
	if len(e.There) == 0 {
		return fmt.Sprintf("choose flavour %s: %s builds one kernel only, without the BuildKernel of Red Hat's specs", e.Name, e.Spec)
	}
	return fmt.Sprintf("choose flavour %s: %s has none of that name; it has %s", e.Name, e.Spec, strings.Join(e.There, ", "))
}

var (
	// Red Hat's shell function: make target, image, since 4.18 vDSO or not, flavour.
	buildKernel = regexp.MustCompile(`^\s*BuildKernel\s+[^\s(]\S*\s+\S+(?:\s+(?:%\{?\??_?use_vdso\}?|[01]))?(?:\s+(\S+))?`)
	madeFrom    = regexp.MustCompile(`%\{?(with_\w+)`)
	optionUse   = regexp.MustCompile(`%\{[?!]*with(?:out)?\s+(\w+)\}`)
)

// flavours are the kernels that a spec can build, and whether these options build them.
func (s *Spec) flavours(o Options) []Flavour {
	var list []Flavour
	m := o.macros()
	for l := range s.evaluate(m) {
		if l.section != "build" {
			continue
		}
		call := buildKernel.FindStringSubmatch(l.text)
		if call == nil {
			continue
		}
		f := Flavour{Name: call[1], Built: l.live == yes, maybe: l.live == cannotTell, off: l.off, line: l.i + 1, switches: s.switches(l.within)}
		if name := m.expand(f.Name); known(name) {
			f.Name = name
		}
		// For another target the macro that holds the name may be undefined.
		f.Name = nameMacro.ReplaceAllStringFunc(f.Name, s.elsewhere)
		if f.Name == "" || strings.Contains(f.Name, "%") {
			f.Name = "up"
			if n := len(f.switches); n > 0 {
				f.Name = strings.TrimPrefix(strings.TrimPrefix(f.switches[n-1], "with_"), "build")
			}
		}
		at := slices.IndexFunc(list, func(g Flavour) bool { return g.Name == f.Name })
		if at < 0 {
			list = append(list, f)
			continue
		}
		g := &list[at] // the branch of another architecture
		g.Built, g.maybe = g.Built || f.Built, g.maybe || f.maybe
		g.switches = append(g.switches, f.switches...)
	}
	return list
}

var nameMacro = regexp.MustCompile(`%\{?\??\w+\}?`)

// elsewhere returns what the spec defines as a name, where it does so once and plainly; else
// the macro as it is.
func (s *Spec) elsewhere(use string) string {
	lines := s.definitions(strings.Trim(use, "%{?}"))
	if len(lines) != 1 {
		return use
	}
	body := strings.TrimSpace(definition.ReplaceAllString(s.lines[lines[0]].text, ""))
	if !switchWord.MatchString(body) {
		return use
	}
	return body
}

var switchWord = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// switches returns the macros on which conditions hang. One that no option of rpmbuild sets
// stands for those that it is made from.
func (s *Spec) switches(conditions []string) []string {
	var list []string
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	for _, c := range conditions {
		for _, u := range optionUse.FindAllStringSubmatch(c, -1) {
			add("with_" + u[1])
		}
		for _, u := range macroUse.FindAllStringSubmatch(c, -1) {
			name := u[1] + u[2]
			if !strings.HasPrefix(name, "with_") && !strings.HasPrefix(name, "build") {
				continue
			}
			made, own := []string{}, false
			option := strings.TrimPrefix(name, "with_")
			for _, i := range s.definitions(name) {
				body := definition.ReplaceAllString(s.lines[i].text, "")
				own = own || strings.Contains(body, "_with_"+option) || strings.Contains(body, "_without_"+option)
				// A plain number that depends on another switch stands for that, too.
				for _, text := range append(slices.Clone(s.lines[i].within), body) {
					for _, v := range madeFrom.FindAllStringSubmatch(text, -1) {
						made = append(made, v[1])
					}
				}
			}
			if own || len(made) == 0 {
				add(name)
			} else {
				add(made...)
			}
		}
	}
	return list
}

// SelectFlavours returns the options with which a spec builds the kernels wanted, and no
// others where the spec can do that; and the flavours that come out. It only uses the
// switches that rpmbuild has for the spec, --with and --without. A flavour that the spec
// does not have is a *FlavourError; one that cannot be switched is an *Error.
func (s *Spec) SelectFlavours(o Options, want []string) (Options, []Flavour, error) {
	if s.err != nil {
		return o, nil, s.err
	}
	list := s.flavours(o)
	wanted := map[string]bool{}
	for _, w := range want {
		at := slices.IndexFunc(list, func(f Flavour) bool { return strings.EqualFold(f.Name, w) })
		if at < 0 {
			e := &FlavourError{Spec: s.name, Name: w}
			for _, f := range list {
				e.There = append(e.There, f.Name)
			}
			return o, nil, e
		}
		wanted[list[at].Name] = true
	}
	var needed []string
	for _, f := range list {
		if wanted[f.Name] {
			needed = append(needed, f.switches...)
		}
	}
	chosen := o
	chosen.With, chosen.Without = slices.Clone(o.With), slices.Clone(o.Without)
	use := func(options *[]string, sw string) {
		if option, ok := strings.CutPrefix(sw, "with_"); ok && !slices.Contains(*options, option) {
			*options = append(*options, option)
		}
	}
	for _, f := range list {
		for _, sw := range f.switches {
			switch {
			case wanted[f.Name] && !f.Built:
				use(&chosen.With, sw)
			case !wanted[f.Name] && (f.Built || f.maybe) && !slices.Contains(needed, sw):
				use(&chosen.Without, sw)
			}
		}
	}
	var built []Flavour
	for _, f := range s.flavours(chosen) {
		if wanted[f.Name] && !f.Built {
			return o, nil, s.unswitchable(f, chosen)
		}
		if f.Built || f.maybe {
			built = append(built, f)
		}
	}
	return chosen, built, nil
}

// unswitchable says why a flavour stays out, and what to do.
func (s *Spec) unswitchable(f Flavour, o Options) error {
	for _, target := range []string{"i686", "x86_64"} {
		elsewhere := o
		elsewhere.Target = target
		for _, g := range s.flavours(elsewhere) {
			if g.Name == f.Name && g.Built {
				return s.fail(f.line, fmt.Sprintf("the flavour %s is not built for %s, but for %s", f.Name, o.Target, target), "add --target="+target)
			}
		}
	}
	for _, sw := range f.switches {
		if option := strings.TrimPrefix(sw, "with_"); slices.Contains(o.Without, option) {
			return s.fail(f.line, fmt.Sprintf("the flavour %s is switched off by --without %s", f.Name, option), "leave that out")
		}
	}
	last := map[string]macro{}
	m := o.macros()
	for range s.evaluate(m) {
		for _, sw := range f.switches {
			if delete(last, sw); m.condition("%if %{"+sw+"}") == yes {
				continue
			}
			last[sw] = m.values[sw]
			// A switch that follows its option is decided where the spec sets that.
			if off := m.values["_without"+strings.TrimPrefix(sw, "with")]; off.line > 0 {
				last[sw] = off
			}
		}
	}
	for _, sw := range f.switches {
		if d := last[sw]; d.line > 0 {
			l := s.lines[d.line-1]
			reason := fmt.Sprintf("the flavour %s is switched off by %q", f.Name, strings.TrimSpace(l.text))
			if n := len(l.within); n > 0 {
				reason += fmt.Sprintf(" under %q", l.within[n-1])
			}
			return s.fail(d.line, reason, "change that line in the source RPM's spec; no option of rpmbuild does")
		}
	}
	if !f.maybe {
		return s.fail(f.line, fmt.Sprintf("the flavour %s is not built, because %q does not hold", f.Name, f.off), "change what it depends on in the source RPM's spec")
	}
	return s.fail(f.line, fmt.Sprintf("the flavour %s depends on conditions that are unknown until the spec is run", f.Name),
		"set the spec's own switches with --with, --without and --define")
}
