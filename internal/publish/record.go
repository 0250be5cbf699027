// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/plainfile"
)

// recordFile says what a generation holds.
const recordFile = "generation.json"

const (
	recordFormat  = "ovzpatch generation"
	recordVersion = 2        // 2 brought Files
	maxRecord     = 64 << 20 // bytes
)

// Record is what one generation of a repository holds, and why.
type Record struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Number  int       `json:"generation"`
	Made    time.Time `json:"made"`
	// Revision is the metadata's, in seconds since 1970. It only grows: yum keeps metadata that
	// looks newer than what the server has.
	Revision int64  `json:"revision"`
	Key      string `json:"key"` // fingerprint
	// KeySHA256 is that of the public key as it is published: a key that was extended is new to clients.
	KeySHA256  string     `json:"key_sha256"`
	V3         bool       `json:"v3_signatures,omitempty"`
	Unproved   bool       `json:"unproved,omitempty"` // it has kernels that nobody proved
	URL        string     `json:"url,omitempty"`
	Profiles   []Profile  `json:"profiles"`
	Packages   []Package  `json:"packages"`
	Retired    []Retired  `json:"retired,omitempty"`
	Advisories []Advisory `json:"advisories,omitempty"` // security notices
	// Files are those for people and for clients' settings that lie beside the repositories, with their SHA-256.
	Files map[string]string `json:"files,omitempty"`
}

// Package is one package of a generation, binary or source.
type Package struct {
	File     string        `json:"file"`
	Name     string        `json:"name"`
	Version  string        `json:"version"` // with epoch and release, as rpm prints it
	Arch     string        `json:"arch"`
	Origin   string        `json:"source_rpm,omitempty"` // file name of the source package that it was made from
	Source   bool          `json:"source,omitempty"`
	Kernel   bool          `json:"kernel,omitempty"` // it holds a kernel's image
	Proved   bool          `json:"proved,omitempty"` // that kernel has its verdicts
	Lacks    string        `json:"lacks,omitempty"`  // why that kernel is not proved
	Snapshot datastore.Ref `json:"snapshot"`
	// SHA256 is that of the file in the snapshot, which is not signed.
	SHA256 string    `json:"sha256"`
	Time   time.Time `json:"time"` // when the snapshot was finished
	// Evidence is the digest of what the snapshot's manifest said of the kernel.
	Evidence string `json:"evidence,omitempty"`
	// Path is where the signed file is, below each profile's directory.
	Path string `json:"path"`
	// Checksums are those of the signed file, by the name that the metadata has for the
	// algorithm.
	Checksums map[string]string `json:"checksums"`
}

// Retired is a kernel that is not published any more.
type Retired struct {
	Kernel   string        `json:"kernel"` // name-version-release.arch
	Snapshot datastore.Ref `json:"snapshot"`
	Reason   string        `json:"reason"`
	Time     time.Time     `json:"time"`
}

// NEVRA is the package's full name.
func (p *Package) NEVRA() string {
	arch := p.Arch
	if p.Source {
		arch = "src"
	}
	return p.Name + "-" + p.Version + "." + arch
}

// place returns the path of a package that key signed in that form. Another key, form or content
// is another path: what a client with older metadata asks for is never replaced. So is the path of
// one that was lost, and that the generation again signed once more; 0 for none.
func (p *Package) place(key string, v3 bool, again int) string {
	of := fmt.Appendf(nil, "%s %s %t", p.SHA256, key, v3)
	if again > 0 {
		of = fmt.Appendf(of, " %d", again)
	}
	sum := sha256.Sum256(of)
	return filepath.Join("packages", hex.EncodeToString(sum[:8]), p.File)
}

// Kernels returns the packages with kernel images.
func (r *Record) Kernels() []Package {
	return slices.DeleteFunc(slices.Clone(r.Packages), func(p Package) bool { return !p.Kernel })
}

// same reports whether two generations hold the same, whenever they were made.
func (r *Record) same(o *Record) bool {
	plain := func(r *Record) string {
		c := *r
		c.Number, c.Made, c.Revision = 0, time.Time{}, 0
		c.Version, c.Files = 0, nil // what is in them follows from the rest
		c.Packages = slices.Clone(c.Packages)
		for i := range c.Packages {
			c.Packages[i].Checksums = nil
		}
		b, err := json.Marshal(c)
		if err != nil {
			return err.Error() // plain values can be encoded
		}
		return string(b)
	}
	return plain(r) == plain(o)
}

// writeRecord writes a generation's record below dir.
func writeRecord(dir string, r *Record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordFile), append(b, '\n'), 0o644)
}

// readRecord reads the record of the generation in dir, whose number that is.
func readRecord(dir string, number int) (*Record, error) {
	path := filepath.Join(dir, recordFile)
	f, err := plainfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, err
	}
	var head struct{ Version int }
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if head.Version > recordVersion {
		return nil, fmt.Errorf("read %s: its format is version %d, and this program knows up to %d; use the newer ovzpatch that made it", path, head.Version, recordVersion)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	r := &Record{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if err := r.check(number); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

func (r *Record) check(number int) error {
	if r.Format != recordFormat || r.Number != number || len(r.Profiles) == 0 {
		return fmt.Errorf("it is not the record of generation %d", number)
	}
	for _, p := range r.Profiles {
		if _, err := ParseProfile(string(p)); err != nil {
			return err
		}
	}
	for _, p := range r.Packages {
		if !localPath(p.Path) || !strings.HasPrefix(p.Path, "packages/") || filepath.Base(p.Path) != p.File {
			return fmt.Errorf("path %q of package %q is not valid", p.Path, p.File)
		}
		if p.Name == "" || p.Version == "" || p.Arch == "" || len(p.SHA256) != 2*sha256.Size {
			return fmt.Errorf("package %q: its name or digest is missing", p.File)
		}
	}
	return nil
}

// localPath reports whether a path of a record or of metadata stays where it belongs.
func localPath(path string) bool {
	return filepath.IsLocal(path) && filepath.Clean(path) == path && !strings.ContainsAny(path, "\x00\n")
}

// errNoRecord tells that a directory of generations has one without a record.
var errNoRecord = errors.New("it has no " + recordFile)
