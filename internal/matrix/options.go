// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// reserved are flags that a matrix sets itself, or that make no sense for one cell.
var reserved = []string{
	"report", "json", "output", "store", "only", "target", "flavour", "cache-dir", "help", "quiet", "verbose",
	"log-format", "control-of", "expect", "livepatch", "kernel", "modules",
}

// cellCommands are the commands that do cells.
var cellCommands = []string{"run", "check", "test"}

// fileOptions are flags that name files. Paths are relative to the matrix file, and the content is a part of
// the cell's key.
var fileOptions = []string{"config", "patch", "keyring", "devel", "lustre", "lustre-setup"}

// treeOptions are fileOptions that may name a directory, too.
var treeOptions = []string{"lustre"}

// checkOptions refuses options that no command has.
func (m *Matrix) checkOptions(o Options, options map[string]any, key ...string) error {
	for _, flag := range slices.Sorted(maps.Keys(options)) {
		at := append(slices.Clone(key), flag)
		known := slices.ContainsFunc(cellCommands, func(c string) bool { return o.Commands.Has(c, flag) })
		switch {
		case slices.Contains(reserved, flag):
			return m.File.at(errors.New("a matrix sets this flag itself, or does not use it"), at...)
		case !known:
			return m.File.at(errors.New("neither ovzpatch run nor check nor test has such a flag"), at...)
		}
		values, err := flagValues(options[flag])
		if err != nil {
			return m.File.at(err, at...)
		}
		if slices.Contains(fileOptions, flag) {
			for i, v := range values {
				if v == "" {
					continue // the command refuses it
				}
				values[i] = m.File.beside(v)
				if st, err := os.Stat(values[i]); err != nil {
					return m.File.at(err, at...)
				} else if st.IsDir() && !slices.Contains(treeOptions, flag) {
					return m.File.at(fmt.Errorf("%s: it is a directory; name a file", values[i]), at...)
				} else if err := readable(values[i], st); err != nil {
					return m.File.at(err, at...)
				}
			}
			options[flag] = values
		}
		if flag == "root" {
			if dir, ok := strings.CutPrefix(values[0], "chroot:"); ok {
				values[0] = "chroot:" + m.File.beside(dir)
				options[flag] = values[0]
			}
		}
		if err := checkValues(o.Commands, flag, values, m.File.Path); err != nil {
			return m.File.at(err, at...)
		}
	}
	return nil
}

// wrongFlag matches the start of a command's error about the value of one flag.
var wrongFlag = regexp.MustCompile(`^--([a-z][a-z0-9-]*)(?:[=:/]| ")`)

// checkValues refuses values that no command takes, also of flags that no cell uses. Flags that do not go
// together are found with the cells.
func checkValues(commands Commands, flag string, values []string, source string) error {
	for _, command := range cellCommands {
		if !commands.Has(command, flag) {
			continue
		}
		err := commands.Check(command, append(flagArgs(flag, values), "--", source))
		if err == nil {
			continue
		}
		if m := wrongFlag.FindStringSubmatch(err.Error()); m != nil && m[1] == flag {
			return err
		}
	}
	return nil
}

// refuse adds to a command's error the line of the option that is at fault, or of the source.
func (m *Matrix) refuse(err error, c *Cell) error {
	key := []string{"source", c.table}
	if w := wrongFlag.FindStringSubmatch(err.Error()); w != nil {
		if _, own := m.File.Sources[c.table].Options[w[1]]; own {
			key = append(key, "options", w[1])
		} else if _, all := m.File.Options[w[1]]; all {
			key = []string{"options", w[1]}
		}
	}
	return m.File.at(fmt.Errorf("cell %s: %w", c.Name, err), key...)
}

// flagArgs returns the arguments that set a flag.
func flagArgs(flag string, values []string) (args []string) {
	for _, v := range values {
		args = append(args, "--"+flag+"="+v)
	}
	return args
}

// flagValues returns an option's value as texts.
func flagValues(value any) ([]string, error) {
	switch v := value.(type) {
	case string, int64, bool:
		return []string{fmt.Sprint(v)}, nil
	case []string:
		return v, nil
	case []any:
		texts := []string{}
		for i, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("number %d of the list is not a text", i+1)
			}
			texts = append(texts, text)
		}
		if len(texts) > 0 {
			return texts, nil
		}
	}
	return nil, errors.New("it must be a text, a whole number, true or false, or a list of texts that is not empty")
}

// readable refuses a pipe or a device: reading it for its digest might never end.
func readable(path string, st fs.FileInfo) error {
	if !st.IsDir() && !st.Mode().IsRegular() {
		return fmt.Errorf("%s: it is neither a file nor a directory", path)
	}
	return nil
}
