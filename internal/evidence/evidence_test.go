// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	provenancev1 "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

var (
	sumA = strings.Repeat("a1", 32)
	sumB = strings.Repeat("b2", 32)
)

func sample() Kernel {
	day := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	return Kernel{
		Name: "kernel-ovz-6.1.192-1.lustre1.x86_64", Snapshot: "kernel/kernel-ovz.x86_64/2026-11-27T10:00:00Z", Proved: true,
		Packages: []Package{
			{File: "kernel-ovz-6.1.192-1.lustre1.x86_64.rpm", Path: "modern/packages/aa/kernel-ovz-6.1.192-1.lustre1.x86_64.rpm", SHA256: sumA, Unsigned: sumB, Size: 5 << 20},
			{File: "kernel-ovz-6.1.192-1.lustre1.src.rpm", Path: "modern/packages/bb/kernel-ovz-6.1.192-1.lustre1.src.rpm", SHA256: sumB, Source: true},
		},
		Source: Input{"linux-source-6.1.tar.xz", sumA}, Port: Input{"ovz-kernel-lustre-umount.patch", sumB}, Spec: Input{Name: "kernel-ovz.spec"},
		Toolchain: map[string]string{"gcc": "gcc (Debian 12.2.0-14) 12.2.0"}, Options: []string{"--jobs=2"}, Finished: day, Log: Input{"build.log", sumA},
		Tests: []Test{
			{Time: day, SHA256: sumB, Verdict: "protected", Expected: "protected", Results: json.RawMessage(`[{"name":"force-idle"}]`)},
			{Time: day, SHA256: sumA, Control: true, Verdict: "vulnerable", Expected: "vulnerable"},
		},
		Table: [][]string{{"CASE", "IN", "WITH THE PATCH", "WITHOUT"}, {"force-idle", "namespaces", "ok, message", "ok, umount_begin, host ESHUTDOWN"}},
		Lines: []Line{{"with the patch", "Forced umount of lustre fs is not allowed inside container (999). Overriding MNT_FORCE flag."}},
	}
}

// The library of in-toto's own reads the statement, knows every field, and finds nothing missing.
func TestStatement(t *testing.T) {
	k := sample()
	report, err := k.JSON()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Statement("0123456789ABCDEF0123456789ABCDEF01234567", report)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.Statement("0123456789ABCDEF0123456789ABCDEF01234567", report); err != nil || string(again) != string(b) {
		t.Errorf("a second statement differs: %v", err)
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(b, &s); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := s.Validate(); err != nil {
		t.Errorf("the statement: %v\n%s", err, b)
	}
	if s.GetPredicateType() != "https://slsa.dev/provenance/v1" || len(s.GetSubject()) != 2 || s.GetSubject()[0].GetDigest()["sha256"] != sumA {
		t.Errorf("got %s", b)
	}
	text, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		t.Fatal(err)
	}
	var p provenancev1.Provenance
	if err := protojson.Unmarshal(text, &p); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := p.Validate(); err != nil {
		t.Errorf("the provenance: %v\n%s", err, text)
	}
	sum := sha256.Sum256(report)
	if got := p.GetRunDetails().GetByproducts(); len(got) != 2 || got[0].GetDigest()["sha256"] != hex.EncodeToString(sum[:]) || got[0].GetName() != "kernel-ovz-6.1.192-1.lustre1.x86_64.json" {
		t.Errorf("byproducts %v", got)
	}
	// The spec has no digest here, so it is no resource.
	if got := p.GetBuildDefinition().GetResolvedDependencies(); len(got) != 2 {
		t.Errorf("dependencies %v", got)
	}
}

func TestStatementNeedsPackagesWithDigests(t *testing.T) {
	for name, change := range map[string]func(*Kernel){
		"no package":        func(k *Kernel) { k.Packages = nil },
		"one has no digest": func(k *Kernel) { k.Packages[1].SHA256 = "" },
	} {
		k := sample()
		change(&k)
		if b, err := k.Statement("KEY", nil); err == nil {
			t.Errorf("%s: got %s", name, b)
		}
	}
}

func TestJSON(t *testing.T) {
	k := sample()
	b, err := k.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Format  string
		Version int
		Proved  bool
		Tests   []struct {
			Control bool
			Results []struct{ Name string }
		}
		Packages []struct {
			Before string `json:"sha256_before_signing"`
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Format != Format || got.Version != Version || !got.Proved || len(got.Tests) != 2 || !got.Tests[1].Control ||
		got.Tests[0].Results[0].Name != "force-idle" || got.Packages[0].Before != sumB {
		t.Errorf("got %s", b)
	}
}

func TestRead(t *testing.T) {
	k := sample()
	b, err := k.JSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.JSON()
	if err != nil || string(again) != string(b) {
		t.Errorf("%v\n%s", err, again)
	}
	for _, text := range []string{"", "{", `{"format":"other","version":1}`, strings.Replace(string(b), `"version": 1`, `"version": 2`, 1)} {
		if got, err := Read([]byte(text)); err == nil {
			t.Errorf("%.40q: got %+v", text, got)
		}
	}
}
