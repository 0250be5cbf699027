// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"ovzpatch/internal/job"
)

// checkTypes refuses what the library passes over: a value where a table is to be, and a number as a time, which
// it takes for nanoseconds.
func (f *File) checkTypes(md toml.MetaData) (wrong []error) {
	is := func(want, words string, key ...string) {
		if got := md.Type(key...); got != "" && got != want { // a table that is there by its keys alone has none
			wrong = append(wrong, f.at(fmt.Errorf("it is of type %s, and must be %s", typeWord(got), words), key...))
		}
	}
	tables := [][]string{{"options"}, {"expect"}, {"source"}}
	for _, name := range slices.Sorted(maps.Keys(f.Sources)) {
		tables = append(tables, []string{"source", name, "options"})
	}
	for _, key := range tables {
		is("Hash", "a table", key...)
	}
	for _, key := range [][]string{{"limits", "time"}, {"slurm", "wait"}, {"slurm", "poll"}, {"slurm", "settle"}} {
		is("String", "a text with a time and its unit, for example \"90m\"", key...)
	}
	return wrong
}

// Bounds of what a file may say.
const (
	longest  = 366 * 24 * time.Hour
	poll     = 100 * time.Millisecond // more often would be a load on the controller
	maxTasks = 4096                   // processors of one task; ovzpatch run takes as many compile jobs
)

// checkLimits refuses numbers and times that nobody could have meant.
func (f *File) checkLimits(md toml.MetaData) (wrong []error) {
	for _, l := range []struct {
		table, key string
		bad        bool
		must       string
	}{
		{"limits", "time", f.Limits.Time <= 0 || f.Limits.Time > longest, "above 0, and a year at most"},
		{"limits", "memory", f.Limits.Memory <= 0, "above 0"},
		{"limits", "disk", f.Limits.Disk <= 0, "above 0"},
		{"slurm", "cpus", f.Slurm.CPUs <= 0 || f.Slurm.CPUs > maxTasks, fmt.Sprintf("above 0, and %d at most", maxTasks)},
		{"slurm", "wait", f.Slurm.Wait <= 0 || f.Slurm.Wait > longest, "above 0, and a year at most"},
		{"slurm", "poll", f.Slurm.Poll < poll || f.Slurm.Poll > time.Hour, fmt.Sprintf("%v to an hour", poll)},
		{"slurm", "settle", f.Slurm.Settle <= 0 || f.Slurm.Settle > 24*time.Hour, "above 0, and a day at most"},
	} {
		if md.IsDefined(l.table, l.key) && l.bad {
			wrong = append(wrong, f.at(errors.New("it must be "+l.must), l.table, l.key))
		}
	}
	for i, dir := range []string{f.Slurm.Cache, f.Slurm.Temp} {
		key := []string{"cache", "tmp"}[i]
		if dir != "" && !filepath.IsAbs(dir) {
			wrong = append(wrong, f.at(fmt.Errorf("%q: a directory of the nodes begins with /", dir), "slurm", key))
		}
	}
	for _, o := range f.Slurm.Options {
		name, _, _ := strings.Cut(o, "=")
		switch {
		case !strings.HasPrefix(o, "--") || o == "--":
			wrong = append(wrong, f.at(fmt.Errorf("%q: write options of sbatch as --name or --name=value, each as one text", o), "slurm", "options"))
		case slices.ContainsFunc(ownOptions, func(own string) bool { return strings.HasPrefix(own, name) }): // sbatch knows names by their beginnings
			wrong = append(wrong, f.at(fmt.Errorf("%s: a matrix says that itself, or has no use for it", name), "slurm", "options"))
		}
	}
	return wrong
}

// ownOptions are those of sbatch without which tasks would not be found again, or be no tasks.
var ownOptions = []string{
	"--array", "--chdir", "--clusters", "--cpus-per-task", "--help", "--job-name", "--open-mode", "--output", "--parsable", "--quiet",
	"--test-only", "--usage", "--version", "--wait", "--wrap",
}

// decodeError says what the library says of a file, with its line.
func (f *File) decodeError(err error) error {
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		text := wrongType(parse.Message)
		if parse.LastKey != "" {
			text = parse.LastKey + ": " + text
		}
		if ext := filepath.Ext(f.Path); ext == ".yaml" || ext == ".yml" {
			text += "; a matrix is written in TOML, not in YAML"
		}
		return job.BadRequest(fmt.Errorf("read matrix %s:%d: %s", f.Path, parse.Position.Line, text))
	}
	// A value of the wrong type has no ParseError, but its text has the line.
	if m := regexp.MustCompile(`^toml: line (\d+) \(last key "(.*?)"\): (.*)$`).FindStringSubmatch(err.Error()); m != nil {
		return job.BadRequest(fmt.Errorf("read matrix %s:%s: %s: %s", f.Path, m[1], m[2], wrongType(m[3])))
	}
	return job.BadRequest(fmt.Errorf("read matrix %s: %w", f.Path, err))
}

// wrongType says in our words what the library says of a value of the wrong type.
func wrongType(text string) string {
	if m := regexp.MustCompile(`^incompatible types: TOML value has type (\S+); destination has type (\S+)$`).FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("it is of type %s, and must be of type %s", typeWord(m[1]), typeWord(m[2]))
	}
	if m := regexp.MustCompile(`^type mismatch for \S+: expected table but found (\S+)$`).FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("it is of type %s, and must be of type table", typeWord(m[1]))
	}
	if value, ok := strings.CutPrefix(text, "invalid duration: "); ok {
		return value + ": write a time with its unit, for example 90m"
	}
	return text
}

// typeWord is what people call a type of the library's or of Go's.
func typeWord(name string) string {
	switch name {
	case "slice", "[]any", "[]interface", "Array", "ArrayHash":
		return "list"
	case "map", "struct", "Hash", "map[string]any":
		return "table"
	case "string", "String":
		return "text"
	case "int", "int64", "integer", "Integer":
		return "whole number"
	case "float64", "Float":
		return "number"
	case "bool", "Bool":
		return "true or false"
	}
	return name
}

// refused is a value that is refused whatever it is: the library then says in which line it
// stands.
type refused struct{ err error }

func (r *refused) UnmarshalTOML(any) error { return r.err }

// at makes err a usage error that names the file, and the key with its line.
func (f *File) at(err error, key ...string) error {
	line := ""
	var table map[string]toml.Primitive
	md, decodeErr := toml.Decode(string(f.data), &table)
	for i, k := range key {
		value, ok := table[k]
		if decodeErr != nil || !ok {
			break
		}
		var parse toml.ParseError
		if errors.As(md.PrimitiveDecode(value, &refused{err}), &parse) && parse.Position.Line > 0 {
			line = fmt.Sprintf(":%d", parse.Position.Line)
		}
		table = nil
		if i+1 < len(key) {
			decodeErr = md.PrimitiveDecode(value, &table)
		}
	}
	where := f.Path + line
	if len(key) > 0 {
		where += ": " + toml.Key(key).String()
	}
	return job.BadRequest(fmt.Errorf("read matrix %s: %w", where, err))
}
