// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/scratch"
)

// Advisory is a security notice: which packages mend what. dnf and zypper read it, and yum with its
// plugin for security.
type Advisory struct {
	ID          string    `json:"id"`
	Severity    string    `json:"severity"`
	Description string    `json:"description"`
	References  []string  `json:"references,omitempty"` // CVE-2026-1234, or an address
	Issued      time.Time `json:"issued"`
	Packages    []string  `json:"packages"` // full names
}

// Severities are Red Hat's, which dnf knows.
var Severities = []string{"Critical", "Important", "Moderate", "Low"}

var (
	advisoryID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$`)
	cveID      = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{1,19}$`)
)

// maxDescription is how many bytes a description may have, which every client reads.
const maxDescription = 64 << 10

func (a *Advisory) check() error {
	switch {
	case !advisoryID.MatchString(a.ID):
		return job.BadRequest(fmt.Errorf("--advisory=%q: it may have letters, digits and .:_-, for example OVZ-2026:001", a.ID))
	case !slices.Contains(Severities, a.Severity):
		return job.BadRequest(fmt.Errorf("--severity=%q: it must be one of %s", a.Severity, strings.Join(Severities, ", ")))
	case !readable(a.Description):
		return job.BadRequest(fmt.Errorf("--description: say what was wrong, as plain text of at most %d bytes", maxDescription))
	}
	for _, r := range a.References {
		u, err := url.Parse(r)
		web := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
		if !cveID.MatchString(r) && (!web || strings.ContainsFunc(r, func(r rune) bool { return r <= ' ' || r == 0x7f })) {
			return job.BadRequest(fmt.Errorf("--reference=%q: it must be a CVE, such as CVE-2026-1234, or an address that begins with https://", r))
		}
	}
	return nil
}

