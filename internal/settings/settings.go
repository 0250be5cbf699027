// SPDX-License-Identifier: Apache-2.0

// Package settings reads the values of flags that a pipeline or a user sets once, for all calls: in
// the environment or in a file. The environment wins.
package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"ovzpatch/internal/job"
	"ovzpatch/internal/plainfile"
	"ovzpatch/internal/tomlfile"
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

	line int // of the file
}

// Where is From, with the line of a file.
func (s Setting) Where() string { return tomlfile.Place(s.From, s.line) }

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
			list = append(list, Setting{Name: name, Values: []string{value}, From: "$" + Variable(name)})
		}
	}
	if file == "" {
		return list, nil
	}
	inFile, err := readFile(file)
	if err != nil {
		return nil, job.BadRequest(err)
	}
	for _, set := range inFile {
		if !slices.ContainsFunc(list, func(s Setting) bool { return s.Name == set.Name }) {
			list = append(list, set)
		}
	}
	slices.SortFunc(list, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Complete returns a setting for each of Names. One that is not in list has the value that is built in,
// as a flag shows it: "" and [] are none.
func Complete(list []Setting, builtIn func(name string) string) []Setting {
	all := make([]Setting, 0, len(Names))
	for _, name := range Names {
		s := Setting{Name: name, Values: []string{}, From: BuiltIn}
		if i := slices.IndexFunc(list, func(s Setting) bool { return s.Name == name }); i >= 0 {
			s = list[i]
		} else if value := builtIn(name); value != "" && value != "[]" {
			s.Values = []string{value}
		}
		all = append(all, s)
	}
	return all
}

// maxFile is the size in bytes up to which a file is read.
const maxFile = 1 << 20

// readFile returns the values that a file sets.
func readFile(file string) ([]Setting, error) {
	f, err := plainfile.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings %s: %w", file, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it has more than %d KiB", maxFile>>10)
	}
	if err != nil {
		return nil, fmt.Errorf("read settings %s: %w", file, err)
	}
	var values map[string]any
	md, err := toml.Decode(string(data), &values)
	if err != nil {
		line, text := tomlfile.Told(err)
		return nil, fmt.Errorf("read settings %s: %s", tomlfile.Place(file, line), text)
	}
	var list []Setting
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		set := Setting{Name: name, From: file, line: tomlfile.Line(data, name)}
		if !slices.Contains(Names, name) {
			err = fmt.Errorf("there is no setting %q%s; there are %s", name, near(name), strings.Join(Names, ", "))
		} else if set.Values, err = texts(values[name], tomlfile.Word(md.Type(name))); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("read settings %s: %w", set.Where(), err))
		}
		list = append(list, set)
	}
	return list, errors.Join(wrong...)
}

// near is the setting that a name is, most likely, but for how it is written; "" for none.
func near(name string) string {
	plain := strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "ovzpatch-")
	if !slices.Contains(Names, plain) {
		return ""
	}
	return " (is it " + plain + "?)"
}

// texts are those of a value in a file, which is of the type kind.
func texts(value any, kind string) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case int64:
		return []string{fmt.Sprint(v)}, nil
	case []any:
		var list []string
		for i, one := range v {
			text, ok := one.(string)
			if !ok {
				return nil, fmt.Errorf("number %d of the list is not a text", i+1)
			}
			list = append(list, text)
		}
		return list, nil
	}
	return nil, fmt.Errorf("it is of type %s, and must be a text, a whole number or a list of texts", kind)
}
