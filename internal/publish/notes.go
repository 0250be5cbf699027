// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"ovzpatch/internal/cache"
)

// unprovedFile marks a repository with kernels that nobody proved.
const unprovedFile = "UNPROVED"

// beside returns the digests of the files that lie in a directory itself.
func beside(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = cache.SHA256(b)
	}
	return files, nil
}

// notes writes what people read: the .repo files, and a mark on a repository with unproved kernels.
func (s *stage) notes() error {
	if s.rec.URL != "" {
		for _, p := range s.rec.Profiles {
			if err := s.repoFile(p); err != nil {
				return err
			}
		}
	}
	if !s.rec.Unproved {
		return nil
	}
	var text strings.Builder
	text.WriteString("UNPROVED: this repository was published with --allow-unproved. These kernels are not proved, and why:\n")
	for _, p := range s.rec.Kernels() {
		if !p.Proved {
			text.WriteString(p.NEVRA() + ": " + cmp.Or(p.Lacks, "it is not known why") + "\n")
		}
	}
	return os.WriteFile(filepath.Join(s.dir, unprovedFile), []byte(text.String()), 0o644)
}
