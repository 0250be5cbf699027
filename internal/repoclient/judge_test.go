// SPDX-License-Identifier: Apache-2.0

package repoclient

import (
	"crypto"
	"slices"
	"strings"
	"testing"

	"ovzpatch/internal/rpmfile"
)

func rsa(version int, hash string) rpmfile.SignatureForm {
	return rpmfile.SignatureForm{Over: "the header", Version: version, Algorithm: "RSA", Hash: hash, Bits: 2048}
}

// old is a kernel package that every client keeps beside its older ones; change makes another.
func old(change func(*Package)) *Package {
	p := &Package{
		NEVRA: "kernel-ovz-1-1.x86_64", Name: "kernel-ovz", Kind: Kernel, Format: 4, Payload: "gzip", FileDigests: crypto.MD5,
		Features:   []string{"rpmlib(CompressedFileNames)", "rpmlib(PayloadFilesHavePrefix)"},
		Provides:   []string{"kernel", "installonlypkg(kernel)", "multiversion(kernel)", "kernel-ovz"},
		Signatures: []rpmfile.SignatureForm{rsa(3, "SHA-256")},
	}
	if change != nil {
		change(p)
	}
	return p
}

// What issue and source say of each generation.
func TestJudge(t *testing.T) {
	signed := func(s rpmfile.SignatureForm) func(*Package) {
		return func(p *Package) { p.Signatures = []rpmfile.SignatureForm{s} }
	}
	for name, tt := range map[string]struct {
		change func(*Package)
		want   [4]Answer // rhel5, rhel6, dnf, zypper
		says   string    // among the findings of the first that does not keep
	}{
		"as ours are":                         {nil, [4]Answer{Keeps, Keeps, Keeps, Keeps}, ""},
		"sha256 file digests":                 {func(p *Package) { p.FileDigests = crypto.SHA256 }, [4]Answer{Refuses, Keeps, Keeps, Keeps}, "file digests by SHA-256"},
		"rpmlib(FileDigests)":                 {func(p *Package) { p.Features = append(p.Features, "rpmlib(FileDigests)") }, [4]Answer{Refuses, Keeps, Keeps, Keeps}, "its rpm lacks rpmlib(FileDigests)"},
		"xz":                                  {func(p *Package) { p.Payload = "xz" }, [4]Answer{Refuses, Keeps, Keeps, Keeps}, "payload compressed by xz, only by gzip, bzip2"},
		"zstd":                                {func(p *Package) { p.Payload = "zstd" }, [4]Answer{Refuses, Refuses, Keeps, Keeps}, "payload compressed by zstd"},
		"a feature of rpm 4.20":               {func(p *Package) { p.Features = append(p.Features, "rpmlib(Tomorrow)") }, [4]Answer{Refuses, Refuses, Unsure, Unsure}, "lacks rpmlib(Tomorrow)"},
		"format 6":                            {func(p *Package) { p.Format = 6 }, [4]Answer{Refuses, Refuses, Unsure, Unsure}, "_rpmformat 4"},
		"RSA in version 4 form":               {signed(rsa(4, "SHA-256")), [4]Answer{Refuses, Keeps, Keeps, Keeps}, "RSA of 2048 bits in version 4 form over SHA-256: it calls an RSA signature BAD"},
		"a good and a bad one":                {func(p *Package) { p.Signatures = append(p.Signatures, rsa(4, "SHA-256")) }, [4]Answer{Refuses, Keeps, Keeps, Keeps}, "BAD"},
		"RSA over SHA-1":                      {signed(rsa(3, "SHA-1")), [4]Answer{Keeps, Keeps, Unsure, Unsure}, "policy has no SHA-1"},
		"DSA-1024 over SHA-1":                 {signed(rpmfile.SignatureForm{Version: 4, Algorithm: "DSA", Hash: "SHA-1", Bits: 160}), [4]Answer{Keeps, Keeps, Unsure, Unsure}, "policy has no SHA-1"},
		"DSA-2048":                            {signed(rpmfile.SignatureForm{Version: 4, Algorithm: "DSA", Hash: "SHA-256", Bits: 256}), [4]Answer{Refuses, Refuses, Keeps, Keeps}, "DSA of more than 1024 bits"},
		"Ed25519":                             {signed(rpmfile.SignatureForm{Version: 4, Algorithm: "EdDSA", Hash: "SHA-512"}), [4]Answer{Refuses, Refuses, Keeps, Keeps}, "EdDSA over SHA-512"},
		"no multiversion":                     {func(p *Package) { p.Provides = []string{"kernel", "installonlypkg(kernel)"} }, [4]Answer{Keeps, Keeps, Keeps, Removes}, "must provide multiversion(kernel)"},
		"installonlypkg alone":                {func(p *Package) { p.Provides = []string{"installonlypkg(kernel)"} }, [4]Answer{Removes, Removes, Keeps, Removes}, "must provide kernel"},
		"called kernel":                       {func(p *Package) { p.Name, p.Provides = "kernel", nil }, [4]Answer{Keeps, Keeps, Keeps, Removes}, "must provide multiversion(kernel)"},
		"ovzkernel":                           {func(p *Package) { p.Name, p.Provides = "ovzkernel", []string{"ovzkernel"} }, [4]Answer{Removes, Removes, Removes, Removes}, "also if that runs"},
		"devel":                               {func(p *Package) { p.Kind, p.Provides = Devel, []string{"kernel-devel"} }, [4]Answer{Keeps, Keeps, Replaces, Replaces}, "can no longer be built"},
		"another package":                     {func(p *Package) { p.Kind, p.Provides = Other, nil }, [4]Answer{Installs, Installs, Installs, Installs}, ""},
		"obsoletes a kernel":                  {func(p *Package) { p.Obsoletes = []string{"kernel"} }, [4]Answer{Keeps, Keeps, Removes, Removes}, "obsoletes kernel: installed ones of that name go"},
		"obsoletes one, and keeps none":       {func(p *Package) { p.Obsoletes, p.Provides = []string{"kernel"}, nil }, [4]Answer{Removes, Removes, Removes, Removes}, "obsoletes kernel: installed ones of that name go"},
		"-devel that obsoletes":               {func(p *Package) { p.Kind, p.Obsoletes = Devel, []string{"ovzkernel-devel"} }, [4]Answer{Keeps, Keeps, Replaces, Replaces}, "obsoletes ovzkernel-devel: installed ones"},
		"a kernel that obsoletes -devel":      {func(p *Package) { p.Obsoletes = []string{"kernel-PAE-devel"} }, [4]Answer{Keeps, Keeps, Replaces, Replaces}, "obsoletes kernel-PAE-devel"},
		"another that obsoletes a kernel":     {func(p *Package) { p.Kind, p.Provides, p.Obsoletes = Other, nil, []string{"kernel-xen"} }, [4]Answer{Removes, Removes, Removes, Removes}, "obsoletes kernel-xen"},
		"another that obsoletes another":      {func(p *Package) { p.Kind, p.Provides, p.Obsoletes = Other, nil, []string{"kernel-tools"} }, [4]Answer{Installs, Installs, Installs, Installs}, ""},
		"a bad signature hides no removal":    {func(p *Package) { signed(rsa(4, "SHA-256"))(p); p.Provides = nil }, [4]Answer{Removes, Removes, Removes, Removes}, "BAD"},
		"what it cannot read removes nothing": {func(p *Package) { p.Payload, p.Provides = "zstd", nil }, [4]Answer{Refuses, Refuses, Removes, Removes}, "zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			p := old(tt.change)
			said := ""
			for i, c := range Clients {
				j := c.Judge(p)
				if j.Answer != tt.want[i] || j.Unsigned {
					t.Errorf("%s: %s, want %s: %+v", c.Name, j.Answer, tt.want[i], j.Findings)
				}
				if said == "" && j.Answer != Keeps && j.Answer != Installs {
					for _, f := range j.Findings {
						said += f.Says + "\n"
					}
				}
			}
			if !strings.Contains(said, tt.says) {
				t.Errorf("it says %q, not %q", said, tt.says)
			}
		})
	}
}

func TestUnsigned(t *testing.T) {
	for name, signatures := range map[string][]rpmfile.SignatureForm{"none": nil, "where only rpm 6 looks": {{Version6: true, Version: 4, Algorithm: "RSA"}}} {
		for _, c := range Clients {
			if j := c.Judge(old(func(p *Package) { p.Signatures = signatures })); !j.Unsigned || j.Answer != Keeps {
				t.Errorf("%s, %s: %+v", name, c.Name, j)
			}
		}
	}
}

func TestProfilesNameClients(t *testing.T) {
	var all []string
	for name, clients := range Profiles {
		if got := Of(clients); len(got) != len(clients) {
			t.Errorf("%s: %d clients of %v", name, len(got), clients)
		}
		all = append(all, clients...)
	}
	for _, c := range Clients {
		if !slices.Contains(all, c.Name) {
			t.Errorf("no profile has %s", c.Name)
		}
	}
}
