// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ovzpatch/internal/cache"
)

// sums is what repomd.xml says of a file.
type sums struct {
	Type     string `xml:"type,attr"`
	Checksum struct {
		Type  string `xml:"type,attr"`
		Value string `xml:",chardata"`
	} `xml:"checksum"`
	Open struct {
		Type  string `xml:"type,attr"`
		Value string `xml:",chardata"`
	} `xml:"open-checksum"`
	Size     int `xml:"size"`
	OpenSize int `xml:"open-size"`
	Location struct {
		Href string `xml:"href,attr"`
	} `xml:"location"`
}

// madeMetadata is a repository with a kernel's packages, whose metadata has that checksum.
func madeMetadata(t *testing.T, checksum string) (string, error) {
	t.Helper()
	repo, from := t.TempDir(), packages(t, "x86_64", "1")
	rpms, err := filepath.Glob(from + "/*.rpm")
	if err != nil || len(rpms) < 3 {
		t.Fatalf("%v, %v", rpms, err)
	}
	for _, rpm := range rpms {
		// Those of all repositories have one time, which is in the metadata.
		to, at := filepath.Join(repo, filepath.Base(rpm)), time.Unix(1700000000, 0)
		if err := os.WriteFile(to, []byte(read(t, rpm)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(to, at, at); err != nil {
			t.Fatal(err)
		}
	}
	comps := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(comps, []byte("<comps/>\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return repo, exec.Command("createrepo_c", "--quiet", "--no-database", "--error-exit-val", "--checksum", checksum, "--general-compress-type", "gz",
		"--unique-md-filenames", "--groupfile", comps, "--revision", "7", "--set-timestamp-to-revision", repo).Run()
}

// plainOf are the files of a repository's metadata, unpacked, by type; each is what repomd.xml says.
func plainOf(t *testing.T, repo string) map[string]string {
	t.Helper()
	var md struct {
		Data []sums `xml:"data"`
	}
	if err := xml.Unmarshal([]byte(read(t, repo, "repodata/repomd.xml")), &md); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, d := range md.Data {
		packed := read(t, repo, d.Location.Href)
		plain, _, err := unpack(t.Context(), []byte(packed))
		if err != nil {
			t.Fatal(err)
		}
		if d.Checksum.Type != "sha" || d.Checksum.Value != sum1([]byte(packed)) || d.Size != len(packed) || !strings.HasPrefix(d.Location.Href, "repodata/"+d.Checksum.Value+"-") {
			t.Errorf("%s: %+v", d.Type, d)
		}
		if d.Open.Value != "" && (d.Open.Type != "sha" || d.Open.Value != sum1(plain) || d.OpenSize != len(plain)) {
			t.Errorf("%s, unpacked: %+v", d.Type, d)
		}
		all[d.Type] = string(plain)
	}
	if found, err := os.ReadDir(filepath.Join(repo, "repodata")); err != nil || len(found) != len(md.Data)+1 {
		t.Errorf("%d files for %d entries, %v", len(found), len(md.Data), err)
	}
	return all
}

// Metadata for RHEL 5 is what createrepo_c itself made before it lost SHA-1.
func TestMetadataWithSHA1(t *testing.T) {
	repo, err := madeMetadata(t, "sha256")
	if err != nil {
		t.Fatal(err)
	}
	rpms, _ := filepath.Glob(repo + "/*.rpm")
	ids := map[string]string{}
	for _, rpm := range rpms {
		ids[cache.SHA256([]byte(read(t, rpm)))] = sum1([]byte(read(t, rpm)))
	}
	if err := toSHA1(t.Context(), repo, ids); err != nil {
		t.Fatal(err)
	}
	got := plainOf(t, repo)
	for _, kind := range []string{"primary", "filelists", "other"} {
		for _, rpm := range rpms {
			if !strings.Contains(got[kind], sum1([]byte(read(t, rpm)))) {
				t.Errorf("%s lacks the SHA-1 of %s:\n%s", kind, rpm, got[kind])
			}
		}
		if is := regexp.MustCompile(`sha256"|\b[0-9a-f]{64}\b`).FindString(got[kind]); is != "" {
			t.Errorf("%s still has %s", kind, is)
		}
	}
	if len(got) < 4 { // createrepo_c 1.2 leaves out group_gz
		t.Errorf("%d kinds of metadata", len(got))
	}

	own, err := madeMetadata(t, "sha")
	if err != nil {
		t.Logf("this machine's createrepo_c makes no such metadata (%v)", err)
		return
	}
	for kind, want := range plainOf(t, own) {
		// Packages come in any order.
		sorted := func(s string) string { return strings.Join(slices.Sorted(strings.Lines(s)), "") }
		if sorted(got[kind]) != sorted(want) {
			t.Errorf("%s: createrepo_c makes\n%s\nand this is\n%s", kind, want, got[kind])
		}
	}
}
