// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/plainfile"
)

// indexName is the file of a result that has the SHA-256 digests of all others. It finds bit rot and
// half-written files; whoever may write to the cache can change it as well.
const indexName = "digests.json"

// index has by each file's name what its digest may be.
type index map[string][]string

// errNoIndex means that a result is of a release that wrote no digests.
var errNoIndex = errors.New("it has no " + indexName)

// seal writes down the digests of what is in dir.
func seal(dir string) error {
	all := index{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		digest, err := plainDigest(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all[name] = []string{digest}
		return err
	})
	if err != nil {
		return err
	}
	return all.write(dir)
}

func (all index) write(dir string) error {
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, indexName), data)
}

func readIndex(dir string) (index, error) {
	data, err := plainfile.Read(filepath.Join(dir, indexName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoIndex
	}
	if err != nil {
		return nil, err
	}
	var all index
	if err := json.Unmarshal(data, &all); err != nil || all == nil {
		return nil, fmt.Errorf("%s is not as it was written", indexName)
	}
	return all, nil
}

// Admit says before a file of a finished result is written, or written anew, what its digest will be.
// Others may look at the result meanwhile: what was there before stays right. Only one may write.
func Admit(dir, name, digest string) error {
	all, err := readIndex(dir)
	if err != nil {
		return fmt.Errorf("note a digest in %s: %w", dir, err)
	}
	all[name] = append(all[name], digest)
	return all.write(dir)
}

// intact returns an error unless files of a result, or all of them where none are named, are as they were written.
func intact(dir string, files []string) error {
	all, err := readIndex(dir)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		files = slices.Sorted(maps.Keys(all))
	}
	for _, name := range files {
		digest, err := plainDigest(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !slices.Contains(all[name], digest) {
			return fmt.Errorf("%s is not as it was written", name)
		}
	}
	return nil
}

// plainDigest is the digest of a plain file; anything else could be read for ever.
func plainDigest(path string) (string, error) {
	f, err := plainfile.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digestOf(f)
}
