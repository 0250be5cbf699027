// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"ovzpatch/internal/guest"
	"ovzpatch/internal/job"
	"ovzpatch/internal/prove"
)

// File is the description of a matrix.
type File struct {
	Path string `toml:"-"` // absolute

	Exclude []string          `toml:"exclude"` // names of cells, with * and ?
	Options map[string]any    `toml:"options"` // flags of ovzpatch, for all cells
	Axes    Axes              `toml:"axes"`
	Limits  Limits            `toml:"limits"`
	Slurm   Slurm             `toml:"slurm"`
	Sources map[string]Source `toml:"source"`
	Expect  map[string]string `toml:"expect"` // by the names of cells, with * and ?

	data  []byte
	order []string // names of the sources, as in the file
}

// Axes are what each source is combined with.
type Axes struct {
	Targets  []string `toml:"targets"`
	Flavours []string `toml:"flavours"`
	Variants []string `toml:"variants"`
}

// Source is one table of sources. It names them by path, by glob, or as snapshots.
type Source struct {
	Path      string `toml:"path"`
	Glob      string `toml:"glob"`
	Store     string `toml:"store"`     // a datastore
	Snapshots string `toml:"snapshots"` // which of its snapshots, with * and ?
	Axes
	Options map[string]any `toml:"options"`
}

// Limits are the resources that one cell may take.
type Limits struct {
	Time   time.Duration `toml:"time"`
	Memory Bytes         `toml:"memory"`
	Disk   Bytes         `toml:"disk"`
}

// The standard limits suit kernels with small configurations. A distribution's configuration needs more.
const (
	standardTime   = 4 * time.Hour
	standardMemory = 2 << 30
	standardDisk   = 4 << 30
)

// Bytes is a size such as 3GiB.
type Bytes int64

// UnmarshalText reads a number with its unit.
func (b *Bytes) UnmarshalText(text []byte) error {
	m := regexp.MustCompile(`^([0-9]+)(MiB|GiB)$`).FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("%q: write a whole number with MiB or GiB, for example 3GiB", text)
	}
	unit := int64(1 << 20)
	if m[2] == "GiB" {
		unit = 1 << 30
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return fmt.Errorf("%q: the number is too large", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (b Bytes) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%dMiB", b>>20), nil }

// sourceName matches names of sources. They become a part of the cells' names, where / separates.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// maxFile is the largest size of a file, in bytes.
const maxFile = 4 << 20

// Read reads and checks a file.
func Read(path string) (*File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("read matrix %s: %w", path, err))
	}
	st, err := os.Stat(abs)
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err == nil && st.Size() > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("read matrix %s: %w", path, err))
	}
	f := &File{Path: abs}
	if f.data, err = os.ReadFile(abs); err != nil {
		return nil, fmt.Errorf("read matrix: %w", err)
	}
	md, err := toml.Decode(string(f.data), f)
	if err != nil {
		return nil, f.decodeError(err)
	}
	// One call reports all mistakes, but not those that only follow from others.
	wrong := f.checkTypes(md)
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	var unknown []string
	for _, key := range md.Undecoded() {
		if under := func(table string) bool { return strings.HasPrefix(key.String(), table+".") }; slices.ContainsFunc(unknown, under) {
			continue // its table is unknown, which is reported already
		}
		unknown = append(unknown, key.String())
		wrong = append(wrong, f.at(errors.New("there is no such key; docs/matrix.md lists them all"), key...))
	}
	for _, key := range md.Keys() {
		if len(key) >= 2 && key[0] == "source" && !slices.Contains(f.order, key[1]) {
			f.order = append(f.order, key[1])
		}
	}
	return f, errors.Join(append(wrong, f.check(md)...)...)
}

// check refuses meaningless values. It looks at no other file.
func (f *File) check(md toml.MetaData) (wrong []error) {
	if len(f.order) == 0 {
		wrong = append(wrong, f.at(errors.New("it names no source: write a table [source.NAME] with path, glob, or store and snapshots")))
	}
	wrong = slices.Concat(wrong, f.checkLimits(md), f.checkAxes(f.Axes, "axes"))
	for _, name := range f.order {
		s := f.Sources[name]
		if !sourceName.MatchString(name) {
			wrong = append(wrong, f.at(fmt.Errorf("the source's name %q: use letters, digits, dots, - and _", name), "source", name))
		}
		ways := 0
		for _, way := range []string{s.Path, s.Glob, s.Store} {
			if way != "" {
				ways++
			}
		}
		if ways != 1 || (s.Store == "") != (s.Snapshots == "") {
			wrong = append(wrong, f.at(errors.New("name its sources in one way: path, or glob, or store and snapshots"), "source", name))
		}
		if s.Store != "" && len(s.Targets)+len(s.Flavours)+len(s.Variants) > 0 {
			wrong = append(wrong, f.at(errors.New("a snapshot is one finished kernel, so it has no targets, flavours or variants"), "source", name))
		}
		wrong = append(wrong, f.checkAxes(s.Axes, "source", name)...)
	}
	for _, pattern := range slices.Sorted(maps.Keys(f.Expect)) {
		want := f.Expect[pattern]
		if !slices.Contains(Expectations, want) {
			wrong = append(wrong, f.at(fmt.Errorf("%q cannot be expected; choose from %s", want, strings.Join(Expectations, ", ")), "expect", pattern))
		}
	}
	return wrong
}

// Misfit is expected where the patch does not fit or would be misplaced.
const Misfit = "misfit"

// Expectations are what a file may expect of a cell. Without one, a cell must end with exit code 0.
var Expectations = []string{Misfit, string(guest.Protected), string(guest.Vulnerable), string(guest.Faulty), string(guest.Inconclusive)}

var targets = []string{"x86_64", "i686"}

// Variants say what is tried of a kernel.
const (
	Check   = "check"       // does the patch fit, and is its hook reached
	With    = prove.With    // the kernel with the patch is built and booted
	Without = prove.Without // the kernel without it
	// Livepatch is the kernel without the patch, with a module in its four states.
	Livepatch = "livepatch"
	Kept      = "kept" // a finished kernel of a datastore is booted; no file asks for it by name
)

var variants = []string{Check, With, Without, Livepatch}

func (f *File) checkAxes(a Axes, key ...string) (wrong []error) {
	for _, axis := range []struct {
		name   string
		values []string
		all    []string
	}{{"targets", a.Targets, targets}, {"flavours", a.Flavours, nil}, {"variants", a.Variants, variants}} {
		key := append(slices.Clone(key), axis.name)
		for i, v := range axis.values {
			switch {
			case slices.Contains(axis.values[:i], v):
				wrong = append(wrong, f.at(fmt.Errorf("%q is there twice, which would make two cells of one name", v), key...))
			case axis.all != nil && !slices.Contains(axis.all, v):
				wrong = append(wrong, f.at(fmt.Errorf("%q is none of %s", v, strings.Join(axis.all, ", ")), key...))
			case axis.all == nil && v != "" && !sourceName.MatchString(v):
				wrong = append(wrong, f.at(fmt.Errorf("%q: a flavour is one name, as a spec has it, or \"\" for what is built without one", v), key...))
			}
		}
	}
	return wrong
}
