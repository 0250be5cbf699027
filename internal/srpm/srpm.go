// SPDX-License-Identifier: Apache-2.0

// Package srpm makes source RPMs: from a spec and sources, or from a source RPM that
// gets one more patch, in its own spec or under another one; and proves that the patch lies
// where %build compiles. rpmbuild is what writes the packages, and expanding a foreign spec's
// macros runs what the spec's author put there: see docs/srpm.md.
package srpm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/atomicfile"
	"ovzpatch/internal/command"
	"ovzpatch/internal/job"
	"ovzpatch/internal/rpmbuild"
	"ovzpatch/internal/spec"
)

// DefaultTag marks the release of a kernel that carries the patch.
const DefaultTag = ".lustre1"

// Inputs is what a source RPM is made of.
type Inputs struct {
	Spec  *spec.Spec        // its name ends in .spec
	Files map[string]string // source files: bare name to where the file is
	Texts map[string][]byte // small sources: bare name to content
	// Programs are the sources among them that the spec may execute where they lie.
	Programs map[string]bool
	// Date is the build time, and the time of every file: the same inputs give the
	// same package, byte for byte, whenever and wherever it is made.
	Date time.Time
	// Payload is rpm's name of the payload's compression, as "w9.bzdio"; "" is gzip
	// without compressing, which every rpm reads: kernel sources are compressed already.
	Payload string
	// FileDigest is rpm's number of the files' digest algorithm; 0 is 8, SHA-256, which
	// rpm before 4.6 cannot read: it needs 1, MD5.
	FileDigest int
	Defines    []string // "name value" each, as for rpmbuild --define
	Target     string   // as for rpmbuild --target; "" for this machine
	Keep       string   // a file that the package must not replace, "" for none
	// Line is called with every line rpmbuild prints.
	Line func(string)

	origin *identity // what the package must call itself; nil where nothing is known of that
	tag    string    // that the last Change marked the release with
}

// Build makes a source RPM in outDir, which must exist, and returns its path; a package
// of the same name there is replaced. What the build needs is not checked: that is for
// the machine that builds.
func Build(ctx context.Context, in Inputs, outDir string) (string, error) {
	if err := in.check(); err != nil {
		return "", fmt.Errorf("make source RPM: %w", err)
	}
	// Beside the result, so that it gets there by a rename.
	top, err := os.MkdirTemp(outDir, ".srpm-*")
	if err != nil {
		return "", fmt.Errorf("make source RPM: %w", atomicfile.NotMade(err, outDir))
	}
	defer os.RemoveAll(top)
	if err := in.layOut(ctx, top); err != nil {
		if strings.Contains(err.Error(), top) {
			err = atomicfile.NotMade(err, outDir) // what lies in there is gone when somebody looks
		}
		return "", fmt.Errorf("make source RPM: %w", err)
	}
	err = command.Run(ctx, command.Cmd{
		Args: in.argv(), Dir: top, Env: environment(top, in.Date), Clean: true, Line: in.Line,
	})
	if err != nil {
		return "", fmt.Errorf("make source RPM of %s: %w", in.Spec.Name(), err)
	}
	made, err := filepath.Glob(filepath.Join(top, "SRPMS", "*.rpm"))
	if err != nil || len(made) != 1 {
		return "", fmt.Errorf("make source RPM of %s: rpmbuild made %d packages instead of one", in.Spec.Name(), len(made))
	}
	if err := in.readBack(ctx, made[0]); err != nil {
		return "", fmt.Errorf("make source RPM: %w", err)
	}
	path := filepath.Join(outDir, filepath.Base(made[0]))
	if err := in.keep(path); err != nil {
		return "", err
	}
	if err := atomicfile.Move(made[0], path); err != nil {
		return "", fmt.Errorf("make source RPM: %w", err)
	}
	return path, nil
}

func (in *Inputs) check() error {
	if !strings.HasSuffix(in.Spec.Name(), ".spec") || !spec.IsName(in.Spec.Name()) {
		return fmt.Errorf("%q is not a name for a spec file", in.Spec.Name())
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(in.Files)), slices.Collect(maps.Keys(in.Texts))) {
		if name != filepath.Base(name) || name == "." || name == ".." || name == "" {
			return fmt.Errorf("source %q is not a bare name", name)
		}
	}
	if in.Date.IsZero() {
		return errors.New("the date is missing")
	}
	return nil
}

// layOut fills a private topdir.
func (in *Inputs) layOut(ctx context.Context, top string) error {
	if err := (rpmbuild.Job{Topdir: top}).Dirs(); err != nil {
		return err
	}
	if err := in.LayOut(ctx, top, copyFile); err != nil {
		return err
	}
	return in.stamp(top)
}

