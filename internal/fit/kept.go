// SPDX-License-Identifier: Apache-2.0

package fit

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/source"
)

// keptKind is what the files that were read of a tarball are kept as.
const keptKind = "sources"

// readFiles reads files of a source. Those of a tarball are kept by its digest: to read them
// again takes a fraction of the time in which it is decompressed.
func (r Request) readFiles(ctx context.Context, archive *source.Source, want, passing []string) (*source.Files, error) {
	if archive.Kind != source.Tarball || r.Cache.Dir == "" {
		return archive.ReadFiles(ctx, want, passing...)
	}
	k := cache.NewKey(keptKind).Add("want", strings.Join(want, "\x00")).Add("passing", strings.Join(passing, "\x00"))
	digest, err := archive.Digest()
	if err != nil {
		return nil, fmt.Errorf("make cache key: %w", err)
	}
	k.Add("tarball", digest)
	if dir, ok := r.Cache.Get(keptKind, k.String()); ok {
		if files, err := readKept(dir); err == nil {
			return files, nil
		}
		// What cannot be read back is read anew, and kept anew.
		if err := r.Cache.Remove(keptKind, k.String()); err != nil {
			return nil, err
		}
	}
	files, err := archive.ReadFiles(ctx, want, passing...)
	if err != nil {
		return nil, err
	}
	if _, err := r.Cache.Put(keptKind, k.String(), func(dir string) error { return writeKept(dir, files) }); err != nil {
		r.Report.Say("the next check of this tarball will take as long: %v", err)
	}
	return files, nil
}

// The kept files are one tar archive, whose first entry is named as the tarball's top.
const keptName = "files.tar"

func writeKept(dir string, files *source.Files) error {
	f, err := os.Create(filepath.Join(dir, keptName))
	if err != nil {
		return fmt.Errorf("keep files: %w", err)
	}
	w := tar.NewWriter(f)
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "top/" + files.Top, Mode: 0o755})
	for _, name := range slices.Sorted(maps.Keys(files.Files)) {
		if err != nil {
			break
		}
		file := files.Files[name]
		if err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(file.Mode.Perm()), Size: int64(len(file.Data))}); err == nil {
			_, err = w.Write(file.Data)
		}
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		return fmt.Errorf("keep files: %w", err)
	}
	return nil
}

func readKept(dir string) (*source.Files, error) {
	f, err := os.Open(filepath.Join(dir, keptName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := tar.NewReader(f)
	h, err := r.Next()
	if err != nil {
		return nil, err
	}
	files := &source.Files{Top: strings.Trim(strings.TrimPrefix(h.Name, "top/"), "/"), Files: map[string]source.File{}}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Size > st.Size() {
			return nil, fmt.Errorf("%s: %d bytes, in an archive of %d", h.Name, h.Size, st.Size())
		}
		data := make([]byte, h.Size)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, err
		}
		files.Files[h.Name] = source.File{Data: data, Mode: fs.FileMode(h.Mode)}
	}
}
