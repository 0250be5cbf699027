// SPDX-License-Identifier: Apache-2.0

// Package publish makes signed repositories, for yum, dnf and zypper, of the snapshots of a datastore
// that were proved.
//
// A repository's directory holds generations, and a link to the current one. A new generation is made
// beside them, signed, looked at as clients do, written to the disk, and then becomes current at
// once, by a rename. It has what the generations before it had, too: a client that is in the middle
// of reading one finds all of it. docs/publish.md says more.
package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ovzpatch/internal/cache"
	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/tool"
)

// Publish makes the repository hold what the options choose from the datastore, and nothing else.
// Whatever fails, what was published before stays.
func Publish(ctx context.Context, store *datastore.Store, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if len(o.Names) == 0 && len(o.Namespaces) == 0 {
		return nil, job.BadRequest(errors.New("nothing to publish: name groups or snapshots of the datastore, or a --namespace"))
	}
	if err := apart(o.To, store.Dir()); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", o.To, err)
	}
	// What clients found until now they go on to find.
	if last, err := o.earlier(-1); err == nil {
		o.goOn(last)
	}
	bad, say := map[string]error{}, once(o.Report)
	res, err := o.change(ctx, func(p *publication) (*Record, error) { return p.choose(ctx, store, bad, say) })
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", o.To, err)
	}
	return res, nil
}

// choose plans a generation of what the options name. bad are snapshots that were found damaged before.
func (p *publication) choose(ctx context.Context, store *datastore.Store, bad map[string]error, say func(string)) (*Record, error) {
	o := p.o
	sel := &selection{o: o, store: store, known: p.known(), bad: bad, readers: map[datastore.Ref]*datastore.Reader{}}
	if last := p.t.latest(); last != nil {
		sel.retired, sel.current = last.Retired, last.Packages
	}
	p.after = sel.close
	p.without = func(ref datastore.Ref, err error) bool {
		again := bad[ref.String()] == nil && !slices.Contains(o.Names, ref.String())
		bad[ref.String()] = datastore.Damage(err)
		return again
	}
	if err := sel.choose(ctx); err != nil {
		return nil, err
	}
	// Who can write there can make up verdicts, and the key would vouch for them.
	if err := store.Exposed(slices.Collect(maps.Keys(sel.readers))...); err != nil {
		return nil, job.BadRequest(err)
	}
	p.result.LeftOut = sel.leftOut
	for _, l := range sel.leftOut {
		say("NOT published: " + l.What + ": " + l.Why)
	}
	for _, u := range sel.unproved {
		say("WARNING: published UNPROVED, as --allow-unproved says: " + u)
	}
	for i := range sel.packages {
		if k := &sel.packages[i]; k.Kernel {
			k.Evidence = knowledge(sel.readers[k.Snapshot].Manifest, *k)
		}
	}
	p.open = fromSnapshots(sel.readers)
	p.manifest = func(ref datastore.Ref) *datastore.Manifest {
		if r := sel.readers[ref]; r != nil {
			return r.Manifest
		}
		return nil
	}
	rec := &Record{Unproved: len(sel.unproved) > 0, URL: o.URL, Packages: sel.packages, Retired: sel.retired}
	if o.Advisory != nil {
		a := *o.Advisory
		a.covers(rec.Packages)
		rec.Advisories = []Advisory{a}
	}
	return rec, nil
}

// once says every line once: what is planned again is not told again.
func once(u job.Reporter) func(string) {
	said := map[string]bool{}
	return func(line string) {
		if !said[line] {
			u.Say("%s", line)
		}
		said[line] = true
	}
}

// publication is one change of a repository.
type publication struct {
	o      *Options
	t      *target
	key    *signer
	result *Result
	open   func(Package) (*os.File, int64, error)
	// manifest is that of a snapshot, nil where the snapshot is not at hand.
	manifest func(datastore.Ref) *datastore.Manifest
	after    func()
	// without tells whether it can be planned again without a snapshot that was found damaged.
	without func(datastore.Ref, error) bool
}

// known are the packages of earlier generations by their digest in the datastore.
func (p *publication) known() map[string]Package {
	known := map[string]Package{}
	for _, r := range p.t.records {
		for _, pkg := range r.Packages {
			known[pkg.SHA256] = pkg
		}
	}
	return known
}

// change makes a new generation of what plan says: packages and what else is the caller's matter.
func (o *Options) change(ctx context.Context, plan func(*publication) (*Record, error)) (*Result, error) {
	profiles, err := o.profiles()
	if err != nil {
		return nil, err
	}
	if err := tool.Need(tools(profiles)); err != nil {
		return nil, err
	}
	dir, err := checkTarget(o.To)
	if err != nil {
		return nil, err
	}
	if err := o.keysApart(dir); err != nil {
		return nil, err
	}
	key, err := newSigner(ctx, o, profiles)
	if err != nil {
		return nil, err
	}
	t, err := openTarget(ctx, dir, o.Report)
	if err != nil {
		return nil, err
	}
	defer t.close()
	p := &publication{
		o: o, t: t, key: key, result: &Result{Dir: dir}, after: func() {},
		manifest: func(datastore.Ref) *datastore.Manifest { return nil }, without: func(datastore.Ref, error) bool { return false },
	}
	for {
		err := p.attempt(ctx, profiles, plan)
		var rotten *rottenError
		if err == nil || ctx.Err() != nil || !errors.As(err, &rotten) || !p.without(rotten.ref, err) {
			return p.result, err
		}
		if err := os.RemoveAll(p.t.path(generationsDir, newName)); err != nil {
			return nil, err
		}
	}
}

