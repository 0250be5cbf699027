// SPDX-License-Identifier: Apache-2.0

// Package settings reads the values of flags that a pipeline or a user sets once, for all calls: in
// the environment or in a file. The environment wins.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"ovzpatch/internal/job"
)

// Names are the flags that can be set.
var Names = []string{
	"boot-timeout", "build-timeout", "cache-dir", "container", "jobs", "keyring", "launcher", "log-format", "nice", "report", "root",
}

// BuiltIn is where a value comes from that nobody set.
const BuiltIn = "built in"

// Setting is a value for a flag, and where it comes from.
type Setting struct {
	Name   string   `json:"name"`
	Values []string `json:"value"` // several for a flag that takes a list
	From   string   `json:"from"`
}

// Variable is the environment variable of a flag.
func Variable(flag string) string {
	return "OVZPATCH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Strangers are the variables of an environment that look like settings and are none.
func Strangers(environ []string) []string {
	var all []string
	for _, one := range environ {
		name, _, _ := strings.Cut(one, "=")
		own := strings.HasPrefix(name, "OVZPATCH_TEST_") || strings.HasPrefix(name, "OVZPATCH_BENCH_") ||
			name == "OVZPATCH_STORE" || name == "OVZPATCH_PROOF"
		if strings.HasPrefix(name, "OVZPATCH_") && !own && !slices.ContainsFunc(Names, func(n string) bool { return Variable(n) == name }) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// Read collects what the environment and the file set, by name. "" is no file, as is one that is
// not there.
func Read(getenv func(string) string, file string) ([]Setting, error) {
	var list []Setting
	for _, name := range Names {
		if value := getenv(Variable(name)); value != "" {
			list = append(list, Setting{name, []string{value}, "$" + Variable(name)})
		}
	}
	if file == "" {
		return list, nil
	}
	inFile, err := readFile(file)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("read settings %s: %w", file, err))
	}
	for name, values := range inFile {
		if !slices.ContainsFunc(list, func(s Setting) bool { return s.Name == name }) {
			list = append(list, Setting{name, values, file})
		}
	}
	slices.SortFunc(list, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// readFile returns the values that a file sets.
func readFile(file string) (map[string][]string, error) {
	if st, err := os.Stat(file); err == nil && st.Mode()&fs.ModeNamedPipe != 0 {
		return nil, errors.New("it is a pipe, and reading it might never end; put a plain file there")
	}
	var values map[string]any
	_, err := toml.DecodeFile(file, &values)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	set := map[string][]string{}
	for name, value := range values {
		if !slices.Contains(Names, name) {
			return nil, fmt.Errorf("there is no setting %q; there are %s", name, strings.Join(Names, ", "))
		}
		if set[name], err = texts(value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return set, nil
}

// texts are those of a value in a file.
func texts(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case int64:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		var list []string
		for _, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", one)
			}
			list = append(list, text)
		}
		return list, nil
	}
	return nil, fmt.Errorf("%v is neither a text, nor a number, nor a list of texts", value)
}
