// SPDX-License-Identifier: Apache-2.0

package repoclient

import (
	"fmt"
	"slices"
	"strings"
)

// Answer is what a client does with a package.
type Answer string

// From the best to the worst.
const (
	Installs Answer = "installs" // and puts it in place of an older one, which does no harm
	Keeps    Answer = "keeps"    // installs it beside the older ones
	Replaces Answer = "replaces" // the older -devel goes: modules for the running kernel can no longer be built
	Unsure   Answer = "unsure"
	Refuses  Answer = "refuses" // and changes nothing
	Removes  Answer = "removes" // the kernel that runs goes
)

var order = []Answer{Installs, Keeps, Replaces, Unsure, Refuses, Removes}

// What a finding is about.
const (
	Format    = "format"
	Payload   = "payload"
	Digests   = "file digests"
	Feature   = "rpm features"
	Signature = "signature"
	Beside    = "older kernels"
	Obsoletes = "obsoletes"
)

// Finding is one thing that a client goes by.
type Finding struct {
	About  string `json:"about"`
	Answer Answer `json:"answer"`
	Says   string `json:"says"`
}

// Judgement is what one client does with one package.
type Judgement struct {
	Client   string    `json:"client"`
	Answer   Answer    `json:"answer"`             // the worst
	Unsigned bool      `json:"unsigned,omitempty"` // so far; the answer is for a package that is
	Findings []Finding `json:"findings"`
}

// Judge says what the client does with the package.
func (c *Client) Judge(p *Package) Judgement {
	j := Judgement{Client: c.Name, Answer: Installs}
	j.Findings = c.reads(p)
	unread := slices.ContainsFunc(j.Findings, func(f Finding) bool { return f.Answer == Refuses })
	// What it cannot read removes nothing, whatever else the package says. A signature is
	// another thing: people turn that check off.
	if !unread {
		signed := c.signatures(p)
		j.Unsigned = len(signed) == 0
		j.Findings = append(j.Findings, signed...)
		if !p.Source {
			j.Findings = append(j.Findings, c.older(p)...)
		}
	}
	for _, f := range j.Findings {
		if slices.Index(order, f.Answer) > slices.Index(order, j.Answer) {
			j.Answer = f.Answer
		}
	}
	return j
}

// reads finds whether the client's rpm can read the package at all.
func (c *Client) reads(p *Package) (list []Finding) {
	if p.Format >= 6 {
		list = append(list, c.format6)
	}
	if !slices.Contains(c.payloads, p.Payload) {
		list = append(list, Finding{Payload, Refuses, fmt.Sprintf("it does not read a payload compressed by %s, only by %s", p.Payload, strings.Join(c.payloads, ", "))})
	}
	if p.FileDigests != 0 && !slices.Contains(c.fileDigests, p.FileDigests) {
		list = append(list, Finding{Digests, Refuses, fmt.Sprintf("it does not know file digests by %v", p.FileDigests)})
	}
	var missing []string
	for _, f := range p.Features {
		name := strings.TrimSuffix(strings.TrimPrefix(f, "rpmlib("), ")")
		// These two say once more what was found already.
		said := func(about string) bool {
			return slices.ContainsFunc(list, func(f Finding) bool { return f.About == about })
		}
		if strings.HasPrefix(name, "PayloadIs") && said(Payload) || name == "FileDigests" && said(Digests) {
			continue
		}
		if !slices.Contains(c.features, name) && !slices.Contains(missing, f) {
			missing = append(missing, f)
		}
	}
	if len(missing) > 0 {
		answer, says := Refuses, "its rpm lacks "+strings.Join(missing, ", ")
		if c.later {
			answer, says = Unsure, "the oldest rpm of these, 4.14, lacks "+strings.Join(missing, ", ")
		}
		list = append(list, Finding{Feature, answer, says})
	}
	return list
}

// signatures judges the form of each: rpm looks at one or at all, by version. It returns nothing
// for a package without one that this client looks at.
func (c *Client) signatures(p *Package) (list []Finding) {
	for _, s := range p.Signatures {
		if s.Version6 {
			continue // only rpm 6 looks there
		}
		answer, says := c.signature(s)
		if answer == Installs {
			says = fmt.Sprintf("it reads the signature over %s, which is %s", s.Over, s)
		} else {
			says = fmt.Sprintf("the signature over %s is %s: %s", s.Over, s, says)
		}
		list = append(list, Finding{Signature, answer, says})
	}
	return list
}

// older finds what becomes of kernels that are installed already.
func (c *Client) older(p *Package) (list []Finding) {
	i := slices.IndexFunc(c.beside, func(name string) bool { return slices.Contains(p.Provides, name) || p.Name == name })
	list = c.obsoleted(p, i >= 0)
	if p.Kind == Other {
		return list
	}
	if i >= 0 {
		return append(list, Finding{Beside, Keeps, fmt.Sprintf("the older ones stay: it provides %s", c.beside[i])})
	}
	want := c.wants[p.Kind]
	if p.Kind == Devel {
		return append(list, Finding{Beside, Replaces, fmt.Sprintf("it puts it in place of the older one, and modules for the kernel that runs can no longer be built; it must provide %s", want)})
	}
	return append(list, Finding{Beside, Removes, fmt.Sprintf("it puts it in place of the older one, also if that runs; it must provide %s", want)})
}

// obsoleted finds what becomes of installed packages that the package obsoletes, whatever kind it is.
func (c *Client) obsoleted(p *Package, beside bool) []Finding {
	answer, i := Removes, slices.IndexFunc(p.Obsoletes, isKernelName)
	if i < 0 {
		answer, i = Replaces, slices.IndexFunc(p.Obsoletes, isDevelName)
	}
	switch {
	case i < 0:
		return nil
	case beside && c.leavesObsoleted:
		return []Finding{{Obsoletes, Keeps, fmt.Sprintf("the package obsoletes %s: installed ones of that name stay, though yum says that it replaces them", p.Obsoletes[i])}}
	}
	return []Finding{{Obsoletes, answer, fmt.Sprintf("the package obsoletes %s: installed ones of that name go", p.Obsoletes[i])}}
}

// isDevelName tells what modules for such kernels are built against.
func isDevelName(name string) bool {
	base, ok := strings.CutSuffix(name, "-devel")
	return ok && isKernelName(base)
}

// isKernelName tells names that kernel packages of RHEL, OpenVZ and SUSE have.
func isKernelName(name string) bool {
	for _, base := range []string{"kernel", "ovzkernel", "vzkernel", "kernel-ovz"} {
		for _, flavour := range []string{"", "-core", "-modules", "-smp", "-PAE", "-ent", "-xen", "-default", "-debug"} {
			if name == base+flavour {
				return true
			}
		}
	}
	return false
}
