// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"ovzpatch/internal/compress"
	"ovzpatch/internal/plainfile"
)

// repomd is the table of contents of metadata.
type repomd struct {
	Data []struct {
		Type     string   `xml:"type,attr"`
		Checksum checksum `xml:"checksum"`
		Location struct {
			Href string `xml:"href,attr"`
		} `xml:"location"`
	} `xml:"data"`
}

type checksum struct {
	Type  string `xml:"type,attr"`
	Value string `xml:",chardata"`
}

// sums has the checksum as a record has those of a package.
func (c checksum) sums() map[string]string {
	return map[string]string{c.Type: strings.TrimSpace(c.Value)}
}

func readRepomd(repo string) (*repomd, error) {
	path := filepath.Join(repo, "repodata/repomd.xml")
	b, err := plainfile.Read(path)
	if err != nil {
		return nil, err
	}
	r := &repomd{}
	if err := xml.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for _, d := range r.Data {
		if !localPath(d.Location.Href) || filepath.Dir(d.Location.Href) != "repodata" {
			return nil, fmt.Errorf("read %s: location %q is not valid", path, d.Location.Href)
		}
	}
	return r, nil
}

// primary is what clients know of the packages.
type primary struct {
	Packages []primaryPackage `xml:"package"`
}

type primaryPackage struct {
	Name     string   `xml:"name"`
	Arch     string   `xml:"arch"`
	Checksum checksum `xml:"checksum"`
	Location struct {
		Base string `xml:"http://www.w3.org/XML/1998/namespace base,attr"`
		Href string `xml:"href,attr"`
	} `xml:"location"`
	Provides []relation `xml:"format>provides>entry"`
	Requires []relation `xml:"format>requires>entry"`
	Files    []string   `xml:"format>file"`
}

type relation struct {
	Name    string `xml:"name,attr"`
	Flags   string `xml:"flags,attr"` // EQ, LT, GT, LE or GE, "" for any version
	Epoch   string `xml:"epoch,attr"`
	Version string `xml:"ver,attr"`
	Release string `xml:"rel,attr"`
}

func readPrimary(ctx context.Context, repo string) (*primary, error) {
	r, err := readRepomd(repo)
	if err != nil {
		return nil, err
	}
	for _, d := range r.Data {
		if d.Type != "primary" {
			continue
		}
		f, err := plainfile.Open(filepath.Join(repo, d.Location.Href))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		plain, _, err := compress.NewReader(ctx, f)
		if err != nil {
			return nil, err
		}
		defer plain.Close()
		p := &primary{}
		if err := xml.NewDecoder(compress.Limit(plain, maxMetadata)).Decode(p); err != nil {
			return nil, fmt.Errorf("read %s: %w", d.Location.Href, err)
		}
		return p, nil
	}
	return nil, errors.New("repomd.xml names no primary metadata")
}
