// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/adopt"
	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/evidence"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/report"
	"ovzpatch/internal/scratch"
)

// What a generation has beside its repositories.
const (
	evidenceDir = "evidence"
	pageFile    = "index.html"
	title       = "Kernels with the patch against umount -f of Lustre"
)

// evidence writes why each kernel is believed, for programs and signed, and the page for people.
func (s *stage) evidence(ctx context.Context) error {
	kernels := s.rec.Kernels()
	slices.SortStableFunc(kernels, func(a, b Package) int { return b.Snapshot.Time.Compare(a.Snapshot.Time) })
	page := &evidence.Page{
		Title: title, Generation: s.rec.Number, Made: s.rec.Made,
		Key:     evidence.Key{Fingerprint: s.key.fingerprint, File: keyFile},
		Kernels: make([]evidence.Kernel, len(kernels)),
	}
	if err := os.MkdirAll(filepath.Join(s.dir, evidenceDir), 0o755); err != nil {
		return err
	}
	s.u.Live("signing what is known of %d kernels", len(kernels))
	err := parallel(ctx, len(kernels), func(ctx context.Context, i int) error {
		k, err := s.known(ctx, kernels[i])
		if err == nil {
			err = s.state(ctx, k)
		}
		if err != nil {
			return fmt.Errorf("write the evidence of %s: %w", kernels[i].NEVRA(), err)
		}
		page.Kernels[i] = *k
		return nil
	})
	s.u.Done()
	if err != nil {
		return err
	}
	for _, r := range s.rec.Retired {
		page.Retired = append(page.Retired, evidence.Retired{Kernel: r.Kernel, Reason: r.Reason, Time: r.Time})
	}
	for _, a := range s.rec.Advisories {
		page.Notices = append(page.Notices, evidence.Notice{
			ID: a.ID, Severity: a.Severity, Description: a.Description, References: a.References, Issued: a.Issued, Packages: a.Packages,
		})
	}
	if page.Clients, err = s.instructions(kernels); err != nil {
		return err
	}
	text, err := page.HTML()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, pageFile), text, 0o644)
}

// known is what is known of a kernel: from its snapshot's manifest, or where that is not at hand, from
// what an earlier generation wrote.
func (s *stage) known(ctx context.Context, p Package) (*evidence.Kernel, error) {
	k := &evidence.Kernel{Name: p.NEVRA(), Snapshot: p.Snapshot.String(), Tests: []evidence.Test{}}
	m := s.manifest(p.Snapshot)
	if m == nil {
		var err error
		if k, err = s.earlier(ctx, p); err != nil {
			return nil, err
		}
	} else {
		fromManifest(k, m, p)
	}
	k.Proved, k.Missing = p.Proved, p.Lacks
	k.Packages = s.published(p)
	shown(k, p)
	return k, nil
}

// fromManifest takes over what a build and its tests wrote down.
func fromManifest(k *evidence.Kernel, m *datastore.Manifest, p Package) {
	input := func(in datastore.Input) evidence.Input { return evidence.Input{Name: in.Name, SHA256: in.SHA256} }
	k.Source, k.Port, k.Spec = input(m.Source), input(m.Port), input(m.Spec)
	k.Derived, k.Toolchain, k.Options, k.Finished = m.Derived, m.Toolchain, m.Options, m.Finished.UTC()
	if adopt.Elsewhere(m) {
		k.Finished = time.Time{} // nobody says when
	}
	for _, f := range m.Files {
		if f.Name == m.Log {
			k.Log = evidence.Input{Name: f.Name, SHA256: f.SHA256}
		}
	}
	for _, v := range m.Verdicts {
		if v.File == p.File && !v.Control || v.Control && sameKernel(v.File, p.File) {
			k.Tests = append(k.Tests, evidence.Test{
				Time: v.Time.UTC(), File: v.File, SHA256: v.SHA256, Control: v.Control, Console: v.ConsoleSHA256, Verdict: v.Verdict, Expected: v.Expected, Results: v.Evidence,
			})
		}
	}
}

// knowledge is the digest of what is known of a kernel from its snapshot: a further verdict is new
// to clients, though the packages are the same.
func knowledge(m *datastore.Manifest, p Package) string {
	var k evidence.Kernel
	fromManifest(&k, m, p)
	b, err := json.Marshal(k)
	if err != nil {
		return err.Error() // plain values can be encoded
	}
	return cache.SHA256(b)
}