// LayOut puts the spec and the sources into a topdir, where rpmbuild wants them. put is how a
// file becomes a source there.
func (in *Inputs) LayOut(ctx context.Context, top string, put func(from, to string) error) error {
	for name, from := range in.Files {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := put(from, filepath.Join(top, "SOURCES", name)); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	for name, text := range in.Texts {
		path := filepath.Join(top, "SOURCES", name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
		if err := os.Chmod(path, in.Mode(name)); err != nil {
			return fmt.Errorf("write source: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "SPECS", in.Spec.Name()), in.Spec.Text(), 0o644); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	return nil
}

// keep refuses to replace what the package is made from: without a mark in its release it has the
// same name.
func (in *Inputs) keep(path string) error {
	was, err := os.Stat(path)
	if err != nil || in.Keep == "" {
		return nil
	}
	if kept, err := os.Stat(in.Keep); err == nil && os.SameFile(was, kept) {
		return job.BadRequest(fmt.Errorf("write source RPM %s: it would replace the one that it is made from; take another directory, or a --release-tag", path))
	}
	return nil
}

// Link is for a build on this machine, where a source may be the file itself. It is no
// symbolic link: rpm does not look through one to see what a source is compressed with.
func Link(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return atomicfile.Copy(from, to)
}

// Mode is the mode of a source.
func (in *Inputs) Mode(name string) fs.FileMode {
	if in.Programs[name] {
		return 0o755
	}
	return 0o644
}

// stamp sets the modes of all sources, and one time for all: both go into the package.
func (in *Inputs) stamp(top string) error {
	for _, dir := range []string{"SPECS", "SOURCES"} {
		list, err := os.ReadDir(filepath.Join(top, dir))
		if err != nil {
			return err
		}
		for _, e := range list {
			name := filepath.Join(top, dir, e.Name())
			if err := os.Chmod(name, in.Mode(e.Name())); err != nil {
				return err
			}
			if err := os.Chtimes(name, in.Date, in.Date); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyFile copies by a reflink where the file system can; not by a hard link, as the
// copy gets another mode and time.
func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if e := w.Close(); err == nil {
		err = e
	}
	return err
}

// argv is rpmbuild's command line, to be run in the topdir.
func (in *Inputs) argv() []string {
	payload, digest := in.Payload, in.FileDigest
	if payload == "" {
		payload = "w0.gzdio"
	}
	if digest == 0 {
		digest = 8
	}
	return append([]string{"rpmbuild", "-bs", "--nodeps"}, in.options(
		"_rpmformat 4", // rpm since 6 would write format 6
		"_source_payload "+payload,
		"_srcdefattr (-,root,root)",
		"_source_filedigest_algorithm "+strconv.Itoa(digest),
	)...)
}

// options are those that everything which reads the spec gets, and the spec.
func (in *Inputs) options(defines ...string) (args []string) {
	// Relative, as rpm keeps the expanded spec in the package, with the paths in it.
	for _, d := range slices.Concat(privateMacros("."), defines, in.Defines) {
		args = append(args, "--define", d)
	}
	if in.Target != "" {
		args = append(args, "--target", in.Target)
	}
	return append(args, filepath.Join("SPECS", in.Spec.Name()))
}

// privateMacros are those of every run of rpmbuild here. There need be no RPM database.
func privateMacros(top string) []string {
	macros := []string{"_dbpath " + filepath.Join(top, "tmp"), "source_date_epoch_from_changelog 0"}
	for _, d := range rpmbuild.Macros(top) {
		macros = append(macros, d.Name+" "+d.Value)
	}
	return macros
}

// environment keeps the user's own macros out and fixes time and language.
func environment(top string, date time.Time) []string {
	return append(rpmbuild.Environment(top), "TZ=UTC", "SOURCE_DATE_EPOCH="+strconv.FormatInt(date.Unix(), 10))
}

// mail returns a patch as git am takes it: with a sender, a date and a subject.
func mail(patch []byte, author, subject string, date time.Time) []byte {
	head, _, _ := bytes.Cut(patch, []byte("\n\n"))
	if bytes.HasPrefix(head, []byte("From ")) && bytes.Contains(head, []byte("\nSubject: ")) {
		return patch
	}
	subject = "[PATCH] " + subject
	// git takes such lines of the text for the mail's own, and ends at a sender without an
	// address or at a date that is none.
	for {
		patch = bytes.TrimLeft(patch, "\n")
		line, rest, _ := bytes.Cut(patch, []byte("\n"))
		key, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(key) {
		case "from":
			if a, err := netmail.ParseAddress(value); err == nil && a.Name != "" {
				author = value
			}
		case "date":
			if d, err := netmail.ParseDate(value); err == nil {
				date = d
			}
		case "subject":
			for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') { // it goes on
				line, rest, _ = bytes.Cut(rest, []byte("\n"))
				value += " " + string(bytes.TrimSpace(line))
			}
			if value != "" {
				subject = value
			}
		default:
			return fmt.Appendf(nil, "From %040d Mon Sep 17 00:00:00 2001\nFrom: %s\nDate: %s\nSubject: %s\n\n%s",
				0, author, date.UTC().Format(time.RFC1123Z), subject, patch)
		}
		patch = rest
	}
}
