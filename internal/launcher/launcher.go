// SPDX-License-Identifier: Apache-2.0

// Package launcher sends a build's compilations through ccache, distcc, icecc or sccache, and
// reports afterwards what happened: hits, or the machines that compiled.
//
// It uses the masquerade that these programs support: the first directory in PATH has a link to
// the launcher under each compiler's name, and the launcher looks further down PATH for the real
// compiler. No spec and no makefile needs to know, and the command lines that make records beside
// its objects stay those of a build without a launcher.
package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ovzpatch/internal/command"
)

// The launchers.
const (
	Ccache  = "ccache"
	Distcc  = "distcc"
	Icecc   = "icecc"
	Sccache = "sccache"
)

// Names lists all launchers.
func Names() []string { return []string{Ccache, Distcc, Icecc, Sccache} }

// Launcher stands in front of the compilers of one build.
type Launcher struct {
	name    string
	program string   // its path
	dir     string   // the masquerade, and the launcher's log
	path    string   // PATH without the masquerade
	own     []string // the launcher's settings in the user's home directory
	server  *server
}

// Setup puts the launcher in front of every compiler in PATH, which getenv returns. It makes dir
// anew for what it needs. Call Finish at the end.
func Setup(ctx context.Context, name string, getenv func(string) string, dir string) (*Launcher, error) {
	program, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	l := &Launcher{name: name, program: program, dir: dir, path: getenv("PATH")}
	if err := l.masquerade(); err != nil {
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	if l.own, err = l.settings(getenv); err != nil {
		return nil, fmt.Errorf("set up %s: %w", name, err)
	}
	if name == Sccache {
		if l.server, err = startServer(ctx, program); err != nil {
			return nil, fmt.Errorf("set up %s: %w", name, err)
		}
	}
	return l, nil
}

// compiler matches the names of compilers: plain, with a version, and with a target in front.
var compiler = regexp.MustCompile(`^([a-z0-9_]+(-[a-z0-9_]+){1,3}-)?(gcc|g\+\+|cc|c\+\+|clang|clang\+\+)(-[0-9.]+)?$`)

// compilers returns the compilers in a PATH by name, each with its first path. It skips links to
// a launcher, which some distributions put in front.
func compilers(path string) map[string]string {
	found := map[string]string{}
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			if found[e.Name()] != "" || !compiler.MatchString(e.Name()) {
				continue
			}
			real, err := filepath.EvalSymlinks(file)
			if err != nil || slices.Contains(Names(), filepath.Base(real)) {
				continue
			}
			if st, err := os.Stat(real); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				found[e.Name()] = file
			}
		}
	}
	return found
}

func (l *Launcher) masquerade() error {
	all := compilers(l.path)
	if len(all) == 0 {
		return errors.New("no compiler is in PATH: install gcc")
	}
	if err := errors.Join(os.RemoveAll(l.dir), os.MkdirAll(l.bin(), 0o755)); err != nil {
		return err
	}
	for name, real := range all {
		file := filepath.Join(l.bin(), name)
		var err error
		if l.name == Sccache {
			// It goes by the name of its file, not by the name with which it was called.
			script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", command.Quote(l.program), command.Quote(real))
			err = os.WriteFile(file, []byte(script), 0o755)
		} else {
			err = os.Symlink(l.program, file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Launcher) bin() string { return filepath.Join(l.dir, "bin") }
func (l *Launcher) log() string { return filepath.Join(l.dir, "log") }

// Env is what the build's environment gets. Pass the user's other settings for the launcher, such
// as CCACHE_DIR or DISTCC_HOSTS, on as they are.
func (l *Launcher) Env() []string {
	env := append([]string{"PATH=" + l.bin() + string(filepath.ListSeparator) + l.path}, l.own...)
	switch l.name {
	case Ccache:
		return append(env, "CCACHE_STATSLOG="+l.log())
	case Distcc:
		return append(env, "DISTCC_LOG="+l.log(), "DISTCC_VERBOSE=1",
			// Otherwise it calls the compiler by another name, which the compiler repeats in its
			// version, and the kernel in /proc/version.
			"DISTCC_NO_REWRITE_CROSS=1")
	case Icecc:
		// Only at this level does it name the machine that compiles.
		return append(env, "ICECC_LOGFILE="+l.log(), "ICECC_DEBUG=debug")
	}
	return env
}

// Afresh makes a cache compile again what it already has, and keep the result.
func (l *Launcher) Afresh() []string {
	switch l.name {
	case Ccache:
		return []string{"CCACHE_RECACHE=1"}
	case Sccache:
		return []string{"SCCACHE_RECACHE=1"}
	}
	return nil
}

// Jobs is how many compilations the launcher's machines do at a time; 0 if that is unknown, or if
// it compiles on this machine.
func (l *Launcher) Jobs(ctx context.Context) int {
	if l.name != Distcc {
		return 0
	}
	out, err := command.Ask(ctx, l.program, "-j")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	return n
}

// finishLimit is how long the launcher may take to answer at the end.
const finishLimit = 30 * time.Second

// Finish reports what the launcher did, and ends what Setup started, even if ctx has ended.
func (l *Launcher) Finish(ctx context.Context) (*Report, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer cancel()
	r, err := l.report(ctx)
	if l.server != nil {
		err = errors.Join(err, l.server.stop(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s what it did: %w", l.name, err)
	}
	return r, nil
}
