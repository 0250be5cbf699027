// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ovzpatch/internal/atomicfile"
)

// format is one way to write a report.
type format struct {
	name  string
	write func(*Report, io.Writer) error
}

var formats = []format{
	{"junit", (*Report).JUnit},
	{"ktap", (*Report).KTAP},
	{"tap", (*Report).TAP},
	{"html", (*Report).HTML},
	{"json", (*Report).JSON},
	{"codequality", (*Report).CodeQuality},
}

// Formats are the names of the formats that files may have.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// File is a file that is to have a report.
type File struct {
	Path   string
	format format
}

// ParseFiles reads FORMAT=FILE values.
func ParseFiles(values []string) ([]File, error) {
	var files []File
	for _, v := range values {
		name, path, ok := strings.Cut(v, "=")
		i := slices.IndexFunc(formats, func(f format) bool { return f.name == name })
		if !ok || i < 0 || path == "" {
			return nil, fmt.Errorf("%q: write FORMAT=FILE, as %s=report.xml; FORMAT is one of %s", v, formats[0].name, strings.Join(Formats(), ", "))
		}
		if slices.ContainsFunc(files, func(f File) bool { return filepath.Clean(f.Path) == filepath.Clean(path) }) {
			return nil, fmt.Errorf("%q: another report goes to the same file", v)
		}
		files = append(files, File{path, formats[i]})
	}
	return files, nil
}

// Write writes the report into f, whole or not at all.
func (f File) Write(r *Report) error {
	if err := atomicfile.Write(f.Path, func(w io.Writer) error { return f.format.write(r, w) }); err != nil {
		return fmt.Errorf("write report %s: %w", f.Path, err)
	}
	return nil
}
