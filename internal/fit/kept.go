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
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/source"
)

// keptKind is what the files that were read of a tarball are kept as.
const keptKind = "sources"

// reading is what was read of a source.
type reading struct {
	*source.Files
	// headers reads those, which are many and seldom wanted; nil where they are among the files.
	headers func() (*source.Files, error)
	// digest is that of the tarball; "" where nothing is kept of the source.
	digest string
}

// readFiles reads files of a source. Those of a tarball are kept by its digest: to read them
// again takes a fraction of the time in which it is decompressed.
func (r Request) readFiles(ctx context.Context, archive *source.Source, want, passing []string) (*reading, error) {
	if archive.Kind != source.Tarball || r.Cache.Dir == "" {
		files, err := archive.ReadFiles(ctx, want, passing...)
		return &reading{Files: files}, err
	}
	k := cache.NewKey(keptKind).Add("want", strings.Join(want, "\x00")).Add("passing", strings.Join(passing, "\x00"))
	digest, err := archive.Digest()
	if err != nil {
		return nil, fmt.Errorf("make cache key: %w", err)
	}
	k.Add("tarball", digest).Add("files", keptName+" "+keptHeaders)
	if dir, ok := r.Cache.Get(keptKind, k.String(), keptName); ok {
		if files, err := readKept(filepath.Join(dir, keptName)); err == nil {
			headers := func() (*source.Files, error) {
				if dir, ok := r.Cache.Get(keptKind, k.String(), keptHeaders); ok {
					if files, err := readKept(filepath.Join(dir, keptHeaders)); err == nil {
						return files, nil
					}
				}
				r.Cache.Reject(keptKind, k.String())
				again, err := r.readFiles(ctx, archive, want, passing)
				if err != nil {
					return nil, err
				}
				return again.Files, nil
			}
			return &reading{files, headers, digest}, nil
		}
		// What cannot be read back is read anew, and kept anew.
		r.Cache.Reject(keptKind, k.String())
	}
	files, err := archive.ReadFiles(ctx, want, passing...)
	if err != nil {
		return nil, err
	}
	if _, err := r.Cache.Put(keptKind, k.String(), func(dir string) error {
		if err := writeKept(filepath.Join(dir, keptName), files, func(name string) bool { return !isHeader(name) }); err != nil {
			return err
		}
		return writeKept(filepath.Join(dir, keptHeaders), files, isHeader)
	}); err != nil {
		r.Report.Say("the next check of this tarball will take as long: %v", err)
	}
	return &reading{Files: files, digest: digest}, nil
}

func isHeader(name string) bool { return path.Ext(name) == ".h" }

// complete reads the headers, if they were not.
func (r *reading) complete() error {
	if r.headers == nil {
		return nil
	}
	files, err := r.headers()
	if err != nil {
		return err
	}
	maps.Copy(r.Files.Files, files.Files)
	r.headers = nil
	return nil
}

// The kept files are two tar archives; the first entry of each is named as the tarball's top.
const (
	keptName    = "files.tar"
	keptHeaders = "headers.tar"
)

// writeKept keeps some of the files.
func writeKept(file string, files *source.Files, which func(name string) bool) error {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("keep files: %w", err)
	}
	w := tar.NewWriter(f)
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "top/" + files.Top, Mode: 0o755})
	for _, name := range slices.Sorted(maps.Keys(files.Files)) {
		if err != nil {
			break
		}
		if !which(name) {
			continue
		}
		file := files.Files[name]
		if err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(file.Mode.Perm()), Size: int64(len(file.Data))}); err == nil {
			_, err = w.Write(file.Data)
		}
	}
	if err == nil {
		err = w.Close() // after an error it says the same
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep files: %w", err)
	}
	return nil
}

func readKept(file string) (*source.Files, error) {
	f, err := plainfile.Open(file)
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