// earlier reads what the newest generation that had this kernel says of it, as far as that is what was signed.
func (s *stage) earlier(ctx context.Context, p Package) (*evidence.Kernel, error) {
	dir, remove, err := scratch.New("", "evidence")
	if err != nil {
		return nil, err
	}
	defer remove()
	for _, r := range s.t.records {
		base := filepath.Join(s.t.generation(r.Number), evidenceDir, evidenceName(p))
		if r.Key == s.rec.Key && s.key.stated(ctx, dir, base) != nil {
			continue
		}
		b, err := plainfile.Read(base + ".json")
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k, err := evidence.Read(b)
		if err != nil {
			return nil, fmt.Errorf("generation %d: %w", r.Number, err)
		}
		if k.Snapshot == p.Snapshot.String() {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%s was not asked for, and no generation has its evidence undamaged: publish from the datastore", p.Snapshot)
}

func evidenceName(p Package) string { return strings.TrimSuffix(p.File, ".rpm") }

// published are the packages of a kernel, itself first and the source last: those of its snapshot
// that belong to it or to no kernel in particular.
func (s *stage) published(kernel Package) []evidence.Package {
	var names []string
	for _, p := range s.rec.Packages {
		if p.Kernel && p.Snapshot == kernel.Snapshot {
			names = append(names, p.Name)
		}
	}
	var list []evidence.Package
	for _, p := range s.rec.Packages {
		mine := p.NEVRA() == kernel.NEVRA()
		if !mine {
			owner := ownerOf(names, p)
			if p.Kernel || p.Snapshot != kernel.Snapshot || owner != "" && owner != kernel.Name || !p.Source && p.Arch != kernel.Arch && p.Arch != "noarch" {
				continue
			}
		}
		e := evidence.Package{
			File: p.File, Path: filepath.Join(string(s.rec.Profiles[0]), p.Path), SHA256: p.Checksums["sha256"], Unsigned: p.SHA256, Source: p.Source,
		}
		if st, err := os.Stat(filepath.Join(s.repo(s.rec.Profiles[0]), p.Path)); err == nil {
			e.Size = st.Size()
		}
		if mine {
			list = slices.Insert(list, 0, e)
		} else {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b evidence.Package) int {
		if a.Source == b.Source {
			return 0
		}
		if a.Source {
			return 1
		}
		return -1
	})
	return list
}

// ownerOf returns the kernel whose name is the longest that a package's begins with; "" for none.
func ownerOf(kernels []string, p Package) (owner string) {
	if p.Source {
		return ""
	}
	length := 0
	for _, name := range kernels {
		base := strings.TrimSuffix(name, "-core")
		if (p.Name == base || strings.HasPrefix(p.Name, base+"-")) && len(base) > length {
			owner, length = name, len(base)
		}
	}
	return owner
}

// shown makes the table of the tests that the verdict rests on: the last of this very package, and
// the last of the kernel without the patch. What another program noted in another form is in the
// report only.
func shown(k *evidence.Kernel, p Package) {
	var with, without *evidence.Test
	for i := range k.Tests {
		t := &k.Tests[i]
		switch {
		case t.Verdict == string(guest.Inconclusive):
		case t.Control:
			without = t
		case t.SHA256 == p.SHA256:
			with = t
		}
	}
	r := &report.Report{}
	for _, side := range []struct {
		label string
		test  *evidence.Test
	}{{"with the patch", with}, {"without", without}} {
		if side.test == nil {
			continue
		}
		tried := report.Kernel{Label: side.label, Verdict: guest.Verdict(side.test.Verdict)}
		if json.Unmarshal(side.test.Results, &tried.Results) != nil || len(tried.Results) == 0 {
			continue
		}
		r.Kernels = append(r.Kernels, tried)
		k.Lines = append(k.Lines, evidence.Line{Kernel: side.label, Text: tried.Proof()})
	}
	if len(r.Kernels) > 0 {
		k.Table = r.Table()
	}
}

// state writes a kernel's report and its statement, and signs that. The signature of the same
// statement in an earlier generation is taken over.
func (s *stage) state(ctx context.Context, k *evidence.Kernel) error {
	text, err := k.JSON()
	if err != nil {
		return err
	}
	statement, err := k.Statement(s.key.fingerprint, text)
	if err != nil {
		return err
	}
	base := filepath.Join(evidenceDir, k.Base())
	path := filepath.Join(s.dir, base+".intoto.json")
	if err := errors.Join(os.WriteFile(filepath.Join(s.dir, base+".json"), text, 0o644), os.WriteFile(path, statement, 0o644)); err != nil {
		return err
	}
	dir, remove, err := scratch.New("", "statement")
	if err != nil {
		return err
	}
	defer remove()
	for _, r := range s.t.records {
		old := filepath.Join(s.t.generation(r.Number), base+".intoto.json")
		if was, err := plainfile.Read(old); err == nil && r.Key == s.rec.Key && r.V3 == s.rec.V3 && bytes.Equal(was, statement) {
			if os.Link(old+".asc", path+".asc") == nil {
				if s.key.verify(ctx, dir, path) == nil {
					return nil
				}
				if err := os.Remove(path + ".asc"); err != nil { // gpg would write into the earlier one
					return err
				}
			}
		}
	}
	if err := s.key.detach(ctx, path); err != nil {
		return fmt.Errorf("sign it: %w", err)
	}
	return s.key.verify(ctx, dir, path)
}
