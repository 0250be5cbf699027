// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"ovzpatch/internal/job"
	"ovzpatch/internal/tomlfile"
)

// checkTypes refuses what the library accepts silently: a value in the place of a table, and a number without
// a unit as a time, which it takes for nanoseconds.
func (f *File) checkTypes(md toml.MetaData) (wrong []error) {
	is := func(want, words string, key ...string) {
		if got := md.Type(key...); got != "" && got != want { // a table that only its keys define has no type
			wrong = append(wrong, f.at(fmt.Errorf("it is of type %s, and must be %s", tomlfile.Word(got), words), key...))
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

// The bounds of numbers and times in a file.
const (
	longest  = 366 * 24 * time.Hour
	poll     = 100 * time.Millisecond // a shorter one would burden the controller
	maxTasks = 4096                   // processors of one task; ovzpatch run takes as many compile jobs
)

// checkLimits refuses numbers and times out of bounds.
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
		case slices.ContainsFunc(ownOptions, func(own string) bool { return strings.HasPrefix(own, name) }): // sbatch accepts abbreviated names
			wrong = append(wrong, f.at(fmt.Errorf("%s: a matrix sets this option itself, or does not use it", name), "slurm", "options"))
		}
	}
	return wrong
}

// ownOptions are options of sbatch that Cluster depends on: with others it would not find its tasks again.
var ownOptions = []string{
	"--array", "--chdir", "--clusters", "--cpus-per-task", "--help", "--job-name", "--open-mode", "--output", "--parsable", "--quiet",
	"--test-only", "--usage", "--version", "--wait", "--wrap",
}

// decodeError adds the line to the library's error.
func (f *File) decodeError(err error) error {
	line, text := tomlfile.Told(err)
	if ext := filepath.Ext(f.Path); ext == ".yaml" || ext == ".yml" {
		text += "; a matrix is written in TOML, not in YAML"
	}
	return job.BadRequest(fmt.Errorf("read matrix %s: %s", tomlfile.Place(f.Path, line), text))
}

// at makes err a usage error that names the file, and the key with its line.
func (f *File) at(err error, key ...string) error {
	where := tomlfile.Place(f.Path, tomlfile.Line(f.data, key...))
	if len(key) > 0 {
		where += ": " + toml.Key(key).String()
	}
	return job.BadRequest(fmt.Errorf("read matrix %s: %w", where, err))
}
