// SPDX-License-Identifier: Apache-2.0

// Package gooverlay makes Go programs run on Linux 2.6.18: it derives an overlay for
// `go build -overlay` from the toolchain in use, in which the runtime makes do with the
// system calls that kernels before 2.6.27 have. It is for amd64 and 386.
package gooverlay

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"ovzpatch/internal/atomicfile"
)

// edit replaces one text of a file by another.
type edit struct {
	old, new string
	times    int // how often old must be there
}

// change is what is done to one file of GOROOT.
type change struct {
	file  string // below GOROOT/src
	edits []edit
	// gone matches what must not be left: a use that a newer toolchain added.
	gone *regexp.Regexp
}

// Write makes an overlay for the toolchain of goroot in dir, which it creates, and returns
// the path for -overlay. A toolchain whose files are not as expected is an error, and
// then no overlay is written.
func Write(goroot, dir string) (string, error) {
	texts := map[string]string{}
	var problems []error
	for _, c := range changes {
		b, err := os.ReadFile(filepath.Join(goroot, "src", filepath.FromSlash(c.file)))
		if err == nil {
			texts[c.file], err = c.apply(string(b))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("change %s: %w", c.file, err))
		}
	}
	if len(problems) > 0 {
		return "", fmt.Errorf("derive overlay from %s: %w (internal/gooverlay must learn this toolchain, or use an older one)", goroot, errors.Join(problems...))
	}
	return write(goroot, dir, texts)
}

func (c change) apply(text string) (string, error) {
	for _, e := range c.edits {
		if n := strings.Count(text, e.old); n != e.times {
			return "", fmt.Errorf("%q is there %d times, not %d", e.old, n, e.times)
		}
		text = strings.ReplaceAll(text, e.old, e.new)
	}
	if left := c.gone.FindString(text); left != "" {
		return "", fmt.Errorf("%s is still used", left)
	}
	// What does not parse would be found later, by a compiler that names other files.
	b, err := format.Source([]byte(text))
	return string(b), err
}

// write puts the file that names the others in place last: without it there is none.
func write(goroot, dir string, texts map[string]string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.Remove(list); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	replace := map[string]string{}
	for file, text := range texts {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
		replace[filepath.Join(goroot, "src", filepath.FromSlash(file))] = path
	}
	b, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	if err := atomicfile.WriteBytes(list, b); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return list, nil
}
