// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// reserved are the flags that a matrix sets itself, and those that make no sense for one cell.
var reserved = []string{
	"report", "json", "output", "store", "only", "target", "flavour", "cache-dir", "help", "quiet", "verbose",
	"log-format", "control-of", "expect", "livepatch", "kernel", "modules",
}

// fileOptions are the flags that name a file: one named in the matrix file is looked for beside
// that, and what is in it counts for whether a cell was done.
var fileOptions = []string{"config", "patch", "keyring", "devel", "lustre-setup"}

// checkOptions refuses options that no command has.
func (m *Matrix) checkOptions(o Options, options map[string]any, key ...string) error {
	for _, flag := range slices.Sorted(maps.Keys(options)) {
		at := append(slices.Clone(key), flag)
		known := slices.ContainsFunc([]string{"run", "check", "test"}, func(c string) bool { return o.Commands.Has(c, flag) })
		switch {
		case slices.Contains(reserved, flag):
			return m.File.at(errors.New("a matrix sets this flag itself, or has no use for it"), at...)
		case !known:
			return m.File.at(errors.New("neither ovzpatch run nor check nor test has such a flag"), at...)
		}
		values, err := flagValues(options[flag])
		if err != nil {
			return m.File.at(err, at...)
		}
		if slices.Contains(fileOptions, flag) {
			for i, v := range values {
				values[i] = m.File.beside(v)
				if st, err := os.Stat(values[i]); err != nil {
					return m.File.at(err, at...)
				} else if st.IsDir() {
					return m.File.at(fmt.Errorf("%s: it is a directory; name a file", values[i]), at...)
				} else if err := readable(values[i], st); err != nil {
					return m.File.at(err, at...)
				}
			}
			options[flag] = values
		}
		if flag == "root" {
			if dir, ok := strings.CutPrefix(values[0], "chroot:"); ok {
				options[flag] = "chroot:" + m.File.beside(dir)
			}
		}
	}
	return nil
}

// flagValues are the texts of an option's value.
func flagValues(value any) ([]string, error) {
	switch v := value.(type) {
	case string, int64, bool:
		return []string{fmt.Sprint(v)}, nil
	case []string:
		return v, nil
	case []any:
		texts := []string{}
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", one)
			}
			texts = append(texts, text)
		}
		if len(texts) > 0 {
			return texts, nil
		}
	}
	return nil, fmt.Errorf("%v is neither a text, nor a number, nor true or false, nor a list of texts", value)
}

// readable refuses a pipe or a device: reading it for its digest might never end.
func readable(path string, st fs.FileInfo) error {
	if !st.IsDir() && !st.Mode().IsRegular() {
		return fmt.Errorf("%s: it is neither a file nor a directory", path)
	}
	return nil
}
