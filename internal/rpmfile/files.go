// SPDX-License-Identifier: Apache-2.0

package rpmfile

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	// The algorithms for rpm's digest numbers.
	_ "crypto/md5"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
)

// Entry is one file of a package, as its header describes it.
type Entry struct {
	Name   string // absolute in a binary package, a bare name in a source package
	Mode   fs.FileMode
	Size   int64 // bytes
	MTime  time.Time
	Digest string // lower-case hex, by the package's DigestAlgorithm; "" if the file has none
	Link   string // where a symbolic link points
	User   string
	Group  string
	Flags  FileFlags

	path   string // relative, clean, safe to join to a directory
	device uint64
	inode  uint64
}

// FileFlags are rpm's marks on a file.
type FileFlags uint32

// The marks that matter when you unpack or judge a package.
const (
	FileConfig FileFlags = 1 << 0
	FileDoc    FileFlags = 1 << 1
	FileSpec   FileFlags = 1 << 5
	FileGhost  FileFlags = 1 << 6 // belongs to the package but is not in its payload
)

// hashes are rpm's numbers of digest algorithms, which are OpenPGP's.
var hashes = map[uint64]crypto.Hash{
	1: crypto.MD5, 2: crypto.SHA1, 8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512,
	11: crypto.SHA224, 12: crypto.SHA3_256, 14: crypto.SHA3_512,
}

// fileLists are the parallel arrays that describe a package's files.
type fileLists struct {
	names                                     []string
	digests, links, users, groups             []string
	sizes, modes, mtimes, flags, devs, inodes []uint64
}

// parseFiles reads the file list of a header.
func parseFiles(h *Header, source bool, limits Limits) ([]Entry, crypto.Hash, error) {
	names, err := fileNames(h)
	if err != nil {
		return nil, 0, err
	}
	if len(names) > limits.Files {
		return nil, 0, fmt.Errorf("package has %d files, more than the %d allowed", len(names), limits.Files)
	}
	l := fileLists{
		names:   names,
		digests: h.Strings(tagFileDigests), links: h.Strings(tagFileLinktos),
		users: h.Strings(tagFileUsers), groups: h.Strings(tagFileGroups),
		sizes: h.Ints(tagFileSizes), modes: h.Ints(tagFileModes), mtimes: h.Ints(tagFileMtimes),
		flags: h.Ints(tagFileFlags), devs: h.Ints(tagFileDevices), inodes: h.Ints(tagFileInodes),
	}
	if h.Has(tagLongFileSizes) {
		l.sizes = h.Ints(tagLongFileSizes)
	}
	if err := l.check(); err != nil {
		return nil, 0, err
	}
	algorithm := crypto.MD5 // what rpm used before there was a choice
	if n, ok := h.Int(tagFileDigestAlgo); ok {
		if algorithm, ok = hashes[n]; !ok {
			return nil, 0, fmt.Errorf("file digests use algorithm %d, which is unknown", n)
		}
	}
	entries := make([]Entry, len(names))
	seen := make(map[string]bool, len(names))
	var total int64
	for i := range entries {
		e, err := l.entry(i, source, algorithm)
		if err != nil {
			return nil, 0, fmt.Errorf("file %q: %w", names[i], err)
		}
		if seen[e.path] {
			return nil, 0, fmt.Errorf("file %q comes twice", names[i])
		}
		seen[e.path] = true
		if total += e.Size; total > limits.Unpacked {
			return nil, 0, fmt.Errorf("files claim more than the %d bytes allowed", limits.Unpacked)
		}
		entries[i] = e
	}
	return entries, algorithm, nil
}

// fileNames returns the names from either of the two ways in which rpm stores them.
func fileNames(h *Header) ([]string, error) {
	if !h.Has(tagBaseNames) {
		return h.Strings(tagOldFilenames), nil
	}
	bases, dirs, index := h.Strings(tagBaseNames), h.Strings(tagDirNames), h.Ints(tagDirIndexes)
	if len(index) != len(bases) {
		return nil, fmt.Errorf("package has %d file names with %d directories", len(bases), len(index))
	}
	names := make([]string, len(bases))
	for i, base := range bases {
		if index[i] >= uint64(len(dirs)) {
			return nil, fmt.Errorf("file %q is in directory %d of %d", base, index[i], len(dirs))
		}
		names[i] = dirs[index[i]] + base
	}
	return names, nil
}

