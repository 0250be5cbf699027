// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"context"
	"fmt"
	"io"
	"io/fs"
)

// maxInMemory is how many bytes ReadFiles returns in total.
const maxInMemory = 1 << 30

// ReadFiles returns the content of the named plain files, by name. It unpacks only the necessary
// part of the payload, but verifies its digests all the same. Names may have a leading slash or
// not.
func (f *File) ReadFiles(ctx context.Context, names ...string) (map[string][]byte, error) {
	contents := make(map[string][]byte, len(names))
	links := f.hardLinks()
	wanted := make(map[int][]string) // by number of the file, the names that the caller used
	var total int64
	for _, name := range names {
		i, err := f.member(name, links)
		if err != nil {
			return nil, err
		}
		if total += f.Files[i].Size; total > maxInMemory {
			return nil, tooLarge(name, f.path)
		}
		wanted[i] = append(wanted[i], name)
	}
	err := f.walk(ctx, func(i int, content io.Reader) error {
		list, ok := wanted[i]
		if !ok || content == nil {
			return nil
		}
		var b buffer
		if err := f.copyContent(&b, &f.Files[i], content); err != nil {
			return err
		}
		for _, name := range list {
			contents[name] = b
		}
		delete(wanted, i)
		if len(wanted) == 0 {
			return errEnough
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", f.path, err)
	}
	return contents, nil
}

// member returns the number of the file with which the content of the named plain file comes.
func (f *File) member(name string, links map[fileID][]int) (int, error) {
	p, err := safePath(name, f.Source)
	i, ok := f.index[p]
	if err != nil || !ok {
		return 0, fmt.Errorf("read %s from %s: %w", name, f.path, fs.ErrNotExist)
	}
	e := &f.Files[i]
	if !e.Mode.IsRegular() || e.Flags&FileGhost != 0 {
		return 0, fmt.Errorf("read %s from %s: it is a %s without content", name, f.path, kindOf(e.Mode))
	}
	// It is the last of a file's links.
	if set := links[fileID{e.device, e.inode}]; len(set) > 0 {
		i = set[len(set)-1]
	}
	return i, nil
}

func tooLarge(name, path string) error {
	return fmt.Errorf("read %s from %s: more than %d bytes are too much for memory; unpack them", name, path, maxInMemory)
}

type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