// readable tells whether a text is one that every client can show.
func readable(text string) bool {
	return strings.TrimSpace(text) != "" && len(text) <= maxDescription && utf8.ValidString(text) &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

// title is what lists show.
func (a *Advisory) title() string {
	first, _, _ := strings.Cut(strings.TrimSpace(a.Description), "\n")
	return first
}

// covers makes it a notice of the newest kernel of each name, with the packages that belong to it.
func (a *Advisory) covers(packages []Package) {
	for _, k := range newest(packages) {
		for _, p := range packages {
			if !p.Source && p.Snapshot == k.Snapshot && (p.NEVRA() == k.NEVRA() || !p.Kernel && belongs(p, k, packages)) {
				a.Packages = append(a.Packages, p.NEVRA())
			}
		}
	}
	slices.Sort(a.Packages)
	a.Packages = slices.Compact(a.Packages)
}

// belongs reports whether a package goes with a kernel of its snapshot, or with none in particular.
func belongs(p, kernel Package, packages []Package) bool {
	var names []string
	for _, k := range packages {
		if k.Kernel && k.Snapshot == kernel.Snapshot {
			names = append(names, k.Name)
		}
	}
	owner := ownerOf(names, p)
	return owner == "" || owner == kernel.Name
}

// keepAdvisories are the notices of a generation: its own, and those of earlier ones whose packages
// are still there. Of two with one name the first counts.
func keepAdvisories(packages []Package, lists ...[]Advisory) []Advisory {
	there := map[string]bool{}
	for _, p := range packages {
		there[p.NEVRA()] = true
	}
	var kept []Advisory
	for _, a := range slices.Concat(lists...) {
		a.Packages = slices.DeleteFunc(slices.Clone(a.Packages), func(p string) bool { return !there[p] })
		if len(a.Packages) > 0 && !slices.ContainsFunc(kept, func(k Advisory) bool { return k.ID == a.ID }) {
			kept = append(kept, a)
		}
	}
	slices.SortFunc(kept, func(a, b Advisory) int { return strings.Compare(a.ID, b.ID) })
	return kept
}

// issue dates a new notice. One that is published again as it was keeps its date.
func (a *Advisory) issue(earlier []Advisory) {
	a.Issued = time.Now().UTC().Truncate(time.Second)
	for _, e := range earlier {
		if e.ID == a.ID {
			a.Issued = e.Issued
		}
	}
}

// The types below are the form of updateinfo.xml, as createrepo_c and libdnf know it.
type (
	updates struct {
		XMLName xml.Name `xml:"updates"`
		Updates []update `xml:"update"`
	}
	update struct {
		From        string      `xml:"from,attr"`
		Status      string      `xml:"status,attr"`
		Type        string      `xml:"type,attr"`
		Version     string      `xml:"version,attr"`
		ID          string      `xml:"id"`
		Title       string      `xml:"title"`
		Issued      date        `xml:"issued"`
		Severity    string      `xml:"severity"`
		Description string      `xml:"description"`
		References  []reference `xml:"references>reference"`
		Collection  collection  `xml:"pkglist>collection"`
	}
	date struct {
		Date string `xml:"date,attr"`
	}
	reference struct {
		Href  string `xml:"href,attr"`
		ID    string `xml:"id,attr"`
		Type  string `xml:"type,attr"`
		Title string `xml:"title,attr"`
	}
	collection struct {
		Short    string          `xml:"short,attr"`
		Name     string          `xml:"name"`
		Packages []updatePackage `xml:"package"`
	}
	updatePackage struct {
		Name     string `xml:"name,attr"`
		Version  string `xml:"version,attr"`
		Release  string `xml:"release,attr"`
		Epoch    string `xml:"epoch,attr"`
		Arch     string `xml:"arch,attr"`
		Src      string `xml:"src,attr"`
		Filename string `xml:"filename"`
		Reboot   string `xml:"reboot_suggested,omitempty"`
	}
)

// updateInfo is the content of updateinfo.xml.
func updateInfo(r *Record) ([]byte, error) {
	var all updates
	for _, a := range r.Advisories {
		u := update{
			From: "ovzpatch", Status: "final", Type: "security", Version: "1", ID: a.ID, Title: a.title(), Severity: a.Severity, Description: a.Description,
			Issued: date{a.Issued.UTC().Format(time.DateTime)}, Collection: collection{Short: groupID, Name: title},
		}
		for _, ref := range a.References {
			kind := reference{Href: ref, ID: ref, Type: "other", Title: ref}
			if cveID.MatchString(ref) {
				kind = reference{ID: ref, Type: "cve", Title: ref}
			}
			u.References = append(u.References, kind)
		}
		for _, p := range r.Packages {
			if !slices.Contains(a.Packages, p.NEVRA()) {
				continue
			}
			epoch, rest, found := strings.Cut(p.Version, ":")
			if !found {
				epoch, rest = "0", p.Version
			}
			version, release, _ := strings.Cut(rest, "-")
			is := updatePackage{Name: p.Name, Version: version, Release: release, Epoch: epoch, Arch: p.Arch, Src: p.Origin, Filename: p.File}
			if p.Kernel {
				is.Reboot = "True"
			}
			u.Collection.Packages = append(u.Collection.Packages, is)
		}
		all.Updates = append(all.Updates, u)
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(b, '\n')...), nil
}

// addNotices puts the security notices into a repository's metadata.
func (s *stage) addNotices(ctx context.Context, p Profile) (err error) {
	if len(s.rec.Advisories) == 0 {
		return nil
	}
	text, err := updateInfo(s.rec)
	if err != nil {
		return err
	}
	dir, remove, err := scratch.New("", "updateinfo")
	if err != nil {
		return err
	}
	defer leave(dir, remove, &err)
	file := filepath.Join(dir, "updateinfo.xml")
	at := time.Unix(s.rec.Revision, 0)
	if err := errors.Join(os.WriteFile(file, text, 0o644), os.Chtimes(file, at, at)); err != nil {
		return err
	}
	return command.Run(ctx, command.Cmd{Args: []string{
		"modifyrepo_c", "--mdtype", "updateinfo", "--checksum", "sha256", "--compress-type", p.compression(), "--unique-md-filenames",
		file, filepath.Join(s.repo(p), "repodata"),
	}, Env: nobodys(dir)})
}
