// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/job"
)

// Rollback makes a new generation that holds what an earlier one did; 0 is the one before the current
// one. The metadata is made anew, as yum keeps metadata that looks newer than what the server has.
func Rollback(ctx context.Context, o Options, number int) (*Result, error) {
	res, err := o.again(ctx, number, func(p *publication, from *Record) (*Record, error) {
		return &Record{
			Unproved: from.Unproved, URL: from.URL, Packages: slices.Clone(from.Packages), Retired: slices.Clone(from.Retired),
			Advisories: slices.Clone(from.Advisories),
		}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("roll back %s: %w", o.To, err)
	}
	return res, nil
}

// Retire takes a kernel, with the packages that belong to it, out of the repository for good: no later
// publish takes it again. The kernel is name-version-release.arch, or the name of its package's file.
func Retire(ctx context.Context, o Options, kernel, reason string) (*Result, error) {
	res, err := o.retire(ctx, strings.TrimSuffix(kernel, ".rpm"), reason)
	if err != nil {
		return nil, fmt.Errorf("retire %s: %w", kernel, err)
	}
	return res, nil
}

func (o *Options) retire(ctx context.Context, kernel, reason string) (*Result, error) {
	if !readable(reason) || strings.ContainsAny(reason, "\n\t") {
		return nil, job.BadRequest(fmt.Errorf("say why in one line with --reason, as plain text of at most %d bytes; clients can read it", maxDescription))
	}
	return o.again(ctx, -1, func(p *publication, from *Record) (*Record, error) {
		n := slices.IndexFunc(from.Packages, func(p Package) bool {
			return p.Kernel && (p.NEVRA() == kernel || strings.TrimSuffix(p.File, ".rpm") == kernel)
		})
		if n < 0 {
			return nil, job.BadRequest(fmt.Errorf("it is not published; these kernels are: %s", strings.Join(names(from.Kernels()), ", ")))
		}
		gone := from.Packages[n]
		rest := slices.DeleteFunc(slices.Clone(from.Packages), leaves(from.Kernels(), gone))
		rec := &Record{URL: from.URL, Packages: rest, Retired: append(slices.Clone(from.Retired), Retired{
			Kernel: gone.NEVRA(), Snapshot: gone.Snapshot, Reason: reason, Time: time.Now().UTC().Truncate(time.Second),
		})}
		rec.Unproved = slices.ContainsFunc(rec.Kernels(), func(p Package) bool { return !p.Proved })
		return rec, nil
	})
}

// leaves tells which packages go with one of the kernels. What goes with another kernel of its snapshot stays; and so does what is
// for every architecture, as the source package, where the kernel of another is published: of two such packages one was taken.
func leaves(all []Package, gone Package) func(Package) bool {
	kernels, others := map[string]bool{}, map[string]bool{}
	for _, k := range all {
		if k.Snapshot == gone.Snapshot {
			kernels[k.Name] = k.Name != gone.Name
		} else {
			others[k.Origin] = true
		}
	}
	return func(p Package) bool {
		if p.Snapshot != gone.Snapshot || (p.Source && others[p.File]) || (p.Arch == "noarch" && others[p.Origin]) {
			return false
		}
		return len(kernels) == 1 || !published(kernels, p)
	}
}

func names(packages []Package) []string {
	var list []string
	for _, p := range packages {
		list = append(list, p.NEVRA())
	}
	return list
}

// again makes a generation of an earlier one, with its profiles, and its key unless another is
// named: 0 is the one before the current one, -1 the current one.
func (o *Options) again(ctx context.Context, number int, plan func(*publication, *Record) (*Record, error)) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	from, err := o.earlier(number)
	if err != nil {
		return nil, err
	}
	o.Profiles = nil
	for _, p := range from.Profiles {
		o.Profiles = append(o.Profiles, string(p))
	}
	if o.Key == "" {
		o.Key = from.Key
	}
	return o.change(ctx, func(p *publication) (*Record, error) {
		if p.key.fingerprint != from.Key {
			return nil, job.BadRequest(fmt.Errorf("generation %d is signed with key %s: publish from the datastore to sign with another", from.Number, from.Key))
		}
		i := slices.IndexFunc(p.t.records, func(r *Record) bool { return r.Number == from.Number })
		if i < 0 || number < 0 && i > 0 {
			return nil, errors.New("another publish changed the repository meanwhile; try again")
		}
		p.open = func(p Package) (*os.File, int64, error) {
			return nil, 0, fmt.Errorf("%s is missing or damaged in generation %d, and in the others that held it; publish from the datastore", p.Path, from.Number)
		}
		return plan(p, p.t.records[i])
	})
}

// earlier reads the record of a generation before anything is locked: profiles and key are needed first.
func (o *Options) earlier(number int) (*Record, error) {
	dir, err := checkTarget(o.To)
	if err != nil {
		return nil, err
	}
	current := 0
	link, err := os.Readlink(filepath.Join(dir, currentLink))
	if err == nil {
		_, err = fmt.Sscanf(filepath.Base(link), "%d", &current)
	}
	if err != nil {
		return nil, job.BadRequest(fmt.Errorf("nothing is published there: %w", err))
	}
	there, err := generations(filepath.Join(dir, generationsDir))
	if err != nil {
		return nil, err
	}
	switch {
	case number < 0:
		number = current
	case number == 0:
		for _, n := range there {
			if n < current {
				number = n
			}
		}
		if number == 0 {
			return nil, job.BadRequest(fmt.Errorf("there is no generation before %d, which is current", current))
		}
	}
	r, err := readRecord(filepath.Join(dir, generationsDir, generationName(number)), number)
	if errors.Is(err, os.ErrNotExist) {
		var names []string
		for _, n := range there {
			names = append(names, strconv.Itoa(n))
		}
		return nil, job.BadRequest(fmt.Errorf("there is no generation %d; these are: %s", number, strings.Join(names, ", ")))
	}
	return r, err
}

// generations returns the numbers of the generations in a directory, the oldest first.
func generations(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && generationName(n) == e.Name() {
			list = append(list, n)
		}
	}
	return list, nil
}
