// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/guest"
	"ovzpatch/internal/report"
	"ovzpatch/internal/runlock"
)

func TestVerdictsAreKeptWithTheDigest(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "ovzpatch") // locks must be on a tmpfs
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := datastore.Init(filepath.Join(dir, "store"), "", runlock.Place{Root: filepath.Join(dir, "run/locks")})
	if err != nil {
		t.Fatal(err)
	}
	g, err := datastore.ParseGroup("kernel/kernel-ovz.x86_64")
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(t.Context(), g, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file, err := w.AddFile(t.Context(), "kernel.rpm", strings.NewReader("a kernel"))
	if err == nil {
		err = w.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.OpenSnapshot(t.Context(), w.Ref())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var tried Trial
	if err := tried.Of(r.Path("kernel.rpm")); err != nil || tried.Package != "kernel.rpm" || tried.SHA256 != file.SHA256 {
		t.Fatalf("%+v, %v", tried, err)
	}
	with := report.Kernel{Package: tried.Package, SHA256: tried.SHA256, ConsoleSHA256: strings.Repeat("cd", 32), Verdict: guest.Protected}
	without := report.Kernel{Package: "plain.rpm", SHA256: strings.Repeat("ab", 32), Verdict: guest.Vulnerable}
	if err := KeepBoth(t.Context(), s, w.Ref(), []report.Kernel{with}, []report.Kernel{without}); err != nil {
		t.Fatal(err)
	}
	again, err := s.Look(t.Context(), w.Ref())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	v := again.Manifest.Verdicts
	if len(v) != 2 || v[0].Control || v[0].SHA256 != file.SHA256 || v[0].Verdict != "protected" || v[0].ConsoleSHA256 != with.ConsoleSHA256 ||
		!v[1].Control || v[1].SHA256 != without.SHA256 || v[1].Verdict != "vulnerable" {
		t.Errorf("%+v", v)
	}
}

func TestIsControl(t *testing.T) {
	ref := func(name string) datastore.Ref {
		r, err := datastore.ParseRef(name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	source, port := datastore.Input{Name: "k.src.rpm", SHA256: "1a"}, datastore.Input{Name: "p.patch"}
	patched := datastore.Manifest{Snapshot: ref("kernel/k.x86_64/2026-11-01T00:00:00Z"), Source: source, Port: port}
	control := datastore.Manifest{Snapshot: ref("kernel/k.x86_64/2026-11-02T00:00:00Z"), Source: source}
	if err := IsControl(t.Context(), &datastore.Reader{Manifest: &control}, &datastore.Reader{Manifest: &patched}); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(c, p *datastore.Manifest){
		"it has the patch, too": func(c, p *datastore.Manifest) { c.Port = port },
		"which patch it has, if any, is unknown (its image could not be read); take one": func(c, p *datastore.Manifest) {
			c.Port, c.Derived = datastore.Input{Name: datastore.UnknownPort}, "its image could not be read"
			p.Port = c.Port
		},
		"they are one snapshot":     func(c, p *datastore.Manifest) { *c = *p },
		"that one has no patch":     func(c, p *datastore.Manifest) { p.Port = datastore.Input{} },
		"the same source":           func(c, p *datastore.Manifest) { c.Source.SHA256 = "2b" },
		"built from the same":       func(c, p *datastore.Manifest) { c.Source.SHA256, p.Source.SHA256 = "", "" },
		"for the same architecture": func(c, p *datastore.Manifest) { c.Snapshot = ref("kernel/k.i686/2026-11-02T00:00:00Z") },
	} {
		c, p := control, patched
		change(&c, &p)
		if err := IsControl(t.Context(), &datastore.Reader{Manifest: &c}, &datastore.Reader{Manifest: &p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
