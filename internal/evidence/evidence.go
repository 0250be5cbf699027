// SPDX-License-Identifier: Apache-2.0

// Package evidence writes what stands beside a published kernel: why it is believed to do what
// it promises, for programs, and a page for people.
//
// It knows no datastore and no repository: it takes plain values. Whoever made them may have
// been wrong or hostile, so every string is taken for a foreign one.
package evidence

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

// The form of the files of evidence.
const (
	Format  = "ovzpatch evidence"
	Version = 1
)

// Kernel is one published kernel and what is known of it.
type Kernel struct {
	Name     string `json:"name"` // name-[epoch:]version-release.arch
	Snapshot string `json:"snapshot"`
	Proved   bool   `json:"proved"`
	// Missing says what a kernel that is not proved lacks.
	Missing string `json:"missing,omitempty"`

	// Packages are all that were published of it, the one with the kernel's image first.
	Packages []Package `json:"packages"`

	Source    Input             `json:"source"`
	Port      Input             `json:"port"`
	Derived   string            `json:"derived,omitempty"` // how the patch came about, where it is no port of ours
	Spec      Input             `json:"spec"`
	Toolchain map[string]string `json:"toolchain,omitempty"` // program to version, as it says itself
	Options   []string          `json:"options,omitempty"`   // of the build
	Finished  time.Time         `json:"finished,omitzero"`   // when the build was; zero where that is not known
	Log       Input             `json:"build_log,omitzero"`

	Tests []Test `json:"tests"`

	// Table is what the tests showed, in words; its first row is the head. Lines are those of the
	// host's log that show it. Both are for people, and in Tests in full.
	Table [][]string `json:"-"`
	Lines []Line     `json:"-"`
}

// Package is one published file.
type Package struct {
	File   string `json:"file"`
	Path   string `json:"path"` // from the page
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size,omitempty"` // bytes
	// Unsigned is the digest of the file as it was built and tested. Signing changes its first
	// part only, and neither the header nor what is unpacked.
	Unsigned string `json:"sha256_before_signing,omitempty"`
	Source   bool   `json:"source,omitempty"`
}

// Input is something that the kernel was made from.
type Input struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"`
}

// Test is one kernel that was booted.
type Test struct {
	Time     time.Time `json:"time"`
	File     string    `json:"file,omitempty"`
	SHA256   string    `json:"sha256,omitempty"` // of the package before it was signed
	Control  bool      `json:"control"`          // it was the kernel without the patch
	Verdict  string    `json:"verdict"`
	Expected string    `json:"expected,omitempty"`
	Console  string    `json:"console_sha256,omitempty"` // where the console was kept
	// Results are the cases, as the guest reported them (docs/events.md).
	Results json.RawMessage `json:"results,omitempty"`
}

// Line is a line of the host's log, and which kernel wrote it.
type Line struct{ Kernel, Text string }

// file is the form of the evidence of one kernel.
type file struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Kernel
}

// Base is the name of the kernel's files of evidence, without what follows the dot: that of its
// package. It has no epoch, whose colon some servers and filesystems do not take.
func (k *Kernel) Base() string {
	if len(k.Packages) == 0 {
		return ""
	}
	return strings.TrimSuffix(path.Base(k.Packages[0].File), ".rpm")
}

// JSON returns the content of evidence/BASE.json.
func (k *Kernel) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(file{Format, Version, *k}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write evidence of %s: %w", k.Name, err)
	}
	return append(b, '\n'), nil
}

// Read reads the content of an evidence/BASE.json. It has neither the table nor the lines.
func Read(b []byte) (*Kernel, error) {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	if f.Format != Format || f.Version != Version {
		return nil, fmt.Errorf("read evidence: its form is %q, version %d; this program knows %q, version %d", f.Format, f.Version, Format, Version)
	}
	return &f.Kernel, nil
}
