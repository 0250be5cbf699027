// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/evidence"
)

const caseText = `[{"name":"force-idle","backend":"namespaces","verdict":"VERDICT","got":{"errno":"0","forced":0,"messages":1,"inactive":0,"host":"0","mounted":false,"acted_ms":1},"log":["Forced umount of lustre fs is not allowed inside container (999). Overriding MNT_FORCE flag."],"ms":3}]`

// withCases has both verdicts rest on a case.
func withCases(m *datastore.Manifest) {
	for i := range m.Verdicts {
		m.Verdicts[i].Evidence = json.RawMessage(strings.Replace(caseText, "VERDICT", m.Verdicts[i].Verdict, 1))
	}
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Beside each kernel there are a report and a statement that its key signed, and their digests are
// those of the files.
func TestEvidence(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", withCases)
	f.o.URL = "http://example.org/kernels"
	res := f.publish()
	current := filepath.Join(f.o.To, currentLink)
	base := filepath.Join(current, "evidence", "kernel-ovz-6.1.1-1.lustre1.x86_64")

	ring := filepath.Join(t.TempDir(), "ring.gpg")
	run(t, nil, "gpg", "--batch", "--quiet", "--dearmor", "--output", ring, filepath.Join(current, keyFile))
	run(t, nil, "gpgv", "--homedir", t.TempDir(), "--keyring", ring, base+".intoto.json.asc", base+".intoto.json")

	var statement struct {
		Subject []struct {
			Name   string
			Digest struct{ SHA256 string }
		}
		Predicate struct {
			RunDetails struct {
				Builder    struct{ ID string }
				Byproducts []struct{ Digest struct{ SHA256 string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, base+".intoto.json")), &statement); err != nil {
		t.Fatal(err)
	}
	sum := func(path string) string {
		s := sha256.Sum256([]byte(read(t, path)))
		return hex.EncodeToString(s[:])
	}
	published := map[string]string{}
	for _, p := range res.Generation.Packages {
		published[p.File] = sum(filepath.Join(current, "modern", p.Path))
	}
	if len(statement.Subject) != 3 || !strings.HasPrefix(statement.Subject[0].Name, "kernel-ovz-6.1.1") || !strings.HasSuffix(statement.Subject[2].Name, ".src.rpm") {
		t.Errorf("subject %+v", statement.Subject)
	}
	for _, s := range statement.Subject {
		if s.Digest.SHA256 == "" || s.Digest.SHA256 != published[s.Name] {
			t.Errorf("the statement has %s for %s, the file %s", s.Digest.SHA256, s.Name, published[s.Name])
		}
	}
	details := statement.Predicate.RunDetails
	if len(details.Byproducts) == 0 || details.Byproducts[0].Digest.SHA256 != sum(base+".json") || details.Builder.ID != "openpgp4fpr:"+res.Generation.Key {
		t.Errorf("%+v", details)
	}

	// The page leads to what is there, and says what the .repo file says.
	page := read(t, current, pageFile)
	for _, want := range []string{
		"PROVED</span>", "<td data-head=\"WITH THE PATCH\">ok, message</td>", "container (999)",
		"rpm --import http://example.org/kernels/current/RPM-GPG-KEY-ovzpatch", "dnf install kernel-ovz",
		"curl -fo /etc/zypp/repos.d/ovzpatch-modern.repo http://example.org/kernels/current/ovzpatch-modern.repo", read(t, current, "ovzpatch-modern.repo"),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "NOT PROVED") {
		t.Error("it says NOT PROVED")
	}
	links := regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 8 {
		t.Errorf("%d links", len(links))
	}
	for _, l := range links {
		if _, err := os.Stat(filepath.Join(current, l[1])); err != nil {
			t.Error(err)
		}
	}

	// With a further kernel the first one's statement is not signed again.
	first, err := os.Stat(base + ".intoto.json.asc")
	if err != nil {
		t.Fatal(err)
	}
	f.keep("x86_64", "2", nil)
	f.publish()
	if page := read(t, current, pageFile); strings.Index(page, "1-2.lustre1.x86_64</h3>") > strings.Index(page, "1-1.lustre1.x86_64</h3>") {
		t.Error("the page begins with the older kernel")
	}
	second, err := os.Stat(base + ".intoto.json.asc")
	if err != nil || !os.SameFile(first, second) {
		t.Errorf("%v: it was signed again", err)
	}
}

// For old clients the metadata has SHA-1 only; the statement has SHA-256 all the same.
func TestEvidenceForOldClients(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", nil)
	old := t.TempDir()
	run(t, nil, "sh", "-c", "gpg --homedir "+f.o.GPGHome+" --batch --export-secret-keys | gpg1 --homedir "+old+" --batch --import 2>&1")
	f.o.GPGHome, f.o.Profiles = old, []string{"rhel5"}
	res := f.publish()
	text := read(t, f.o.To, currentLink, "evidence/kernel-ovz-6.1.1-1.lustre1.x86_64.intoto.json")
	for _, p := range res.Generation.Packages {
		s := sha256.Sum256([]byte(read(t, f.o.To, currentLink, "rhel5", p.Path)))
		if !strings.Contains(text, hex.EncodeToString(s[:])) {
			t.Errorf("the statement lacks the SHA-256 of %s:\n%s", p.File, text)
		}
	}
	page := read(t, f.o.To, currentLink, pageFile)
	if !strings.Contains(page, "published without --url") || strings.Contains(page, "yum install") {
		t.Errorf("without --url the page says\n%s", page)
	}
}

func TestUnprovedIsLoud(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", func(m *datastore.Manifest) { m.Verdicts = nil })
	f.o.AllowUnproved = true
	f.publish()
	page := read(t, f.o.To, currentLink, pageFile)
	for _, want := range []string{`role="alert"`, `<article class="kernel unproved">`, "NOT PROVED</span> it has no verdict"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	report := read(t, f.o.To, currentLink, "evidence/kernel-ovz-6.1.1-1.lustre1.x86_64.json")
	if !strings.Contains(report, `"proved": false`) || !strings.Contains(report, `"missing": "it has no verdict`) {
		t.Error(report)
	}
}

// A rollback and a retirement have no datastore: the evidence is that of earlier generations.
func TestEvidenceStays(t *testing.T) {
	slow(t)
	f := newFixture(t)
	f.keep("x86_64", "1", withCases)
	f.keep("x86_64", "2", withCases)
	f.publish()
	current := filepath.Join(f.o.To, currentLink)
	first := "evidence/kernel-ovz-6.1.1-1.lustre1.x86_64.intoto.json"
	statement := read(t, current, first)

	f.o.Names = nil
	if _, err := Retire(t.Context(), f.o, "kernel-ovz-6.1.1-2.lustre1.x86_64", "it <b>oopses</b>"); err != nil {
		t.Fatal(err)
	}
	page := read(t, current, pageFile)
	if read(t, current, first) != statement || strings.Count(page, "<article") != 1 || !strings.Contains(page, "it &lt;b&gt;oopses&lt;/b&gt;") || !strings.Contains(page, "ok, message") {
		t.Errorf("the page after the retirement:\n%s", page)
	}
	if _, err := os.Stat(filepath.Join(current, "evidence/kernel-ovz-6.1.1-2.lustre1.x86_64.json")); err == nil {
		t.Error("the retired kernel's evidence is there")
	}
	if _, err := Rollback(t.Context(), f.o, 0); err != nil {
		t.Fatal(err)
	}
	if page := read(t, current, pageFile); strings.Count(page, "<article") != 2 {
		t.Errorf("the page after the rollback:\n%s", page)
	}
}

// Of a build from elsewhere nobody says when it was finished.
func TestBuiltElsewhere(t *testing.T) {
	m := &datastore.Manifest{Finished: firstDay, Options: []string{"built elsewhere, taken by ovzpatch store add"}}
	k := &evidence.Kernel{Name: "k", Packages: []evidence.Package{{File: "k.rpm", SHA256: strings.Repeat("ab", 32)}}}
	fromManifest(k, m, Package{})
	text, err := k.JSON()
	if err != nil {
		t.Fatal(err)
	}
	statement, err := k.Statement("ABCD", text)
	if err != nil || strings.Contains(string(statement), "finishedOn") || strings.Contains(string(text), `"finished"`) {
		t.Errorf("%v\n%s\n%s", err, text, statement)
	}
	page, err := (&evidence.Page{Kernels: []evidence.Kernel{*k}}).HTML()
	if err != nil || !strings.Contains(string(page), "<dt>Built</dt><dd>elsewhere,") {
		t.Errorf("%v", err)
	}
	m.Options = nil
	if fromManifest(k, m, Package{}); !k.Finished.Equal(firstDay) {
		t.Errorf("%v", k.Finished)
	}
}

// A further verdict is new to who reads the evidence, though the packages are the same.
func TestFurtherVerdict(t *testing.T) {
	slow(t)
	f := newFixture(t)
	ref := f.keep("x86_64", "1", nil)
	first := f.publish()
	console := strings.Repeat("0c", 32)
	err := f.store.UpdateManifest(t.Context(), ref, func(m *datastore.Manifest) error {
		v := m.Verdicts[0]
		v.Time, v.ConsoleSHA256 = firstDay.AddDate(0, 1, 0), console
		m.Verdicts = append(m.Verdicts, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	second := f.publish()
	if !second.Changed || second.Generation.Kernels()[0].Path != first.Generation.Kernels()[0].Path {
		t.Errorf("%+v", second.Generation)
	}
	text, err := os.ReadFile(filepath.Join(f.o.To, "current/evidence/kernel-ovz-6.1.1-1.lustre1.x86_64.json"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := evidence.Read(text)
	if err != nil || len(k.Tests) != 3 || k.Tests[2].Console != console {
		t.Errorf("%v: %+v", err, k.Tests)
	}
	if again := f.publish(); again.Changed {
		t.Errorf("%+v", again.Generation)
	}
}