// attempt makes a new generation of what plan says.
func (p *publication) attempt(ctx context.Context, profiles []Profile, plan func(*publication) (*Record, error)) error {
	defer func() { p.after() }()
	rec, err := plan(p)
	if err != nil {
		return err
	}
	rec.Format, rec.Version = recordFormat, recordVersion
	rec.Key, rec.V3, rec.Profiles = p.key.fingerprint, p.key.v3, profiles
	rec.KeySHA256 = cache.SHA256(p.key.public)
	return p.publish(ctx, rec)
}

// publish makes the generation and makes it current.
func (p *publication) publish(ctx context.Context, rec *Record) error {
	for i := range rec.Packages {
		rec.Packages[i].Path = p.t.pathOf(rec, rec.Packages[i])
	}
	rec.Made = time.Now().UTC().Truncate(time.Second)
	rec.Revision, rec.Number = rec.Made.Unix(), p.t.next
	var earlier []Advisory
	if last := p.t.latest(); last != nil {
		earlier = last.Advisories
	}
	if p.o.Advisory != nil {
		rec.Advisories[0].issue(earlier)
	}
	rec.Advisories = keepAdvisories(rec.Packages, rec.Advisories, earlier)
	if last := p.t.latest(); last != nil {
		if rec.same(last) {
			damaged, err := p.damage(ctx, last)
			if err != nil {
				return err
			}
			if len(damaged) == 0 {
				p.result.Generation = last
				return p.t.prune(p.o.Keep)
			}
			p.o.Report.Say("WARNING: generation %d, which is current, is damaged, and a new one is made in its place:\n  %s", last.Number, few(damaged))
		}
		if last.Key != rec.Key {
			p.o.Report.Say("WARNING: generation %d was signed with another key, %s: clients ask before they import the new one, or refuse what it signed", last.Number, last.Key)
		}
		rec.Revision = max(rec.Revision, last.Revision+1)
	}
	s := &stage{t: p.t, key: p.key, rec: rec, dir: p.t.path(generationsDir, newName), u: p.o.Report, open: p.open, manifest: p.manifest}
	err := s.make(ctx, p.result, p.o.Keep)
	if err == nil {
		err = p.t.switchTo(rec.Number)
	}
	if err != nil {
		return explain(err, p.t.dir, "")
	}
	p.t.records = append([]*Record{rec}, p.t.records...)
	p.result.Generation, p.result.Changed = rec, true
	return p.t.prune(p.o.Keep)
}

// make makes the whole generation in its place beside the others.
func (s *stage) make(ctx context.Context, res *Result, keep int) error {
	primaries, err := s.packages(ctx)
	if err != nil {
		return err
	}
	outside := make([][]string, len(primaries))
	steps := []func(context.Context) error{func(ctx context.Context) error { return s.beside(ctx, keep) }}
	for i, prim := range primaries {
		steps = append(steps, func(ctx context.Context) (err error) {
			outside[i], err = s.look(ctx, s.rec.Profiles[i], prim)
			return err
		})
	}
	if err := together(ctx, steps...); err != nil {
		return err
	}
	res.Outside = slices.Concat(outside...)
	slices.Sort(res.Outside)
	res.Outside = slices.Compact(res.Outside)
	if s.rec.Files, err = beside(s.dir); err != nil {
		return err
	}
	if err := writeRecord(s.dir, s.rec); err != nil {
		return err
	}
	return openUp(s.dir)
}

// packages places the packages and makes their metadata. Those of earlier generations are read once, by
// createrepo_c. Where the metadata are not right one may be damaged, so it starts over and reads each before.
func (s *stage) packages(ctx context.Context) (primaries []*primary, err error) {
	for _, s.trusts = range []bool{true, false} {
		if err := s.place(ctx); err != nil {
			return nil, err
		}
		primaries, err = s.metadata(ctx)
		if err == nil || ctx.Err() != nil || len(s.fresh) == len(s.rec.Packages) {
			break
		}
		if err := os.RemoveAll(s.dir); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return primaries, s.warn(ctx)
}

// beside makes what stands beside the packages and their metadata.
func (s *stage) beside(ctx context.Context, keep int) error {
	if err := s.carry(ctx, keep); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, keyFile), s.key.public, 0o644); err != nil {
		return err
	}
	if err := s.notes(); err != nil {
		return err
	}
	return s.evidence(ctx)
}