// check makes sure that every list has one value per file.
func (l *fileLists) check() error {
	n := len(l.names)
	for _, x := range []struct {
		what     string
		length   int
		optional bool
	}{
		{"sizes", len(l.sizes), false},
		{"modes", len(l.modes), false},
		{"times", len(l.mtimes), false},
		{"digests", len(l.digests), false},
		{"links", len(l.links), false},
		{"flags", len(l.flags), false},
		{"users", len(l.users), true},
		{"groups", len(l.groups), true},
		{"devices", len(l.devs), true},
		{"inodes", len(l.inodes), true},
	} {
		if x.length != n && !(x.optional && x.length == 0) {
			return fmt.Errorf("package has %d files but %d %s", n, x.length, x.what)
		}
	}
	return nil
}

func at[T any](list []T, i int) (v T) {
	if len(list) > 0 {
		v = list[i]
	}
	return v
}

// entry makes the Entry of file i, and refuses what a package must not hold.
func (l *fileLists) entry(i int, source bool, algorithm crypto.Hash) (Entry, error) {
	e := Entry{
		Name: l.names[i], Mode: fileMode(l.modes[i]), Size: int64(l.sizes[i]),
		MTime: time.Unix(int64(l.mtimes[i]), 0), Link: l.links[i],
		Digest: strings.ToLower(l.digests[i]), Flags: FileFlags(l.flags[i]),
		User: at(l.users, i), Group: at(l.groups, i),
		device: at(l.devs, i), inode: at(l.inodes, i),
	}
	var err error
	if e.path, err = safePath(e.Name, source); err != nil {
		return e, err
	}
	if e.Size < 0 {
		return e, fmt.Errorf("has a size of %d bytes", l.sizes[i])
	}
	if source && !e.Mode.IsRegular() {
		return e, fmt.Errorf("is a %s; a source package holds nothing but plain files", kindOf(e.Mode))
	}
	if e.Digest != "" {
		if b, err := hex.DecodeString(e.Digest); err != nil || len(b) != algorithm.Size() {
			return e, fmt.Errorf("has digest %q, which is not a %v digest", e.Digest, algorithm)
		}
	}
	return e, nil
}

// safePath turns a name of the package into a relative path that stays below its root.
func safePath(name string, source bool) (string, error) {
	path := name
	if source {
		if strings.Contains(path, "/") {
			return "", errors.New("is not a bare name; a source package has no directories")
		}
	} else if path = strings.TrimPrefix(strings.TrimPrefix(path, "./"), "/"); path == "" {
		return ".", nil // the package holds the root directory
	}
	if !fs.ValidPath(strings.ToValidUTF8(path, "?")) || path == "." {
		return "", errors.New("has a name that could lead out of the package")
	}
	return path, nil
}

// fileMode converts the mode of stat(2).
func fileMode(mode uint64) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & 0o170000 {
	case 0o040000:
		m |= fs.ModeDir
	case 0o120000:
		m |= fs.ModeSymlink
	case 0o020000:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case 0o060000:
		m |= fs.ModeDevice
	case 0o010000:
		m |= fs.ModeNamedPipe
	case 0o140000:
		m |= fs.ModeSocket
	case 0o100000:
	default:
		m |= fs.ModeIrregular
	}
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

func kindOf(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "plain file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "symbolic link"
	case fs.ModeNamedPipe:
		return "named pipe"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeIrregular:
		return "file of unknown kind"
	}
	return "device"
}

// DigestNumber returns rpm's number of a digest algorithm, or 0 if rpm does not know it.
func DigestNumber(h crypto.Hash) int {
	for n, known := range hashes {
		if known == h {
			return int(n)
		}
	}
	return 0
}
