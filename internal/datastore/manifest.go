// SPDX-License-Identifier: Apache-2.0

package datastore

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/guest"
)

// maxManifest is how many bytes an index.json may have.
const maxManifest = 64 << 20

// UnknownPort is the name of a port of which nothing more is known; a manifest's Derived says why. Of a
// kernel that could not be read it is not even known whether it has one.
const UnknownPort = "unknown"

// Manifest is what a snapshot's index.json holds.
type Manifest struct {
	Snapshot  Ref       `json:"snapshot"`
	Finished  time.Time `json:"finished"` // when the snapshot became visible
	Owner     string    `json:"owner,omitempty"`
	Protected bool      `json:"protected,omitempty"`
	Notes     string    `json:"notes,omitempty"`

	Source    Input             `json:"source,omitzero"`   // the source RPM, tree or tarball
	Port      Input             `json:"port,omitzero"`     // the patch that was put in; it may be UnknownPort
	Derived   string            `json:"derived,omitempty"` // how the patch came about, where it is no port of ours
	Spec      Input             `json:"spec,omitzero"`
	Toolchain map[string]string `json:"toolchain,omitempty"` // program to version, as it says itself
	Options   []string          `json:"options,omitempty"`   // of the build, as on the command line
	Log       string            `json:"log,omitempty"`       // the file with the build's full output

	Files []File `json:"files"`

	Verdicts     []Verdict     `json:"verdicts,omitempty"`
	Verification *Verification `json:"verification,omitempty"` // the last one; nil before the first
}

// Input is something the build was made from.
type Input struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"` // lower-case hex
}

// File is one file of a snapshot.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Verdict is the outcome of one test of the snapshot's kernel.
type Verdict struct {
	Time    time.Time `json:"time"`
	File    string    `json:"file,omitempty"`    // the RPM that was tested
	SHA256  string    `json:"sha256,omitempty"`  // of that RPM, lower-case hex; since version 3
	Control bool      `json:"control,omitempty"` // it was the kernel without the patch, of the same source; since version 3
	// ConsoleSHA256 is that of the guest's console, lower-case hex; since version 4.
	ConsoleSHA256 string          `json:"console_sha256,omitempty"`
	Verdict       string          `json:"verdict"`
	Expected      string          `json:"expected,omitempty"`
	Evidence      json.RawMessage `json:"evidence,omitempty"` // what the verdict rests on, as the test reported it
}

// proved tells whether the last test that told anything found the kernel protected.
func (m *Manifest) proved() bool {
	for _, v := range slices.Backward(m.Verdicts) {
		if !v.Control && v.Verdict != string(guest.Inconclusive) {
			return v.Verdict == string(guest.Protected)
		}
	}
	return false
}

// Verification is the outcome of reading every byte.
type Verification struct {
	Time     time.Time `json:"time"`
	OK       bool      `json:"ok"`
	Problems []Problem `json:"problems,omitempty"`
}

// Problem is what is wrong with one file.
type Problem struct {
	File    string `json:"file"`
	Problem string `json:"problem"`
}

// encode returns the content of index.json, checked by the rules of reading it.
func (m *Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	if len(b) > maxManifest {
		return nil, fmt.Errorf("manifest of %d bytes, at most %d are possible; put evidence into files", len(b), maxManifest)
	}
	_, err = parseManifest(b, m.Snapshot)
	return b, err
}

// parseManifest reads an index.json and trusts nothing in it.
func parseManifest(b []byte, ref Ref) (*Manifest, error) {
	var m Manifest
	if err := decodeStrict(b, &m); err != nil {
		return nil, err
	}
	if err := m.Snapshot.check(); err != nil {
		return nil, err
	}
	if m.Snapshot != ref {
		return nil, fmt.Errorf("it is the manifest of %s", m.Snapshot)
	}
	seen := map[string]bool{}
	for i, f := range m.Files {
		if err := checkFileName(f.Name); err != nil {
			return nil, err
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("file %q: it is listed twice", f.Name)
		}
		seen[f.Name] = true
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != 32 || f.Size < 0 {
			return nil, fmt.Errorf("file %q: size %d or sha256 %q is not valid", f.Name, f.Size, f.SHA256)
		}
		// Other programs write it in upper case. It is the same digest.
		m.Files[i].SHA256 = strings.ToLower(f.SHA256)
	}
	if m.Log != "" && !seen[m.Log] {
		return nil, fmt.Errorf("log %q: no such file in the snapshot", m.Log)
	}
	for i, v := range m.Verdicts {
		for _, sum := range []*string{&m.Verdicts[i].SHA256, &m.Verdicts[i].ConsoleSHA256} {
			if b, err := hex.DecodeString(*sum); *sum != "" && (err != nil || len(b) != 32) {
				return nil, fmt.Errorf("verdict of %s: sha256 %q is not valid", v.Time, *sum)
			}
			*sum = strings.ToLower(*sum)
		}
	}
	if v := m.Verification; v != nil && v.OK && len(v.Problems) > 0 {
		return nil, errors.New("verification: it says good, but lists problems")
	}
	return &m, nil
}

func checkFileName(name string) error {
	if name == manifestFile {
		return fmt.Errorf("file name %q: the manifest has that name; use another", name)
	}
	return checkName("file name", name, maxName)
}
