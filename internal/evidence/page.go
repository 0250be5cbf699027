// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"path"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/terminal"
)

// Page is what a repository's page shows.
type Page struct {
	Title      string
	Generation int
	Made       time.Time
	Key        Key
	Clients    []Client
	Kernels    []Kernel // in the order of the page: the newest first
	Notices    []Notice
	Retired    []Retired
}

// Notice is a security notice.
type Notice struct {
	ID, Severity, Description string
	References                []string // a CVE, or an address
	Issued                    time.Time
	Packages                  []string // full names of those that mend it
}

// Key is the key by which packages, metadata and statements are signed.
type Key struct {
	Fingerprint string
	User        string // whose it says that it is
	File        string // from the page
}

// Client is one generation of programs, and how it comes to the packages.
type Client struct {
	Name     string // "RHEL 5: yum"
	RepoFile string // from the page
	// Text is the file's content.
	Text string
	// Commands install the kernel, one a line.
	Commands []string
	Note     string // what there is to say instead
}

// Retired is a kernel that is not published any more.
type Retired struct {
	Kernel, Reason string
	Time           time.Time
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	// What could turn the text round or hide in it becomes a mark.
	"line": terminal.Line,
	"text": terminal.Text,
	"day":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"size": func(n int64) string {
		if n < 1<<20 {
			return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
		}
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	},
	// In groups of four, as gpg prints it.
	"groups": groups,
	"base":   func(k Kernel) string { return k.Base() },
	// A relative path with a colon in its first part would be taken for a scheme.
	"link":       func(p string) string { return "./" + path.Clean("/" + p)[1:] },
	"unproved":   unproved,
	"controlled": controlled,
}).Parse(pageText))

func groups(fingerprint string) string {
	var b strings.Builder
	for i, r := range fingerprint {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unproved(list []Kernel) (n int) {
	for _, k := range list {
		if !k.Proved {
			n++
		}
	}
	return n
}

// controlled tells whether the same kernel without the patch was tried, and is vulnerable.
func controlled(k Kernel) bool {
	return slices.ContainsFunc(k.Tests, func(t Test) bool { return t.Control && t.Verdict == "vulnerable" })
}

// HTML returns the page: one file, which needs nothing else and runs no script.
func (p *Page) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("write the repository's page: %w", err)
	}
	return b.Bytes(), nil
}
