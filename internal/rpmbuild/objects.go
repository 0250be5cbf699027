// SPDX-License-Identifier: Apache-2.0

package rpmbuild

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ovzpatch/internal/command"
)

// objectsMakefile names what a configured tree compiles.
//
//go:embed objects.mk
var objectsMakefile []byte

// objects counts what is compiled below a build directory, also where make is told to say
// nothing of it, and what there is to compile.
type objects struct {
	job   Job
	since time.Time // older objects are not of this build

	mu     sync.Mutex
	conf   configuration // of the kernel at hand, the last that was configured
	names  []string      // its objects
	before int           // objects of the kernels before it
}

// configuration is a kernel's include/config/auto.conf, and the tree that it belongs to.
type configuration struct {
	path, tree string
	written    time.Time
}

// dir is where the kernel's objects lie.
func (c configuration) dir() string { return filepath.Join(filepath.Dir(c.path), "../..") }

// look tells how many objects are there, and of how many; 0 of 0 where no kernel is
// configured yet or its makefiles cannot be read.
func (o *objects) look(ctx context.Context) (made, of int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	conf, err := newestConfiguration(o.job.BuildDir)
	if err == nil && conf != o.conf {
		o.before += o.made()
		o.conf = conf
		o.names, err = o.job.list(ctx, conf)
	}
	if err != nil {
		return o.before, 0 // an estimate that nothing else depends on
	}
	return o.before + o.made(), o.before + len(o.names)
}

func (o *objects) made() int {
	n := 0
	for _, name := range o.names {
		if st, err := os.Lstat(filepath.Join(o.conf.dir(), name)); err == nil && !st.ModTime().Before(o.since) {
			n++
		}
	}
	return n
}

// list returns the names of the objects that a configured tree compiles, as the makefiles of
// its directories have them.
func (j Job) list(ctx context.Context, conf configuration) ([]string, error) {
	mk := filepath.Join(j.Topdir, "objects.mk")
	if err := os.WriteFile(mk, objectsMakefile, 0o644); err != nil {
		return nil, fmt.Errorf("list a kernel's objects: %w", err)
	}
	out, err := command.Output(ctx, command.Cmd{
		Args: j.Root.Args("make", "-rR", "--no-print-directory", "-C", j.Root.Inside(conf.tree),
			"-f", j.Root.Inside(mk), "conf="+j.Root.Inside(conf.path), "objects"),
		Env: j.environment(), Clean: true,
	})
	if err != nil {
		return nil, fmt.Errorf("list a kernel's objects: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// newestConfiguration finds the newest configuration below a build directory. Its tree is
// the one around it, where the objects have a directory of their own.
func newestConfiguration(build string) (configuration, error) {
	var newest configuration
	for _, below := range []string{"*", "*/*", "*/*/*", "*/*/*/*"} {
		found, _ := fs.Glob(os.DirFS(build), below+"/include/config/auto.conf")
		for _, name := range found {
			path := filepath.Join(build, name)
			if st, err := os.Stat(path); err == nil && st.ModTime().After(newest.written) {
				newest = configuration{path: path, written: st.ModTime()}
			}
		}
	}
	for dir := filepath.Dir(newest.path); len(dir) > len(build); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "scripts/Makefile.build")); err == nil {
			newest.tree = dir
			return newest, nil
		}
	}
	return configuration{}, fmt.Errorf("find a configured kernel in %s: there is none", build)
}
