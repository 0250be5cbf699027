// SPDX-License-Identifier: Apache-2.0

// Package adopt puts the packages of a build that another system made (Koji, mock, the Open Build
// Service) into a datastore as a snapshot, as a build of ours is kept there. What the packages say
// of the build is noted; what they do not say stays unknown.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"

	"ovzpatch/internal/datastore"
	"ovzpatch/internal/job"
	"ovzpatch/internal/kernelrpm"
	"ovzpatch/internal/preflight"
)

// Options say what is taken, and how.
type Options struct {
	Packages  []string // paths: one kernel, its -devel package, its source package, and what else belongs to it
	Namespace string   // of the snapshot
	Log       string   // path of the build's log, "" for none
	Keyring   string   // file with the keys of whoever must have signed the packages; "" for any
	Report    job.Reporter
}

// Check tells which of the files that are named is missing, and refuses what is no namespace.
func (o *Options) Check() error {
	err := errors.Join(preflight.File("log", o.Log), preflight.File("keyring", o.Keyring))
	for _, path := range o.Packages {
		err = errors.Join(err, preflight.File("", path))
	}
	if err != nil {
		return err
	}
	if _, err := datastore.ParseNamespace(o.Namespace); err != nil {
		return job.BadRequest(err)
	}
	return nil
}

// logFile is what the build's log is called in a snapshot, whatever it was called elsewhere.
const logFile = "build.log"

// item is one package on its way into the datastore.
type item struct {
	*kernelrpm.Package
	path     string
	was      os.FileInfo
	contents *kernelrpm.Contents
}

// Add reads the packages, all of each, and keeps them as a new snapshot of the kernel's group.
func Add(ctx context.Context, store *datastore.Store, o Options) (ref datastore.Ref, err error) {
	if st, err := os.Stat(o.Log); o.Log != "" && (err != nil || !st.Mode().IsRegular()) {
		return ref, job.BadRequest(errors.Join(err, fmt.Errorf("--log=%s: it must be a plain file", o.Log)))
	}
	set, err := read(ctx, &o)
	defer func() {
		for _, i := range set {
			i.Close()
		}
	}()
	if err != nil {
		return ref, fmt.Errorf("add packages: %w", err)
	}
	b, err := sort(set)
	if err != nil {
		return ref, job.BadRequest(fmt.Errorf("add packages: %w", err))
	}
	m, err := b.describe(ctx, o.Report)
	if err != nil {
		return ref, fmt.Errorf("add packages: %w", err)
	}
	group := datastore.Group{Namespace: datastore.Namespace(o.Namespace), Type: "kernel", ID: b.kernel.Name() + "." + b.kernel.Arch()}
	w, err := store.CreateNow(ctx, group)
	if err != nil {
		return ref, err
	}
	defer w.Abort()
	for _, i := range b.all() {
		f, err := w.AddPathAs(ctx, i.path, b.file(i))
		if err != nil {
			return ref, err
		}
		// It is what was read above.
		if now, err := os.Stat(i.path); err != nil || !os.SameFile(now, i.was) || now.Size() != i.was.Size() || !now.ModTime().Equal(i.was.ModTime()) {
			return ref, fmt.Errorf("add packages: %s changed while it was read; add it again when it is finished", i.path)
		}
		if i == b.source {
			m.Source = datastore.Input{Name: f.Name, SHA256: f.SHA256}
		}
	}
	if o.Log != "" {
		if _, err := w.AddPathAs(ctx, o.Log, logFile); err != nil {
			return ref, err
		}
		m.Log = logFile
	}
	if who, err := user.Current(); err == nil {
		m.Owner = who.Username
	}
	w.Manifest = *m
	return w.Ref(), w.Commit(ctx)
}

// read opens the packages and verifies every digest in them.
func read(ctx context.Context, o *Options) (set []*item, err error) {
	defer o.Report.Done()
	signed := false
	for _, path := range o.Packages {
		o.Report.Live("reading %s", path)
		p, err := kernelrpm.Open(ctx, path)
		if err != nil {
			return set, err
		}
		i := &item{Package: p, path: path}
		set = append(set, i)
		if i.was, err = os.Stat(path); err != nil {
			return set, err
		}
		if i.contents, err = p.Look(ctx, o.Keyring); err != nil {
			return set, fmt.Errorf("read %s: %w", path, err)
		}
		signed = signed || i.contents.Signed
	}
	o.Report.Done()
	o.Report.Say("all digests of the packages are correct")
	switch {
	case o.Keyring != "":
		o.Report.Say("all packages are signed by keys of %s", o.Keyring)
	case signed:
		o.Report.Say("NOT checked: who signed the packages: pass the signers' keys with --keyring")
	default:
		o.Report.Say("the packages are not signed: their digests show damage, not who made them")
	}
	return set, nil
}
