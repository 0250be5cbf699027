// SPDX-License-Identifier: Apache-2.0

// Package rpmfile reads RPM files, source and binary, of formats 3, 4 and 6: without
// rpm, without its database, and without root.
//
// An RPM file is untrusted: the package checks everything in it before use, and verifies every
// digest in it before it passes content on. Report says what could not be verified.
package rpmfile

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrNotRPM means that a file does not start like an RPM file.
var ErrNotRPM = errors.New("not an RPM file")

// Limits say what a package may demand from this machine.
type Limits struct {
	Header   int64 // bytes of each of the two headers
	Files    int   // files in the package
	Unpacked int64 // bytes of all files together
	// Ratio is how many bytes the payload may unpack to for each compressed byte, if it unpacks
	// to more than a gigabyte. Kernels with debug information reach 20.
	Ratio int64
}

// DefaultLimits fit every existing kernel package, with room to grow.
var DefaultLimits = Limits{Header: 64 << 20, Files: 500_000, Unpacked: 64 << 30, Ratio: 1000}

// ratioFloor is the size in bytes below which a high ratio does no harm.
const ratioFloor = 1 << 30

// File is an open RPM file whose headers were verified against their digests. Its payload is
// verified whenever it is read.
type File struct {
	Header *Header
	// Source reports whether it is a source package.
	Source bool
	// Files are the package's files, in the header's order.
	Files []Entry
	// DigestAlgorithm is the algorithm of the files' digests.
	DigestAlgorithm crypto.Hash

	path         string
	file         *os.File
	size         int64 // bytes of the RPM file
	headerStart  int64
	payloadStart int64
	lead         lead
	signature    *Header
	limits       Limits
	index        map[string]int // from Entry.path to the number of the file
	verified     []string       // what Open verified, as sentences
	whole        bool           // every digest has been verified since
}

// Open reads the headers of the RPM file at path within DefaultLimits, and verifies them. An
// error that is ErrNotRPM means that the file is something else. The file stays open until Close.
func Open(ctx context.Context, path string) (*File, error) {
	return OpenWithin(ctx, path, DefaultLimits)
}

// OpenWithin is Open with other limits.
func OpenWithin(ctx context.Context, path string, limits Limits) (*File, error) {
	// Look before opening: opening a pipe waits for its writer.
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open RPM file: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("open RPM file %s: %w: it is a %s", path, ErrNotRPM, kindOf(st.Mode()))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open RPM file: %w", err)
	}
	f, err := newFile(ctx, file, path, limits)
	if err != nil {
		file.Close()
	}
	return f, err
}

// OpenFile is Open for a regular file that is open already, which is called path. It stays the
// caller's, and open as long as the package is used.
func OpenFile(ctx context.Context, file *os.File, path string) (*File, error) {
	return newFile(ctx, file, path, DefaultLimits)
}

func newFile(ctx context.Context, file *os.File, path string, limits Limits) (*File, error) {
	f := &File{path: path, file: file, limits: limits}
	if err := f.read(ctx); err != nil {
		return nil, fmt.Errorf("read RPM file %s: %w", path, damaged(ctx, err))
	}
	return f, nil
}

// damaged adds what to do with a package that cannot be read, or is not what its digests say.
func damaged(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, ErrNotRPM) {
		return err
	}
	return fmt.Errorf("%w; the file is damaged or incomplete: copy or download it again", err)
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

func (f *File) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	st, err := f.file.Stat()
	if err != nil {
		return err
	}
	f.size = st.Size()
	r := io.NewSectionReader(f.file, 0, f.size)
	if f.lead, err = readLead(r); err != nil {
		return err
	}
	limit := min(f.limits.Header, f.size)
	if f.signature, err = readHeader(r, tagHeaderSignatures, limit); err != nil {
		return fmt.Errorf("signature header: %w", err)
	}
	padding := make([]byte, -len(f.signature.raw)&7)
	if _, err := io.ReadFull(r, padding); err != nil {
		return fmt.Errorf("signature header: read its padding: %w", noEOF(err))
	}
	if !allZero(padding) {
		return errors.New("signature header: its padding is not zero")
	}
	f.headerStart = int64(leadLength + len(f.signature.raw) + len(padding))
	if f.Header, err = readHeader(r, tagHeaderImmutable, limit); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	f.payloadStart = f.headerStart + int64(len(f.Header.raw))
	if err := f.verifyHeader(); err != nil {
		return err
	}
	f.Source = f.Header.Has(TagSourcePackage) || !f.Header.Has(TagSourceRPM)
	if err := f.lead.check(f); err != nil {
		return fmt.Errorf("lead: %w", err)
	}
	if f.Files, f.DigestAlgorithm, err = parseFiles(f.Header, f.Source, f.limits); err != nil {
		return err
	}
	if f.Source && len(f.hardLinks()) > 0 {
		return errors.New("files are hard links to each other; a source package may hold only plain files")
	}
	f.index = make(map[string]int, len(f.Files))
	for i, e := range f.Files {
		f.index[e.path] = i
	}
	return f.checkFeatures()
}

// checkFeatures refuses a payload whose layout this package does not know.
func (f *File) checkFeatures() error {
	if format := f.Header.String(TagPayloadFormat); format != "" && format != "cpio" {
		return fmt.Errorf("payload has format %q, only cpio is supported", format)
	}
	for _, d := range f.Requires() {
		if d.Name == "rpmlib(PayloadAlignment)" {
			return errors.New("payload is aligned to file system blocks, which is unsupported: build the package with rpm before 6.2, or without that option")
		}
	}
	return nil
}

// Name returns the package's name.
func (f *File) Name() string { return f.Header.String(TagName) }

// Version returns the package's version.
func (f *File) Version() string { return f.Header.String(TagVersion) }

// Release returns the package's release.
func (f *File) Release() string { return f.Header.String(TagRelease) }

// Arch returns the package's architecture; for a source package, that of the machine on which
// it was made.
func (f *File) Arch() string { return f.Header.String(TagArch) }

// SourceRPM is the file name of the source package from which a binary package was built.
func (f *File) SourceRPM() string { return f.Header.String(TagSourceRPM) }

// NEVRA is name-[epoch:]version-release.arch, with arch src for a source package.
func (f *File) NEVRA() string {
	epoch := ""
	if e, ok := f.Header.Int(TagEpoch); ok {
		epoch = fmt.Sprintf("%d:", e)
	}
	return fmt.Sprintf("%s-%s%s-%s.%s", f.Name(), epoch, f.Version(), f.Release(), f.arch())
}

func (f *File) arch() string {
	if f.Source {
		return "src"
	}
	return f.Arch()
}

// PackageID is the MD5 digest of header and payload, by which the binary packages that were built
// along with a source package name it; nil where the package has none, as in format 6.
func (f *File) PackageID() []byte { return f.signature.Bytes(sigMD5) }

// SourceID is the PackageID of the source package that was built along with a binary one; nil
// where none was.
func (f *File) SourceID() []byte { return f.Header.Bytes(TagSourcePackageID) }

// PayloadSize is the size of the compressed payload in bytes.
func (f *File) PayloadSize() int64 { return f.size - f.payloadStart }

// Find returns the entry with this name.
func (f *File) Find(name string) (Entry, bool) {
	path, err := safePath(name, f.Source)
	if err != nil {
		return Entry{}, false
	}
	i, ok := f.index[path]
	if !ok {
		return Entry{}, false
	}
	return f.Files[i], true
}
